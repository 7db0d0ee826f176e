/*
 * standing.c
 *	  What a destination waits for, and what its remote allows, for people. Runs in dispatchers.
 */
#include "postgres.h"

#include "base/clock.h"
#include "dispatch/quota.h"
#include "dispatch/standing.h"
#include "dispatch/token.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static void standing_now(const CxsigDestination *destination, CxsigStanding *standing);

static void
standing_now(const CxsigDestination *destination, CxsigStanding *standing)
{
	const CxsigBreaker *breaker = &destination->breaker;
	CxsigQuotaLevel level = cxsig_quota_level(destination);

	memset(standing, 0, sizeof(*standing));
	standing->quota = destination->transport->quota;
	if (!cxsig_token_ready(destination, cxsig_clock_now()))
		standing->holding = "no token: it is asked for until there is one";
	else if (level == CXSIG_QUOTA_SPENT &&
			 (breaker->state == CXSIG_BREAKER_OPEN || breaker->hold_until <= cxsig_clock_now()))
		standing->holding = "quota: used up, a probe now and then";
	else if (breaker->state == CXSIG_BREAKER_OPEN)
		standing->holding = "breaker open: it fails, one probe at a time";
	else if (breaker->hold_until > cxsig_clock_now())
	{
		standing->holding = "rate limit (Retry-After)";
		standing->until = breaker->hold_until;
	}
	else if (level == CXSIG_QUOTA_RESERVED)
		standing->holding = "quota: only urgent signals";
	else if (level == CXSIG_QUOTA_SHORT)
		standing->holding = "quota: slowed down";
}

bool
cxsig_standing_differs(const CxsigDestination *destination)
{
	CxsigStanding now;

	standing_now(destination, &now);
	return memcmp(&now, &destination->standing_written, sizeof(now)) != 0;
}

void
cxsig_standing_write(CxsigDestination *destination, Datum *values, char *nulls)
{
	CxsigStanding *standing = &destination->standing_writing;
	const CxsigQuota *quota = &standing->quota;

	standing_now(destination, standing);
	memset(nulls, 'n', CXSIG_STANDING_COLUMNS);
	if (standing->holding != NULL)
	{
		values[0] = CStringGetTextDatum(standing->holding);
		nulls[0] = ' ';
	}
	if (standing->until != 0)
	{
		values[1] = TimestampTzGetDatum(cxsig_clock_to_wall(standing->until));
		nulls[1] = ' ';
	}
	if (quota->limit <= 0)
		return;
	values[2] = Int64GetDatum(quota->used);
	values[3] = Int64GetDatum(quota->limit);
	values[4] = TimestampTzGetDatum(quota->at);
	values[5] = TimestampTzGetDatum(quota->resets_at);
	memset(nulls + 2, ' ', quota->resets_at != 0 ? 4 : 3);
}

void
cxsig_standing_restore(CxsigDestination *destination, HeapTuple row, TupleDesc desc, int first)
{
	CxsigQuota *quota = &destination->transport->quota;
	bool isnull;
	Datum limit = SPI_getbinval(row, desc, first + 1, &isnull);

	if (isnull)
		return;
	quota->limit = DatumGetInt64(limit);
	quota->used = DatumGetInt64(SPI_getbinval(row, desc, first, &isnull));
	quota->at = DatumGetTimestampTz(SPI_getbinval(row, desc, first + 2, &isnull));
	quota->resets_at = DatumGetTimestampTz(SPI_getbinval(row, desc, first + 3, &isnull));
	destination->quota.urgent_first = true;
}
