/*
 * breaker.c
 *	  When to send again after failures. Runs in dispatchers; pure bookkeeping.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "dispatch/breaker.h"
#include "fmgr.h"
#include "utils/timestamp.h"

#define FAILURES_TO_OPEN 10
#define TRIALS_TO_CLOSE 4
#define PROBE_INITIAL_MS 500
#define PROBE_MAX_MS 30000
#define RETRY_AFTER_MAX_MS ((int64) 24 * 60 * 60 * 1000)

PG_FUNCTION_INFO_V1(cxsig_backoff);

int
cxsig_breaker_allows(const CxsigDestination *destination, TimestampTz now)
{
	const CxsigBreaker *breaker = &destination->breaker;
	int limit = destination->concurrency;

	if (now < breaker->hold_until)
		return 0;
	if (breaker->state == CXSIG_BREAKER_OPEN)
		limit = 1;
	else if (breaker->state == CXSIG_BREAKER_HALF_OPEN)
		limit = Min(limit, TRIALS_TO_CLOSE);
	return Max(limit - destination->in_flight, 0);
}

TimestampTz
cxsig_breaker_next(const CxsigDestination *destination, TimestampTz now)
{
	if (destination->breaker.hold_until > now)
		return destination->breaker.hold_until;
	return DT_NOEND;
}

void
cxsig_breaker_success(CxsigDestination *destination)
{
	CxsigBreaker *breaker = &destination->breaker;

	breaker->failures = 0;
	breaker->successes++;
	if (breaker->state == CXSIG_BREAKER_OPEN)
	{
		breaker->state = CXSIG_BREAKER_HALF_OPEN;
		breaker->trials = 0;
		cxsig_lanes_forgive(destination->lanes);
		destination->catch_up = destination->latest;
	}
	if (breaker->state == CXSIG_BREAKER_HALF_OPEN && ++breaker->trials >= TRIALS_TO_CLOSE)
	{
		breaker->state = CXSIG_BREAKER_CLOSED;
		breaker->probes = 0;
		ereport(LOG, (errmsg("cxsig destination \"%s\" answers again", destination->name)));
	}
}

void
cxsig_breaker_failure(CxsigDestination *destination, uint64 lane, int64 retry_after_ms,
					  TimestampTz now)
{
	CxsigBreaker *breaker = &destination->breaker;
	TimestampTz until = breaker->hold_until;

	if (breaker->failures == 0 || lane != breaker->failed_lane)
		breaker->failures++;
	breaker->failed_lane = lane;
	if (breaker->state == CXSIG_BREAKER_CLOSED && breaker->failures >= FAILURES_TO_OPEN)
	{
		breaker->state = CXSIG_BREAKER_OPEN;
		breaker->probes = 0;
		ereport(LOG,
				(errmsg("cxsig destination \"%s\" fails: %d requests in a row", destination->name,
						breaker->failures),
				 errdetail("Its events wait; one probe at a time is sent until some succeed.")));
	}
	else if (breaker->state == CXSIG_BREAKER_HALF_OPEN)
		breaker->state = CXSIG_BREAKER_OPEN;
	/* What was in flight when it opened is no probe. */
	if (breaker->state == CXSIG_BREAKER_OPEN && now >= breaker->hold_until)
		until = TimestampTzPlusMilliseconds(
			now, cxsig_backoff_ms(++breaker->probes, PROBE_INITIAL_MS, PROBE_MAX_MS,
								  pg_prng_double(&pg_global_prng_state)));
	breaker->hold_until = until;
	cxsig_breaker_hold(destination, retry_after_ms, now);
}

void
cxsig_breaker_hold(CxsigDestination *destination, int64 retry_after_ms, TimestampTz now)
{
	CxsigBreaker *breaker = &destination->breaker;

	if (retry_after_ms < 0)
		return;
	breaker->hold_until =
		Max(breaker->hold_until,
			TimestampTzPlusMilliseconds(now, Min(retry_after_ms, RETRY_AFTER_MAX_MS)));
}

int64
cxsig_backoff_ms(int attempt, int64 initial_ms, int64 max_ms, double share)
{
	int64 delay = initial_ms;

	while (--attempt > 0 && delay < max_ms)
		delay *= 2;
	delay = Min(delay, max_ms);
	return (int64) (delay * (0.75 + share * 0.5));
}

/* cxsig._backoff(attempt, initial_ms, max_ms, share): the policy, to look at. */
Datum
cxsig_backoff(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(cxsig_backoff_ms(PG_GETARG_INT32(0), PG_GETARG_INT64(1), PG_GETARG_INT64(2),
									 PG_GETARG_FLOAT8(3)));
}
