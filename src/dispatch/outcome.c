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
 *	  folded        no request was made: it counts for an alert that is open (alert.c)
 *	  split         the batch was refused as a whole: it is sent again in halves
 *
 * The breaker looks at requests, whatever number of events they carry: one that brings any answer
 * but "try again" is a success.
 */
#include "postgres.h"

#include "base/clock.h"
#include "common/pg_prng.h"
#include "dispatch/alert.h"
#include "dispatch/breaker.h"
#include "dispatch/outcome.h"
#include "dispatch/receipt.h"
#include "utils/timestamp.h"

static void outcome_tell_breaker(const CxsigBatch *batch, const CxsigResult *results);
static void apply(CxsigItem *item, const CxsigResult *result, bool was_open,
				  TimestampTz finished_at);
static void apply_delivered(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at);
static void apply_retry(CxsigItem *item, const CxsigResult *result, bool was_open,
						TimestampTz finished_at);
static bool is_limit(const CxsigResult *result);
static void apply_poison(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at);
static void apply_stop(CxsigItem *item, const CxsigResult *result);
static void lane_go_on(CxsigLane *lane);
static void lane_wait(CxsigLane *lane, CxsigItem *head, const CxsigResult *result, TimestampTz due,
					  bool held);

void
cxsig_outcome_apply(CxsigBatch *batch, const CxsigResult *results, TimestampTz finished_at)
{
	CxsigDestination *destination = batch->destination;
	bool was_open = destination->breaker.state == CXSIG_BREAKER_OPEN;
	int i;

	outcome_tell_breaker(batch, results);
	if (results[0].outcome == CXSIG_SPLIT && batch->n > 1)
	{
		cxsig_batch_halve(batch);
		return;
	}
	for (i = 0; i < batch->n; i++)
		apply(batch->items[i], &results[i], was_open, finished_at);
	pfree(batch);
}

void
cxsig_outcome_refused(CxsigItem *item, const CxsigResult *result, TimestampTz at)
{
	apply_poison(item, result, at);
}

/* What the request as a whole says about the destination. */
static void
outcome_tell_breaker(const CxsigBatch *batch, const CxsigResult *results)
{
	CxsigDestination *destination = batch->destination;
	int64 retry_after_ms = -1;
	bool failed = true;
	int i;

	for (i = 0; i < batch->n; i++)
	{
		if (results[i].outcome == CXSIG_UNAUTHORISED || results[i].outcome == CXSIG_GONE)
			return;
		failed = failed && results[i].outcome == CXSIG_RETRY;
		retry_after_ms = Max(retry_after_ms, results[i].retry_after_ms);
	}
	if (failed)
		cxsig_breaker_failure(destination, batch->items[0]->lane->key, retry_after_ms,
							  cxsig_clock_now());
	else
	{
		cxsig_breaker_success(destination);
		cxsig_breaker_hold(destination, retry_after_ms, cxsig_clock_now());
	}
}

static void
apply(CxsigItem *item, const CxsigResult *result, bool was_open, TimestampTz finished_at)
{
	switch (result->outcome)
	{
		case CXSIG_DELIVERED:
			apply_delivered(item, result, finished_at);
			break;
		case CXSIG_RETRY:
			apply_retry(item, result, was_open, finished_at);
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

	cxsig_lane_remove(lane, item);
	cxsig_alert_sent(item);
	cxsig_receipt_delivered(item, result, finished_at);
	lane_go_on(lane);
}

void
cxsig_outcome_folded(CxsigItem *item, const pg_uuid_t *opened_by, const char *detail)
{
	CxsigLane *lane = item->lane;

	cxsig_lane_ready_to_sending(lane);
	cxsig_lane_remove(lane, item);
	cxsig_receipt_folded(item, opened_by, detail);
	lane_go_on(lane);
}

static void
apply_retry(CxsigItem *item, const CxsigResult *result, bool was_open, TimestampTz finished_at)
{
	CxsigDestination *destination = item->destination;
	CxsigBreaker *breaker = &destination->breaker;
	TimestampTz due;

	if (destination->draining)
	{
		cxsig_lane_sending_to_ready(item->lane);
		return;
	}
	if (was_open)
	{
		item->attempt--;
		cxsig_lane_sending_to_back(item->lane);
		return;
	}

	/*
	 * Only an event that fails while others pass can become poison by attempts, and not by a limit that
	 * the destination ran into: that is nobody's fault, and whom it meets is chance.
	 */
	if (is_limit(result))
		item->attempt--;
	else if (breaker->successes > item->successes_seen)
		item->strikes++;
	item->successes_seen = item->lane->successes_seen = breaker->successes;
	if (item->strikes >= destination->max_attempts)
	{
		apply_poison(item, result, finished_at);
		return;
	}
	due = TimestampTzPlusMilliseconds(
		cxsig_clock_now(),
		Max(cxsig_backoff_ms(Max(item->attempt, 1), destination->retry_initial_ms,
							 destination->retry_max_ms, pg_prng_double(&pg_global_prng_state)),
			result->retry_after_ms));
	lane_wait(item->lane, item, result, due, false);
}

/* Did the remote say when to come again, and mean its client by it rather than itself? */
static bool
is_limit(const CxsigResult *result)
{
	return result->retry_after_ms >= 0 && result->status < 500;
}

static void
apply_poison(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at)
{
	CxsigLane *lane = item->lane;

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
