/*
 * batch.h
 *	  The events of one request: the heads of as many lanes, at most one of each.
 *
 *	  formed -> in flight -> (read: every event has its result)
 *							 or, refused as a whole, -> two halves -> in flight ...
 *
 * Its lanes are SENDING from when it is formed until its events have their outcome.
 */
#ifndef CXSIG_BATCH_H
#define CXSIG_BATCH_H

#include "dispatch/sender.h"

typedef struct CxsigBatch
{
	CxsigCallOwner owner;
	dlist_node node; /* in the destination's in_flight_batches or halves */
	CxsigDestination *destination;
	CxsigHttpCall *call; /* while it is in flight; NULL while it waits for its next request */
	struct CxsigFollowing *following; /* where it takes several requests: see follow.h */
	bool backfill;					  /* carries nothing but backfill */
	int64 token_serial;				  /* of the token it was sent with, 0 for none */
	bool reauthorised; /* it was refused with a token, and is sent again with another */
	int n;
	CxsigItem *items[FLEXIBLE_ARRAY_MEMBER];
} CxsigBatch;

/*
 * The next batch that a destination may send: a waiting half, or the most urgent lanes. NULL where
 * there is none, or it waits for company.
 */
extern CxsigBatch *cxsig_batch_next(CxsigDestination *destination, TimestampTz now);

/* Is there one, or when will there be (DT_NOEND: nothing is ready)? */
extern TimestampTz cxsig_batch_due(CxsigDestination *destination, TimestampTz now);

/* Its events from first on did not fit: that was no attempt, and their lanes are ready again. */
extern void cxsig_batch_cut(CxsigBatch *batch, int first);

/* Its events were refused together: queue it again as two. It is in no list, and has two at least. */
extern void cxsig_batch_halve(CxsigBatch *batch);

/* It is to be sent again, whole and next, as if it had not been sent. It is in no list. */
extern void cxsig_batch_again(CxsigBatch *batch);

/* Give its lanes back as if it had not been formed. It is in no list. */
extern void cxsig_batch_undo(CxsigBatch *batch);

#endif
