/*
 * clock.c
 *	  Planning time: the monotonic clock, moved to where the time of day was at the first call. Runs in
 *	  any process; what it returns means something in that process only.
 */
#include "postgres.h"

#include <time.h>

#include "base/clock.h"
#include "utils/timestamp.h"

/* Time of day minus monotonic time, at the first call. */
static TimestampTz offset = 0;

static TimestampTz monotonic_us(void);

TimestampTz
cxsig_clock_now(void)
{
	TimestampTz now = monotonic_us();

	if (offset == 0)
		offset = GetCurrentTimestamp() - now;
	return now + offset;
}

TimestampTz
cxsig_clock_to_wall(TimestampTz planned)
{
	if (planned == DT_NOEND)
		return planned;
	return planned - cxsig_clock_now() + GetCurrentTimestamp();
}

TimestampTz
cxsig_clock_from_wall(TimestampTz wall)
{
	if (wall == DT_NOEND)
		return wall;
	return wall - GetCurrentTimestamp() + cxsig_clock_now();
}

static TimestampTz
monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (TimestampTz) now.tv_sec * USECS_PER_SEC + now.tv_nsec / 1000;
}
