/*
 * rate.c
 *	  Token buckets. Runs in dispatchers.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "dispatch/rate.h"
#include "utils/timestamp.h"

void
cxsig_rate_init(CxsigRate *rate, double per_second, int burst, TimestampTz now)
{
	rate->per_second = per_second;
	rate->burst = burst > 0 ? burst : Max(per_second, 1.0);
	/* Not a full bucket: altering a destination again and again must not raise its rate. */
	rate->tokens = 1.0;
	rate->filled_at = now;
}

int
cxsig_rate_allows(CxsigRate *rate, TimestampTz now)
{
	if (rate->per_second <= 0)
		return INT_MAX;
	/* A clock set back fills nothing. */
	if (now > rate->filled_at)
		rate->tokens += (double) (now - rate->filled_at) / USECS_PER_SEC * rate->per_second;
	rate->tokens = Min(rate->tokens, rate->burst);
	rate->filled_at = now;
	return (int) rate->tokens;
}

TimestampTz
cxsig_rate_next(const CxsigRate *rate, TimestampTz now)
{
	if (rate->per_second <= 0 || rate->tokens >= 1.0)
		return now;
	return rate->filled_at +
		   (TimestampTz) ceil((1.0 - rate->tokens) / rate->per_second * USECS_PER_SEC);
}

void
cxsig_rate_take(CxsigRate *rate)
{
	if (rate->per_second > 0)
		rate->tokens -= 1.0;
}
