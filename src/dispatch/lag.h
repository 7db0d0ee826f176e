/*
 * lag.h
 *	  How long live events have waited at each destination, and lanes that make no progress: one line
 *	  in the log when it becomes too much, and one when it is over. Backfill never counts.
 */
#ifndef CXSIG_LAG_H
#define CXSIG_LAG_H

#include "dispatch/destination.h"

/* The event at the head of a lane goes to cxsig.retry, or is found waiting there. */
extern void cxsig_lag_waits(int destination_id, uint64 lane, int64 position,
							const CxsigEvent *event, bool backfill);

/* Look at all destinations now and then; *wait_until is lowered to when the next look is due. */
extern void cxsig_lag_look(TimestampTz now, TimestampTz *wait_until, bool *gone);

#endif
