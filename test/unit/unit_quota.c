/*
 * unit_quota.c
 *	  What a destination may send as its quota runs out, and when. The clock is unit_follow.c's.
 */
#include "postgres.h"

#include "base/clock.h"
#include "dispatch/quota.h"
#include "unit.h"
#include "utils/timestamp.h"

static CxsigTransport transport;
static CxsigDestination destination;
static int reordered = 0;

static long wait_ms(int64 used, bool urgent);
static void check_levels(void);
static void check_answers(void);

/* What quota.c would have of a process. */
void
cxsig_lanes_reorder(CxsigLanes *lanes)
{
	reordered++;
}

bool
cxsig_event_matches(const CxsigView *view, const CxsigEvent *event)
{
	return event->version == 7;
}

TimestampTz
cxsig_clock_from_wall(TimestampTz wall)
{
	return wall;
}

void
unit_quota(void)
{
	destination.transport = &transport;
	destination.quota.reserve = 0.1;
	destination.quota.probe_ms = 30000;
	check_levels();
	check_answers();
}

/* Milliseconds that a request has to wait for at so many of 1000; -1: for an answer. */
static long
wait_ms(int64 used, bool urgent)
{
	TimestampTz now = cxsig_clock_now();
	TimestampTz due;

	transport.quota.used = used;
	due = cxsig_quota_due(&destination, urgent, now);
	return due == DT_NOEND ? -1 : (long) ((due - now) / 1000);
}

static void
check_levels(void)
{
	transport.quota.limit = 0;
	CHECK(wait_ms(5000, false) == 0 && cxsig_quota_level(&destination) == CXSIG_QUOTA_AMPLE);
	transport.quota.limit = 1000;
	cxsig_quota_sent(&destination, false, cxsig_clock_now());
	CHECK(wait_ms(0, false) == 0);
	CHECK(wait_ms(799, false) == 0 && cxsig_quota_level(&destination) == CXSIG_QUOTA_AMPLE);

	/* slower and slower, urgent ones apart */
	CHECK(wait_ms(850, false) >= 99 && wait_ms(850, false) <= 100);
	CHECK(cxsig_quota_level(&destination) == CXSIG_QUOTA_SHORT);
	CHECK(wait_ms(825, false) < 100 && wait_ms(825, false) > 0);
	CHECK(wait_ms(890, false) > 800 && wait_ms(890, false) < 1000);
	CHECK(wait_ms(899, false) > 9000 && wait_ms(899, false) <= 30000);
	CHECK(wait_ms(899, true) == 0);

	/* what is reserved is for urgent ones, and a probe */
	CHECK(wait_ms(900, false) == 30000 && cxsig_quota_is_for_urgent(&destination));
	CHECK(wait_ms(999, false) == 30000 && wait_ms(999, true) == 0);
	destination.quota.ordinary_at -= INT64CONST(30000000);
	CHECK(wait_ms(950, false) == 0);

	/* all is used: a probe, one at a time, of whatever kind */
	CHECK(wait_ms(1000, true) == 30000 && wait_ms(1000, false) == 30000);
	CHECK(wait_ms(2000, true) == 30000 && !cxsig_quota_is_for_urgent(&destination));
	destination.quota.sent_at -= INT64CONST(30000000);
	CHECK(wait_ms(1000, false) == 0);
	destination.in_flight = 1;
	CHECK(wait_ms(1000, false) == -1);
	CHECK(wait_ms(950, true) == 0);
	destination.in_flight = 0;

	/* it is known when it is whole again */
	cxsig_quota_sent(&destination, false, cxsig_clock_now());
	transport.quota.resets_at = cxsig_clock_now() + INT64CONST(2000000);
	CHECK(wait_ms(1000, false) == 2000 && wait_ms(950, false) == 2000);
	destination.in_flight = 1;
	CHECK(wait_ms(1000, false) == 2000);
	destination.in_flight = 0;
	CHECK(wait_ms(850, false) <= 100);
	transport.quota.resets_at = cxsig_clock_now();
	CHECK(wait_ms(1000, false) == 0 && cxsig_quota_level(&destination) == CXSIG_QUOTA_AMPLE);
	transport.quota.resets_at = 0;

	/* none is reserved, and nearly all is */
	destination.quota.reserve = 0;
	CHECK(wait_ms(999, false) == 0 && wait_ms(1000, false) == 30000);
	destination.quota.reserve = 0.9;
	CHECK(wait_ms(0, false) == 0 && wait_ms(1, false) >= 0 && wait_ms(99, false) > 1000);
	CHECK(wait_ms(100, false) == 30000);
	destination.quota.reserve = 0.1;
}

static void
check_answers(void)
{
	CxsigEvent high = {.churn_risk = (char *) "high"};
	CxsigEvent seven = {.version = 7};
	CxsigQuota told = {0};

	transport.quota = told;
	CHECK(!cxsig_quota_urgent(&destination, &high));
	cxsig_quota_answered(&destination, &told, false);
	CHECK(reordered == 0);
	transport.quota.limit = 100;
	transport.quota.used = 10;
	cxsig_quota_answered(&destination, &told, false);
	CHECK(reordered == 1);
	CHECK(cxsig_quota_urgent(&destination, &high) && !cxsig_quota_urgent(&destination, &seven));
	destination.quota.urgent.filter = (CxsigFilter *) &seven;
	CHECK(!cxsig_quota_urgent(&destination, &high) && cxsig_quota_urgent(&destination, &seven));

	/* no answer tells of it any more: three that fail say nothing, three others do */
	told = transport.quota;
	for (int i = 0; i < 3; i++)
		cxsig_quota_answered(&destination, &told, true);
	cxsig_quota_answered(&destination, &told, false);
	cxsig_quota_answered(&destination, &told, false);
	CHECK(transport.quota.limit == 100);
	cxsig_quota_answered(&destination, &told, false);
	CHECK(transport.quota.limit == 0 && reordered == 1);
}
