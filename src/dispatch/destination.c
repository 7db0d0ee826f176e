/*
 * destination.c
 *	  What happens to an event at a destination between the feed and its lane, and when it is done.
 *	  Runs in dispatchers, outside transactions; touches nothing but memory.
 */
#include "postgres.h"

#include "base/clock.h"
#include "common/hashfn.h"
#include "dispatch/alert.h"
#include "dispatch/destination.h"
#include "dispatch/feed.h"
#include "dispatch/receipt.h"
#include "dispatch/token.h"
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
static CxsigItem *item_create(CxsigDestination *destination, const CxsigFeedRow *row,
							  bool backfill);
static bool supersede(CxsigItem *item, const CxsigFeedRow *row);
static void supersede_waiting(CxsigLane *lane, const CxsigItem *newer);
static void destination_leave_feeds(CxsigDestination *destination);
static void lane_release_events(CxsigLane *lane, void *arg);

int
cxsig_destination_room(const CxsigDestination *destination)
{
	return Max(destination->window - destination->held, 0);
}

void
cxsig_destination_accept(CxsigCursor *cursor, const CxsigFeedRow *row, bool drained)
{
	CxsigDestination *destination = cursor->destination;
	bool seen = was_seen(destination, row->position);
	CxsigItem *item;
	CxsigLane *lane;

	if (seen || !cxsig_event_matches(&destination->view, row->ref->event) ||
		cxsig_alert_leaves_out(destination, row->ref->event, row->position,
							   cursor->stream == CXSIG_BACKFILL))
	{
		cxsig_cursor_pass(cursor, row->position, row->xid, drained, !seen);
		return;
	}
	item = item_create(destination, row, cursor->stream == CXSIG_BACKFILL);
	cxsig_cursor_open(cursor, item, row->xid, drained);
	if (supersede(item, row))
		return;
	lane = cxsig_lane_get(destination->lanes,
						  cxsig_lane_key(destination, row->ref->event, row->position));
	if (lane->state == CXSIG_LANE_WAITING || lane->state == CXSIG_LANE_LOADING || lane->stored > 0)
	{
		item->lane = lane;
		cxsig_receipt_queue_behind(item);
		return;
	}
	if (destination->latest && !item->forced)
		supersede_waiting(lane, item);
	cxsig_lane_push(lane, item);
}

void
cxsig_destination_restore(CxsigLane *lane, const CxsigFeedRow *row, bool backfill, int attempt,
						  int strikes)
{
	CxsigItem *item = item_create(lane->destination, row, backfill);

	item->stored = true;
	item->attempt = attempt;
	item->strikes = strikes;
	item->successes_seen = lane->successes_seen;
	if (supersede(item, row))
		return;
	if (lane->destination->latest && !item->forced)
		supersede_waiting(lane, item);
	cxsig_lane_push(lane, item);
}

/*
 * A live event yields to a newer one only where that is wanted here too, which a filter may not. A
 * backfilled one yields always: what is in between may have been delivered, and must not be taken back.
 */
bool
cxsig_destination_yields(const CxsigItem *item)
{
	return item->backfill || item->destination->view.filter == NULL;
}

/* With history = latest: is the item itself older than what is known? Then it has its outcome. */
static bool
supersede(CxsigItem *item, const CxsigFeedRow *row)
{
	if (!item->destination->latest || item->forced)
		return false;
	if (item->ref->event->stale)
		cxsig_receipt_superseded(item, row->has_newer ? &row->newer : NULL,
								 "stale: a newer revision was known when it came");
	else if (row->has_newer && cxsig_destination_yields(item))
		cxsig_receipt_superseded(item, &row->newer, "a newer revision is known");
	else
		return false;
	return true;
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
		cxsig_receipt_superseded(older, &newer->ref->event->event_id,
								 "a newer revision stands for it");
	}
}

static CxsigItem *
item_create(CxsigDestination *destination, const CxsigFeedRow *row, bool backfill)
{
	CxsigItem *item = MemoryContextAllocZero(destination->items, sizeof(CxsigItem));

	item->destination = destination;
	item->ref = cxsig_event_ref_retain(row->ref);
	item->position = row->position;
	item->forced = row->forced;
	item->backfill = backfill;
	item->repair = row->destination_id != 0;
	destination->held++;
	return item;
}

void
cxsig_destination_settle(CxsigItem *item)
{
	if (item->cursor != NULL)
		cxsig_cursor_settle(item);
	item->destination->held--;
	cxsig_event_ref_release(item->ref);
	pfree(item);
}

void
cxsig_destination_drain(CxsigDestination *destination)
{
	destination->draining = true;
	destination->drain_until = TimestampTzPlusMilliseconds(cxsig_clock_now(), DRAIN_MS);
	destination_leave_feeds(destination);
}

void
cxsig_destination_stop(CxsigDestination *destination, const char *reason)
{
	destination->unauthorised = true;
	strlcpy(destination->stop_reason, reason, sizeof(destination->stop_reason));
	if (!destination->draining)
		cxsig_destination_drain(destination);
}

static void
destination_leave_feeds(CxsigDestination *destination)
{
	cxsig_feed_leave(&destination->cursors[CXSIG_LIVE]);
	cxsig_feed_leave(&destination->cursors[CXSIG_BACKFILL]);
}

/* Give back the events that the items hold; the items themselves go with the context. */
static void
lane_release_events(CxsigLane *lane, void *arg)
{
	dlist_iter iter;

	dlist_foreach (iter, &lane->queue)
		cxsig_event_ref_release(dlist_container(CxsigItem, node, iter.cur)->ref);
}

void
cxsig_destination_free(CxsigDestination *destination)
{
	Assert(destination->in_flight == 0);
	cxsig_token_detach(destination);
	destination_leave_feeds(destination);
	cxsig_xids_free(&destination->cursors[CXSIG_LIVE].doubts);
	cxsig_xids_free(&destination->cursors[CXSIG_BACKFILL].doubts);
	cxsig_lanes_each(destination->lanes, lane_release_events, NULL);
	cxsig_alerts_free(destination->alerts);
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
