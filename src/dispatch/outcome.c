/*
 * outcome.c
 *	  One function per outcome. Runs in dispatchers, outside transactions.
 *
 *	  delivered     receipt; the lane goes on
 *	  retry         the lane waits in cxsig.retry - or, while the breaker is open, stays as it is:
 *	                an outage burns no attempts
 *	  poison        dead letter; the lane goes on, or is held for a person
 *	  unauthorised  the destination stops; the event stays where it is
 *	  gone          the destination is disabled; the event stays where it is
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "dispatch/breaker.h"
#include "dispatch/outcome.h"
#include "dispatch/receipt.h"
#include "utils/timestamp.h"

static void apply_delivered(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at);
static void apply_retry(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at);
static void apply_poison(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at);
static void apply_stop(CxsigItem *item, const CxsigResult *result);
static void lane_go_on(CxsigLane *lane);
static void lane_wait(CxsigLane *lane, CxsigItem *head, const CxsigResult *result, TimestampTz due,
					  bool held);

void
cxsig_outcome_apply(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at)
{
	switch (result->outcome)
	{
		case CXSIG_DELIVERED:
			apply_delivered(item, result, finished_at);
			break;
		case CXSIG_RETRY:
			apply_retry(item, result, finished_at);
			break;
		case CXSIG_POISON:
		case CXSIG_SPLIT:
			apply_poison(item, result, finished_at);
			break;
		case CXSIG_UNAUTHORISED:
		case CXSIG_GONE:
			apply_stop(item, result);
			break;
	}
}

static void
apply_delivered(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at)
{
	CxsigLane *lane = item->lane;

	cxsig_breaker_success(item->destination);
	cxsig_lane_remove(lane, item);
	cxsig_receipt_delivered(item, result, finished_at);
	lane_go_on(lane);
}

static void
apply_retry(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at)
{
	CxsigDestination *destination = item->destination;
	CxsigBreaker *breaker = &destination->breaker;
	bool was_open = breaker->open;
	TimestampTz due;

	cxsig_breaker_failure(destination, result->retry_after_ms, finished_at);
	if (was_open || destination->draining)
	{
		cxsig_lane_sending_to_ready(item->lane);
		return;
	}

	/* Only an event that fails while others pass can become poison by attempts. */
	if (breaker->successes > item->successes_seen)
		item->strikes++;
	item->successes_seen = breaker->successes;
	if (item->strikes >= destination->max_attempts)
	{
		apply_poison(item, result, finished_at);
		return;
	}
	due = TimestampTzPlusMilliseconds(
		finished_at,
		Max(cxsig_backoff_ms(item->attempt, destination->retry_initial_ms,
							 destination->retry_max_ms, pg_prng_double(&pg_global_prng_state)),
			result->retry_after_ms));
	lane_wait(item->lane, item, result, due, false);
}

static void
apply_poison(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at)
{
	CxsigLane *lane = item->lane;

	/* The remote answered: it is not the destination that fails. */
	if (result->outcome != CXSIG_RETRY)
		cxsig_breaker_success(item->destination);
	if (item->destination->hold_poison)
	{
		lane_wait(lane, item, result, DT_NOEND, true);
		return;
	}
	cxsig_lane_remove(lane, item);
	cxsig_receipt_dead(item, result, finished_at);
	lane_go_on(lane);
}

/* The destination is to stop: the registry drains it and writes why. */
static void
apply_stop(CxsigItem *item, const CxsigResult *result)
{
	CxsigDestination *destination = item->destination;

	item->attempt--;
	destination->unauthorised = result->outcome == CXSIG_UNAUTHORISED;
	destination->gone = result->outcome == CXSIG_GONE;
	snprintf(destination->stop_reason, sizeof(destination->stop_reason), "%d%s%s", result->status,
			 result->detail[0] != '\0' ? ": " : "", result->detail);
	cxsig_lane_sending_to_ready(item->lane);
	if (!destination->draining)
		cxsig_destination_drain(destination);
}

/* The head has its outcome: the next one's turn. */
static void
lane_go_on(CxsigLane *lane)
{
	if (lane->queued > 0)
		cxsig_lane_sending_to_ready(lane);
	else if (lane->stored > 0)
		cxsig_lane_sending_to_loading(lane);
	else
		cxsig_lane_forget(lane->destination->lanes, lane);
}

/* The head and all behind it go to cxsig.retry. */
static void
lane_wait(CxsigLane *lane, CxsigItem *head, const CxsigResult *result, TimestampTz due, bool held)
{
	CxsigItem *item;

	cxsig_lane_remove(lane, head);
	cxsig_receipt_retry(head, result, due, held);
	while ((item = cxsig_lane_head(lane)) != NULL)
	{
		cxsig_lane_remove(lane, item);
		cxsig_receipt_queue_behind(item);
	}
	cxsig_lane_sending_to_waiting(lane, due, held);
}
