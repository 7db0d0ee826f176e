/*
 * quota.c
 *	  How a destination lives with what is left of a quota. Runs in dispatchers; pure bookkeeping.
 */
#include "postgres.h"

#include "base/clock.h"
#include "dispatch/quota.h"
#include "utils/timestamp.h"

/* The pause half way through the stretch where a quota is short, as a part of quota_probe_ms. */
#define PAUSE_PART 300

/* After as many answers in a row that tell of no quota, there is none any more. */
#define SILENT_ANSWERS 3

static double used_share(const CxsigDestination *destination);
static double short_from(const CxsigDestination *destination);
static int64 pause_ms(const CxsigDestination *destination);

/* The share that is used; 0 where none was told, or it is whole again. */
static double
used_share(const CxsigDestination *destination)
{
	const CxsigQuota *quota = &destination->transport->quota;

	if (quota->limit <= 0 ||
		(quota->resets_at != 0 && cxsig_clock_from_wall(quota->resets_at) <= cxsig_clock_now()))
		return 0;
	return (double) quota->used / quota->limit;
}

static double
short_from(const CxsigDestination *destination)
{
	return Max(1 - 2 * destination->quota.reserve, 0);
}

CxsigQuotaLevel
cxsig_quota_level(const CxsigDestination *destination)
{
	double used;

	if (destination->transport->quota.limit <= 0)
		return CXSIG_QUOTA_AMPLE;
	used = used_share(destination);
	if (used >= 1)
		return CXSIG_QUOTA_SPENT;
	if (used >= 1 - destination->quota.reserve)
		return CXSIG_QUOTA_RESERVED;
	return used >= short_from(destination) && used > 0 ? CXSIG_QUOTA_SHORT : CXSIG_QUOTA_AMPLE;
}

/* From nothing, where the quota begins to be short, to quota_probe_ms, where it is reserved. */
static int64
pause_ms(const CxsigDestination *destination)
{
	double begin = short_from(destination);
	double end = 1 - destination->quota.reserve;
	double left = (end - used_share(destination)) / (end - begin);
	double probe_ms = destination->quota.probe_ms;

	if (left <= 1.0 / PAUSE_PART)
		return (int64) probe_ms;
	return (int64) Min(probe_ms, probe_ms / PAUSE_PART * (1 - left) / left);
}

TimestampTz
cxsig_quota_due(const CxsigDestination *destination, bool urgent, TimestampTz now)
{
	const CxsigQuota *told = &destination->transport->quota;
	CxsigQuotaLevel level = cxsig_quota_level(destination);
	TimestampTz due;

	if (level == CXSIG_QUOTA_AMPLE || (urgent && level != CXSIG_QUOTA_SPENT))
		return now;
	if (level == CXSIG_QUOTA_SHORT)
		due = TimestampTzPlusMilliseconds(destination->quota.ordinary_at, pause_ms(destination));
	else if (destination->in_flight > 0 && level == CXSIG_QUOTA_SPENT)
		due =
			DT_NOEND; /* one probe at a time; a batch that waits for a job is in flight for long */
	else
		due =
			TimestampTzPlusMilliseconds(level == CXSIG_QUOTA_SPENT ? destination->quota.sent_at
																   : destination->quota.ordinary_at,
										destination->quota.probe_ms);
	if (told->resets_at != 0)
		due = Min(due, cxsig_clock_from_wall(told->resets_at));
	return Max(due, now);
}

bool
cxsig_quota_is_for_urgent(const CxsigDestination *destination)
{
	return cxsig_quota_level(destination) == CXSIG_QUOTA_RESERVED;
}

void
cxsig_quota_sent(CxsigDestination *destination, bool urgent, TimestampTz now)
{
	destination->quota.sent_at = now;
	if (!urgent)
		destination->quota.ordinary_at = now;
}

/*
 * Once a remote tells of a quota, urgent events go first: those that wait change places once. Where it
 * told of one and does so no more - it was another remote, before the destination was altered - what it
 * told must not hold up anything for ever.
 */
void
cxsig_quota_answered(CxsigDestination *destination, const CxsigQuota *told, bool failed)
{
	CxsigQuota *quota = &destination->transport->quota;

	if (quota->limit <= 0)
		return;
	if (quota->at == told->at && quota->used == told->used && quota->limit == told->limit)
	{
		if (!failed && ++destination->quota.silent >= SILENT_ANSWERS)
			memset(quota, 0, sizeof(*quota));
		return;
	}
	destination->quota.silent = 0;
	if (!destination->quota.urgent_first)
	{
		destination->quota.urgent_first = true;
		cxsig_lanes_reorder(destination->lanes);
	}
}

bool
cxsig_quota_urgent(const CxsigDestination *destination, const CxsigEvent *event)
{
	if (!destination->quota.urgent_first)
		return false;
	if (destination->quota.urgent.filter == NULL)
		return event->churn_risk != NULL && strcmp(event->churn_risk, "high") == 0;
	return cxsig_event_matches(&destination->quota.urgent, event);
}
