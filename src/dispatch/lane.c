/*
 * lane.c
 *	  Lanes and their states. Runs in dispatchers; touches nothing but its own memory.
 *
 * Waiting lanes stand in a pairing heap by due time. Lanes are allocated one by one and found
 * through a hash table of pointers, so that list links stay where they are when it grows.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "dispatch/destination.h"
#include "dispatch/lane.h"
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
	MemoryContext context; /* of the lanes themselves */
};

static int waiting_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg);
static void lane_append(dlist_head *list, CxsigLane *lane);

CxsigLanes *
cxsig_lanes_create(struct CxsigDestination *destination)
{
	CxsigLanes *lanes = palloc(sizeof(CxsigLanes));

	lanes->destination = destination;
	lanes->table = lanehash_create(CurrentMemoryContext, 256, NULL);
	lanes->waiting = pairingheap_allocate(waiting_compare, NULL);
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
	item->lane = lane;
	dlist_push_tail(&lane->queue, &item->node);
	if (lane->queued++ == 0 && lane->state == CXSIG_LANE_READY)
		lane_append(&lane->destination->ready, lane);
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
	Assert(item->lane == lane);
	dlist_delete(&item->node);
	lane->queued--;
}

static void
lane_append(dlist_head *list, CxsigLane *lane)
{
	dlist_push_tail(list, &lane->node);
}

void
cxsig_lane_ready_to_sending(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_READY && lane->queued > 0);
	dlist_delete(&lane->node);
	lane->state = CXSIG_LANE_SENDING;
}

void
cxsig_lane_sending_to_ready(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_SENDING && lane->queued > 0);
	lane->state = CXSIG_LANE_READY;
	lane_append(&lane->destination->ready, lane);
}

void
cxsig_lane_sending_to_waiting(CxsigLane *lane, TimestampTz due, bool held)
{
	Assert(lane->state == CXSIG_LANE_SENDING && lane->queued == 0);
	lane->state = CXSIG_LANE_WAITING;
	lane->due = held ? DT_NOEND : due;
	lane->held = held;
	pairingheap_add(lane->destination->lanes->waiting, &lane->waiting);
}

void
cxsig_lane_new_to_waiting(CxsigLane *lane, int stored, TimestampTz due, bool held)
{
	Assert(lane->state == CXSIG_LANE_READY && lane->queued == 0);
	lane->state = CXSIG_LANE_WAITING;
	lane->stored = stored;
	lane->due = held ? DT_NOEND : due;
	lane->held = held;
	pairingheap_add(lane->destination->lanes->waiting, &lane->waiting);
}

void
cxsig_lane_waiting_to_loading(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_WAITING);
	pairingheap_remove(lane->destination->lanes->waiting, &lane->waiting);
	lane->state = CXSIG_LANE_LOADING;
	lane->held = false;
	lane_append(&lane->destination->loading, lane);
}

void
cxsig_lane_sending_to_loading(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_SENDING && lane->queued == 0 && lane->stored > 0);
	lane->state = CXSIG_LANE_LOADING;
	lane_append(&lane->destination->loading, lane);
}

void
cxsig_lane_loading_to_ready(CxsigLane *lane)
{
	Assert(lane->state == CXSIG_LANE_LOADING);
	dlist_delete(&lane->node);
	lane->state = CXSIG_LANE_READY;
	if (lane->queued > 0)
		lane_append(&lane->destination->ready, lane);
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
		pairingheap_remove(lanes->waiting, &lane->waiting);
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
		CxsigLane *lane =
			pairingheap_container(CxsigLane, waiting, pairingheap_first(lanes->waiting));

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
	return pairingheap_container(CxsigLane, waiting, pairingheap_first(lanes->waiting))->due;
}

void
cxsig_lanes_each(CxsigLanes *lanes, void (*function)(CxsigLane *lane))
{
	lanehash_iterator iterator;
	LaneEntry *entry;

	lanehash_start_iterate(lanes->table, &iterator);
	while ((entry = lanehash_iterate(lanes->table, &iterator)) != NULL)
		function(entry->lane);
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
	const CxsigLane *lane_a = pairingheap_const_container(CxsigLane, waiting, a);
	const CxsigLane *lane_b = pairingheap_const_container(CxsigLane, waiting, b);

	if (lane_a->due == lane_b->due)
		return 0;
	return lane_a->due < lane_b->due ? 1 : -1;
}
