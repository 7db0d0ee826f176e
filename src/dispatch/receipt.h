/*
 * receipt.h
 *	  Outcomes on their way to the tables: gathered in memory, written many at a time.
 *
 * An item whose outcome is noted here belongs to this module and is settled once the outcome is
 * committed, so that a checkpoint never claims what is not written.
 */
#ifndef CXSIG_RECEIPT_H
#define CXSIG_RECEIPT_H

#include "dispatch/destination.h"

/* The event was applied. */
extern void cxsig_receipt_delivered(CxsigItem *item, const CxsigResult *result,
									TimestampTz finished_at);

/* A newer event stands for it; newer is NULL where it is not known which. */
extern void cxsig_receipt_superseded(CxsigItem *item, const pg_uuid_t *newer, const char *detail);

/* It counts for the event that opened an alert; opened_by is NULL where it is no matter for one. */
extern void cxsig_receipt_folded(CxsigItem *item, const pg_uuid_t *opened_by, const char *detail);

/* The event is given up: a dead letter. */
extern void cxsig_receipt_dead(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at);

/* The event is tried again later (held: when a person says so): a row in cxsig.retry. */
extern void cxsig_receipt_retry(CxsigItem *item, const CxsigResult *result, TimestampTz due,
								bool held);

/* The event waits behind the head of its lane: a row in cxsig.retry, unless it has one. */
extern void cxsig_receipt_queue_behind(CxsigItem *item);

/* How many wait to be written, and since when. */
extern int cxsig_receipt_pending(void);
extern TimestampTz cxsig_receipt_oldest(void);

/*
 * Write all, with checkpoints of the destinations given (any number), in one transaction. False
 * where that failed and was logged: everything is kept for the next try.
 */
extern bool cxsig_receipt_flush(List *checkpoints, bool *gone);

#endif
