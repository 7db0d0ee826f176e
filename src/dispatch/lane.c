/*
 * lane.c
 *	  Lanes and their states. Runs in dispatchers; touches nothing but its own memory.
 *
 * Waiting lanes stand in a pairing heap by due time, ready ones in another by urgency. Lanes are
 * allocated one by one and found through a hash table of pointers, so that list links stay where
 * they are when it grows.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "dispatch/destination.h"
#include "dispatch/lane.h"
#include "dispatch/quota.h"
#include "lib/pairingheap.h"
#include "utils/timestamp.h"

/* A hash entry: the key and where its lane is. */
typedef struct LaneEntry
{
	uint64 key;
	char status;
	CxsigLane *lane;
} LaneEntry;

#define SH_PREFIX lanehash
#define SH_ELEMENT_TYPE LaneEntry
#define SH_KEY_TYPE uint64
#define SH_KEY key
#define SH_HASH_KEY(table, key) ((uint32) ((key) ^ ((key) >> 32)))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct CxsigLanes
{
	struct CxsigDestination *destination;
	lanehash_hash *table;
	pairingheap *waiting;  /* earliest due first */
	pairingheap *ready;	   /* most urgent first */
	dlist_head back;	   /* ready too, after all of those */
	int n_ready;		   /* both together */
	MemoryContext context; /* of the lanes themselves */
};

static int waiting_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg);
static int ready_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg);
static void ready_add(CxsigLane *lane);
static void ready_remove(CxsigLane *lane);
static void loading_add(CxsigLane *lane);

CxsigLanes *
cxsig_lanes_create(struct CxsigDestination *destination)
{
	CxsigLanes *lanes = palloc(sizeof(CxsigLanes));

	lanes->destination = destination;
	lanes->table = lanehash_create(CurrentMemoryContext, 256, NULL);
	lanes->waiting = pairingheap_allocate(waiting_compare, NULL);
	lanes->ready = pairingheap_allocate(ready_compare, NULL);
	dlist_init(&lanes->back);
	lanes->n_ready = 0;
	lanes->context = SlabContextCreate(CurrentMemoryContext, "cxsig lanes", SLAB_DEFAULT_BLOCK_SIZE,
									   sizeof(CxsigLane));
	return lanes;
}

int
cxsig_lanes_count(const CxsigLanes *lanes)
{
	return (int) lanes->table->members;
}

CxsigLane *
cxsig_lane_get(CxsigLanes *lanes, uint64 key)
{
	bool found;
	LaneEntry *entry = lanehash_insert(lanes->table, key, &found);

	if (!found)
	{
		CxsigLane *lane = MemoryContextAllocZero(lanes->context, sizeof(CxsigLane));

		lane->key = key;
		lane->state = CXSIG_LANE_READY;
		lane->destination = lanes->destination;
		dlist_init(&lane->queue);
		entry->lane = lane;
	}
	return entry->lane;
}

CxsigLane *
cxsig_lane_find(const CxsigLanes *lanes, uint64 key)
{
	LaneEntry *entry = lanehash_lookup(lanes->table, key);

	return entry != NULL ? entry->lane : NULL;
}

uint64
cxsig_lane_key(const struct CxsigDestination *destination, const CxsigEvent *event, int64 position)
{
	const char *key = event->ticket_id;

	if (destination->order_scope == CXSIG_SCOPE_NONE)
		return (uint64) position;
	if (destination->order_scope == CXSIG_SCOPE_ACCOUNT && event->account_id != NULL)
		key = event->account_id;
	return hash_bytes_extended((const unsigned char *) key, strlen(key), 0);
}

void
cxsig_lane_push(CxsigLane *lane, CxsigItem *item)
{
	bool places = lane->state == CXSIG_LANE_READY &&
				  (lane->queued == 0 || (lane->live == 0 && !item->backfill));

	if (places && lane->queued > 0)
		ready_remove(lane);
	item->lane = lane;
	dlist_push_tail(&lane->queue, &item->node);
	lane->queued++;
	lane->live += !item->backfill;
	if (places)
		ready_add(lane);
}

CxsigItem *
cxsig_lane_head(CxsigLane *lane)
{
	if (dlist_is_empty(&lane->queue))
		return NULL;
	return dlist_head_element(CxsigItem, node, &lane->queue);
}

