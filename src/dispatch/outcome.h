/*
 * outcome.h
 *	  What follows from an answer: for the event, its lane, and the destination.
 */
#ifndef CXSIG_OUTCOME_H
#define CXSIG_OUTCOME_H

#include "dispatch/destination.h"

/* Apply the result of a request to the head of a lane that is SENDING. */
extern void cxsig_outcome_apply(CxsigItem *item, const CxsigResult *result,
								TimestampTz finished_at);

#endif
