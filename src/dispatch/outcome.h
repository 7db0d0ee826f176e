/*
 * outcome.h
 *	  What follows from an answer: for the event, its lane, and the destination.
 */
#ifndef CXSIG_OUTCOME_H
#define CXSIG_OUTCOME_H

#include "dispatch/batch.h"

/* Apply the results of a request to its events; the batch is freed, or queued again in halves. */
extern void cxsig_outcome_apply(CxsigBatch *batch, const CxsigResult *results,
								TimestampTz finished_at);

/* A ready head that needs no request: it counts for the event that opened its alert (NULL: for none). */
extern void cxsig_outcome_folded(CxsigItem *item, const pg_uuid_t *opened_by, const char *detail);

/* The same for an event that no request could be made for: it is poison. */
extern void cxsig_outcome_refused(CxsigItem *item, const CxsigResult *result, TimestampTz at);

#endif
