/*
 * follow.h
 *	  Batches that take several requests: a job asked after until it ends, a record changed once it was
 *	  read (see follow in transport.h).
 *
 *	  in flight -> (answered) -> in flight ...			at once
 *							  -> waiting -> in flight	after the time that the transport asked for
 *							  -> (read, or given up)
 *
 * Such a batch counts as in flight throughout, and its lanes are SENDING. Each request takes its share
 * of the rate limit, but none waits for it: new batches do. A batch that has not ended after 200
 * requests or ten minutes is tried again from the start.
 */
#ifndef CXSIG_FOLLOW_H
#define CXSIG_FOLLOW_H

#include "dispatch/batch.h"

/* What comes after an answer. */
typedef enum CxsigFollows
{
	CXSIG_FOLLOWS_NOTHING, /* it is the last: read it */
	CXSIG_FOLLOWS_NOW,	   /* the next request is made, in the current context */
	CXSIG_FOLLOWS_LATER,   /* it is kept, and comes from cxsig_follow_next_due */
	CXSIG_FOLLOWS_NO_MORE  /* given up: the results say so */
} CxsigFollows;

/* Ask the transport what follows the answer to a batch's request. */
extern CxsigFollows cxsig_follow_answer(CxsigBatch *batch, const CxsigAttempt *attempts,
										const CxsigResponse *response, CxsigRequest *next,
										CxsigResult *results);

/* A batch whose next request is due, which waits no more; NULL where none is. And that request. */
extern CxsigBatch *cxsig_follow_next_due(TimestampTz now);
extern const CxsigRequest *cxsig_follow_request(const CxsigBatch *batch);

/* Milliseconds until there is one, -1 where none waits. */
extern long cxsig_follow_timeout_ms(TimestampTz now);

/* The batch has its outcome, or is given up: forget that it takes several requests. */
extern void cxsig_follow_end(CxsigBatch *batch);

#endif