void
cxsig_lane_remove(CxsigLane *lane, CxsigItem *item)
{
	bool ready = lane->state == CXSIG_LANE_READY;

	Assert(item->lane == lane);
	if (ready)
		ready_remove(lane);
	dlist_delete(&item->node);
	lane->queued--;
	lane->live -= !item->backfill;
	if (ready && lane->queued > 0)
		ready_add(lane);
}

CxsigLane *
cxsig_lanes_first_ready(const CxsigLanes *lanes)
{
	if (lanes->n_ready == 0)
		return NULL;
	if (pairingheap_is_empty(lanes->ready))
		return dlist_head_element(CxsigLane, node, &((CxsigLanes *) lanes)->back);
	return pairingheap_container(CxsigLane, heap, pairingheap_first(lanes->ready));
}

int
cxsig_lanes_ready(const CxsigLanes *lanes)
{
	return lanes->n_ready;
}

/* Give a lane its place among the ready ones. */
static void
ready_add(CxsigLane *lane)
{
	CxsigLanes *lanes = lane->destination->lanes;
	const CxsigItem *head = cxsig_lane_head(lane);

	lane->backfill = lane->live == 0;
	lane->urgent = !lane->backfill && cxsig_quota_urgent(lane->destination, head->ref->event);
	lane->occurred_at = head->ref->event->occurred_at;
	lane->position = head->position;
	pairingheap_add(lanes->ready, &lane->heap);
	lanes->n_ready++;
}

static void
ready_remove(CxsigLane *lane)
{
	CxsigLanes *lanes = lane->destination->lanes;

	if (lane->at_back)
		dlist_delete(&lane->node);
	else
		pairingheap_remove(lanes->ready, &lane->heap);
	lane->at_back = false;
	lanes->n_ready--;
}

static void
loading_add(CxsigLane *lane)
{
	dlist_push_tail(&lane->destination->loading, &lane->node);
}

void
cxsig_lane_ready_to_sending(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_READY && lane->queued > 0);
	ready_remove(lane);
	lane->state = CXSIG_LANE_SENDING;
}

void
cxsig_lane_sending_to_ready(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_SENDING && lane->queued > 0);
	lane->state = CXSIG_LANE_READY;
	ready_add(lane);
}

void
cxsig_lane_sending_to_back(CxsigLane *lane)
{
	CxsigLanes *lanes = lane->destination->lanes;

	Assert(lane->state == CXSIG_LANE_SENDING && lane->queued > 0);
	lane->state = CXSIG_LANE_READY;
	lane->at_back = true;
	lane->backfill = lane->live == 0;
	dlist_push_tail(&lanes->back, &lane->node);
	lanes->n_ready++;
}

void
cxsig_lanes_forgive(CxsigLanes *lanes)
{
	while (!dlist_is_empty(&lanes->back))
	{
		CxsigLane *lane = dlist_head_element(CxsigLane, node, &lanes->back);

		ready_remove(lane);
		ready_add(lane);
	}
}

void
cxsig_lanes_reorder(CxsigLanes *lanes)
{
	CxsigLane **ready = palloc(Max(lanes->n_ready, 1) * sizeof(CxsigLane *));
	int n = 0;

	while (!pairingheap_is_empty(lanes->ready))
	{
		ready[n] = pairingheap_container(CxsigLane, heap, pairingheap_first(lanes->ready));
		ready_remove(ready[n++]);
	}
	while (n > 0)
		ready_add(ready[--n]);
	pfree(ready);
}

void
cxsig_lane_sending_to_waiting(CxsigLane *lane, TimestampTz due, bool held)
{
	Assert(lane->state == CXSIG_LANE_SENDING && lane->queued == 0);
	lane->state = CXSIG_LANE_WAITING;
	lane->due = held ? DT_NOEND : due;
	lane->held = held;
	pairingheap_add(lane->destination->lanes->waiting, &lane->heap);
}

void
cxsig_lane_new_to_waiting(CxsigLane *lane, int stored, TimestampTz due, bool held)
{
	Assert(lane->state == CXSIG_LANE_READY && lane->queued == 0);
	lane->state = CXSIG_LANE_WAITING;
	lane->stored = stored;
	lane->due = held ? DT_NOEND : due;
	lane->held = held;
	pairingheap_add(lane->destination->lanes->waiting, &lane->heap);
}

void
cxsig_lane_waiting_to_loading(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_WAITING);
	pairingheap_remove(lane->destination->lanes->waiting, &lane->heap);
	lane->state = CXSIG_LANE_LOADING;
	lane->held = false;
	loading_add(lane);
}

