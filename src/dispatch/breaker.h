/*
 * breaker.h
 *	  The circuit breaker of a destination, and the backoff of a lane.
 *
 * After failures in a row, across lanes, the breaker opens: an outage is lag, it burns no attempts. One
 * lane alone opens nothing: it may be its event.
 * While it is open one probe at a time is sent, further and further apart. A success half-opens it: a
 * few requests at a time, until as many have succeeded; then it closes. A failure opens it again.
 * Retry-After holds the whole destination, breaker or not.
 *
 *	  closed -(failures)-> open -(probe fails)-> open -(success)-> half-open -(successes)-> closed
 *														  half-open -(failure)-> open
 */
#ifndef CXSIG_BREAKER_H
#define CXSIG_BREAKER_H

#include "dispatch/destination.h"

/* How many requests may be started now. */
extern int cxsig_breaker_allows(const CxsigDestination *destination, TimestampTz now);

/* When that may change by itself; DT_NOEND where it waits for nothing. */
extern TimestampTz cxsig_breaker_next(const CxsigDestination *destination, TimestampTz now);

extern void cxsig_breaker_success(CxsigDestination *destination);

/* Nothing is sent before so many ms are past, whatever the breaker says; -1 for nothing to obey. */
extern void cxsig_breaker_hold(CxsigDestination *destination, int64 retry_after_ms,
							   TimestampTz now);

/* lane: of the first event. retry_after_ms: what the remote asked for, -1 for nothing. */
extern void cxsig_breaker_failure(CxsigDestination *destination, uint64 lane, int64 retry_after_ms,
								  TimestampTz now);

/*
 * Milliseconds before attempt + 1: initial * 2^(attempt - 1), at most max, times 0.75 to 1.25 as
 * share goes from 0 to 1.
 */
extern int64 cxsig_backoff_ms(int attempt, int64 initial_ms, int64 max_ms, double share);

#endif
