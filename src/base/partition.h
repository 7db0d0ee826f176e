/*
 * partition.h
 *	  What a writer to a partitioned table does first.
 */
#ifndef CXSIG_PARTITION_H
#define CXSIG_PARTITION_H

/*
 * Lock the default partitions of the log and the outbox (RowExclusiveLock, until the end of the
 * transaction), before a statement that inserts is started. A row that is on its way to a default
 * partition would be refused if a new partition took over its range meanwhile; this way
 * cxsig._make_partition() comes before the statement, which then routes by what there is, or waits.
 */
extern void cxsig_partition_lock_defaults(void);

#endif