void
cxsig_lane_sending_to_loading(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_SENDING && lane->queued == 0 && lane->stored > 0);
	lane->state = CXSIG_LANE_LOADING;
	loading_add(lane);
}

void
cxsig_lane_ready_to_loading(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_READY && lane->queued == 0 && lane->stored > 0);
	lane->state = CXSIG_LANE_LOADING;
	loading_add(lane);
}

void
cxsig_lane_loading_to_ready(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_LOADING);
	dlist_delete(&lane->node);
	lane->state = CXSIG_LANE_READY;
	if (lane->queued > 0)
		ready_add(lane);
}

void
cxsig_lane_loading_to_waiting(CxsigLane *lane, TimestampTz due, bool held)
{
	Assert(lane->state == CXSIG_LANE_LOADING && lane->queued == 0);
	dlist_delete(&lane->node);
	lane->state = CXSIG_LANE_READY;
	cxsig_lane_new_to_waiting(lane, lane->stored, due, held);
}

void
cxsig_lane_forget(CxsigLanes *lanes, CxsigLane *lane)
{
	Assert(lane->queued == 0);
	if (lane->state == CXSIG_LANE_WAITING)
		pairingheap_remove(lanes->waiting, &lane->heap);
	else if (lane->state == CXSIG_LANE_LOADING)
		dlist_delete(&lane->node);
	lanehash_delete(lanes->table, lane->key);
	pfree(lane);
}

TimestampTz
cxsig_lanes_wake_due(CxsigLanes *lanes, TimestampTz now)
{
	while (!pairingheap_is_empty(lanes->waiting))
	{
		CxsigLane *lane = pairingheap_container(CxsigLane, heap, pairingheap_first(lanes->waiting));

		if (lane->due > now)
			return lane->due;
		cxsig_lane_waiting_to_loading(lane);
	}
	return DT_NOEND;
}

TimestampTz
cxsig_lanes_next_due(const CxsigLanes *lanes)
{
	if (pairingheap_is_empty(lanes->waiting))
		return DT_NOEND;
	return pairingheap_container(CxsigLane, heap, pairingheap_first(lanes->waiting))->due;
}

void
cxsig_lanes_each(CxsigLanes *lanes, void (*function)(CxsigLane *lane, void *arg), void *arg)
{
	lanehash_iterator iterator;
	LaneEntry *entry;

	lanehash_start_iterate(lanes->table, &iterator);
	while ((entry = lanehash_iterate(lanes->table, &iterator)) != NULL)
		function(entry->lane, arg);
}

void
cxsig_lanes_release_held(CxsigLanes *lanes)
{
	List *held = NIL;
	ListCell *cell;
	lanehash_iterator iterator;
	LaneEntry *entry;

	lanehash_start_iterate(lanes->table, &iterator);
	while ((entry = lanehash_iterate(lanes->table, &iterator)) != NULL)
		if (entry->lane->state == CXSIG_LANE_WAITING && entry->lane->held)
			held = lappend(held, entry->lane);
	foreach (cell, held)
		cxsig_lane_waiting_to_loading(lfirst(cell));
	list_free(held);
}

/* The earliest due is the first: the heap keeps the greatest on top. */
static int
waiting_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const CxsigLane *lane_a = pairingheap_const_container(CxsigLane, heap, a);
	const CxsigLane *lane_b = pairingheap_const_container(CxsigLane, heap, b);

	if (lane_a->due == lane_b->due)
		return 0;
	return lane_a->due < lane_b->due ? 1 : -1;
}

/* Live before backfill, then what is urgent, then what occurred first, then what was recorded first. */
static int
ready_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const CxsigLane *lane_a = pairingheap_const_container(CxsigLane, heap, a);
	const CxsigLane *lane_b = pairingheap_const_container(CxsigLane, heap, b);

	if (lane_a->backfill != lane_b->backfill)
		return lane_a->backfill ? -1 : 1;
	if (lane_a->urgent != lane_b->urgent)
		return lane_a->urgent ? 1 : -1;
	if (lane_a->occurred_at != lane_b->occurred_at)
		return lane_a->occurred_at < lane_b->occurred_at ? 1 : -1;
	return lane_a->position < lane_b->position ? 1 : lane_a->position > lane_b->position ? -1 : 0;
}
