/*
 * destination.c
 *	  What happens to an event at a destination between the feed and its lane, and when it is done.
 *	  Runs in dispatchers, outside transactions; touches nothing but memory.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "dispatch/destination.h"
#include "dispatch/feed.h"
#include "dispatch/receipt.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How long a destination that is paused, changed or dropped waits for what is in flight. */
#define DRAIN_MS 1000

/* A position whose outcome was written before the destination was loaded. */
typedef struct SeenEntry
{
	int64 position;
	char status;
} SeenEntry;

#define SH_PREFIX seenset
#define SH_ELEMENT_TYPE SeenEntry
#define SH_KEY_TYPE int64
#define SH_KEY position
#define SH_HASH_KEY(table, key) murmurhash32((uint32) ((key) ^ ((uint64) (key) >> 32)))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static bool was_seen(CxsigDestination *destination, int64 position);
static CxsigDraining *draining_get(CxsigDestination *destination, FullTransactionId xid);
static void draining_settle(CxsigDestination *destination, CxsigDraining *draining);
static CxsigItem *item_create(CxsigDestination *destination, CxsigEventRef *ref, int64 position,
							  bool forced);
static void supersede_waiting(CxsigLane *lane, const CxsigItem *newer);
static void lane_release_events(CxsigLane *lane);

int
cxsig_destination_room(const CxsigDestination *destination)
{
	return Max(destination->window - destination->held, 0);
}

void
cxsig_destination_accept(CxsigDestination *destination, CxsigEventRef *ref, int64 position,
						 FullTransactionId draining, bool forced)
{
	bool main_range = !FullTransactionIdIsValid(draining);
	CxsigDraining *drain = main_range ? NULL : draining_get(destination, draining);
	bool seen = was_seen(destination, position);
	CxsigItem *item;
	CxsigLane *lane;

	if (seen || !cxsig_event_matches(&destination->view, ref->event))
	{
		if (main_range)
			cxsig_progress_pass(destination->progress, position, !seen);
		else if (!seen)
			drain->filtered++;
		return;
	}

	item = item_create(destination, ref, position, forced);
	item->draining = drain;
	if (main_range)
		item->entry = cxsig_progress_add(destination->progress, position);
	else
		drain->open++;

	if (destination->latest && ref->event->stale && !forced)
	{
		cxsig_receipt_superseded(item, NULL, "stale: a newer revision was known when it came");
		return;
	}
	lane = cxsig_lane_get(destination->lanes, cxsig_lane_key(destination, ref->event, position));
	if (lane->state == CXSIG_LANE_WAITING || lane->state == CXSIG_LANE_LOADING || lane->stored > 0)
	{
		item->lane = lane;
		cxsig_receipt_queue_behind(item);
		return;
	}
	if (destination->latest && !forced)
		supersede_waiting(lane, item);
	cxsig_lane_push(lane, item);
}

CxsigItem *
cxsig_destination_restore(CxsigDestination *destination, CxsigLane *lane, CxsigEventRef *ref,
						  int64 position, bool forced, int attempt, int strikes)
{
	CxsigItem *item = item_create(destination, ref, position, forced);

	item->stored = true;
	item->attempt = attempt;
	item->strikes = strikes;
	if (destination->latest && !forced)
		supersede_waiting(lane, item);
	cxsig_lane_push(lane, item);
	return item;
}

/* With history = latest, what waits in the lane for the same ticket is superseded by a newer item. */
static void
supersede_waiting(CxsigLane *lane, const CxsigItem *newer)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &lane->queue)
	{
		CxsigItem *older = dlist_container(CxsigItem, node, iter.cur);
		bool in_flight = lane->state == CXSIG_LANE_SENDING && older == cxsig_lane_head(lane);

		if (in_flight || older->forced ||
			strcmp(older->ref->event->ticket_id, newer->ref->event->ticket_id) != 0)
			continue;
		cxsig_lane_remove(lane, older);
		if (lane->queued == 0 && lane->state == CXSIG_LANE_READY)
			dlist_delete(&lane->node);
		cxsig_receipt_superseded(older, newer->ref->event, "a newer revision stands for it");
	}
}

static CxsigItem *
item_create(CxsigDestination *destination, CxsigEventRef *ref, int64 position, bool forced)
{
	CxsigItem *item = MemoryContextAllocZero(destination->items, sizeof(CxsigItem));

	item->destination = destination;
	item->ref = cxsig_event_ref_retain(ref);
	item->position = position;
	item->forced = forced;
	destination->held++;
	return item;
}

void
cxsig_destination_settle(CxsigItem *item)
{
	CxsigDestination *destination = item->destination;

	if (item->draining != NULL)
	{
		item->draining->open--;
		draining_settle(destination, item->draining);
	}
	else if (!item->stored)
		cxsig_progress_done(destination->progress, item->entry);
	destination->held--;
	cxsig_event_ref_release(item->ref);
	pfree(item);
}

static CxsigDraining *
draining_get(CxsigDestination *destination, FullTransactionId xid)
{
	dlist_iter iter;
	CxsigDraining *draining;

	dlist_foreach (iter, &destination->drainings)
	{
		draining = dlist_container(CxsigDraining, node, iter.cur);
		if (FullTransactionIdEquals(draining->xid, xid))
			return draining;
	}
	draining = MemoryContextAllocZero(destination->context, sizeof(CxsigDraining));
	draining->xid = xid;
	draining->reading = true;
	dlist_push_tail(&destination->drainings, &draining->node);
	return draining;
}

void
cxsig_destination_drained(CxsigDestination *destination, FullTransactionId xid)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &destination->drainings)
	{
		CxsigDraining *draining = dlist_container(CxsigDraining, node, iter.cur);

		if (!FullTransactionIdEquals(draining->xid, xid))
			continue;
		draining->reading = false;
		draining_settle(destination, draining);
	}
}

/* Forget a transaction whose rows all have their outcome. */
static void
draining_settle(CxsigDestination *destination, CxsigDraining *draining)
{
	if (draining->reading || draining->open > 0)
		return;
	cxsig_progress_count_filtered(destination->progress, draining->filtered);
	dlist_delete(&draining->node);
	pfree(draining);
}

void
cxsig_destination_drain(CxsigDestination *destination)
{
	destination->draining = true;
	destination->drain_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), DRAIN_MS);
	cxsig_feed_leave(destination);
}

/* Give back the events that the items hold; the items themselves go with the context. */
static void
lane_release_events(CxsigLane *lane)
{
	dlist_iter iter;

	dlist_foreach (iter, &lane->queue)
		cxsig_event_ref_release(dlist_container(CxsigItem, node, iter.cur)->ref);
}

void
cxsig_destination_free(CxsigDestination *destination)
{
	Assert(destination->in_flight == 0);
	cxsig_feed_leave(destination);
	cxsig_xids_free(&destination->doubts);
	cxsig_lanes_each(destination->lanes, lane_release_events);
	MemoryContextDelete(destination->context);
}

void
cxsig_destination_mark_seen(CxsigDestination *destination, int64 position)
{
	bool found;

	if (destination->seen == NULL)
		destination->seen = seenset_create(destination->context, 1024, NULL);
	(void) seenset_insert(destination->seen, position, &found);
}

static bool
was_seen(CxsigDestination *destination, int64 position)
{
	if (destination->seen == NULL || !seenset_delete(destination->seen, position))
		return false;
	if (destination->seen->members == 0)
	{
		seenset_destroy(destination->seen);
		destination->seen = NULL;
	}
	return true;
}
