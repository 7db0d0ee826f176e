/*
 * partition.c
 *	  Locking default partitions ahead of routing. Runs in backends that record signals.
 */
#include "postgres.h"

#include "base/partition.h"
#include "catalog/namespace.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

void
cxsig_partition_lock_defaults(void)
{
	static const char *const names[] = {"event_default", "outbox_default"};
	Oid schema = get_namespace_oid("cxsig", false);
	size_t i;

	for (i = 0; i < lengthof(names); i++)
		LockRelationOid(get_relname_relid(names[i], schema), RowExclusiveLock);
}
