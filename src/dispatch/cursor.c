/*
 * cursor.c
 *	  Places in the log. Runs in dispatchers; touches nothing but memory.
 */
#include "postgres.h"

#include "dispatch/cursor.h"
#include "dispatch/destination.h"
#include "dispatch/feed.h"
#include "utils/memutils.h"

/* For cxsig_cursor_place. */
static CxsigXids place_doubts = {NULL, 0, 0};

static CxsigDraining *draining_find(const CxsigCursor *cursor, FullTransactionId xid);
static CxsigDraining *draining_get(CxsigCursor *cursor, FullTransactionId xid);
static void draining_filter(CxsigDraining *draining, int64 position);
static void draining_settle(CxsigCursor *cursor, CxsigDraining *draining);

void
cxsig_cursor_init(CxsigCursor *cursor, struct CxsigDestination *destination, CxsigStream stream)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->destination = destination;
	cursor->stream = stream;
	cursor->written.low = -1;
	dlist_init(&cursor->drainings);
}

void
cxsig_cursor_start(CxsigCursor *cursor, int64 low, int64 filtered)
{
	MemoryContext old = MemoryContextSwitchTo(cursor->destination->context);

	cursor->progress = cxsig_progress_create(low, filtered);
	MemoryContextSwitchTo(old);
}

/* Backfill gets half of the window, so that it cannot fill it. */
int
cxsig_cursor_capacity(const CxsigCursor *cursor)
{
	int window = cursor->destination->window;

	return cursor->stream == CXSIG_LIVE ? window : Max(window / 2, 1);
}

int
cxsig_cursor_room(const CxsigCursor *cursor)
{
	int room = cxsig_destination_room(cursor->destination);

	if (cursor->stream == CXSIG_BACKFILL)
		room = Min(room, cxsig_cursor_capacity(cursor) - cursor->held);
	return Max(room, 0);
}

void
cxsig_cursor_open(CxsigCursor *cursor, struct CxsigItem *item, FullTransactionId xid, bool drained)
{
	item->cursor = cursor;
	cursor->held++;
	if (drained)
	{
		item->draining = draining_get(cursor, xid);
		item->draining->open++;
	}
	else
		item->entry = cxsig_progress_add(cursor->progress, item->position);
}

void
cxsig_cursor_pass(CxsigCursor *cursor, int64 position, FullTransactionId xid, bool drained,
				  bool filtered)
{
	CxsigDraining *draining = drained ? draining_get(cursor, xid) : draining_find(cursor, xid);

	/* While a transaction is listed as in doubt, a restart counts all of it that is below its place. */
	if (filtered && draining != NULL)
		draining_filter(draining, position);
	if (!drained)
		cxsig_progress_pass(cursor->progress, position, filtered && draining == NULL);
}

void
cxsig_cursor_settle(struct CxsigItem *item)
{
	CxsigCursor *cursor = item->cursor;

	cursor->held--;
	if (item->draining != NULL)
	{
		item->draining->open--;
		draining_settle(cursor, item->draining);
	}
	else
		cxsig_progress_done(cursor->progress, item->entry);
}

static void
draining_filter(CxsigDraining *draining, int64 position)
{
	if (draining->n_filtered == draining->capacity)
	{
		draining->capacity = Max(16, draining->capacity * 2);
		draining->filtered =
			draining->filtered == NULL
				? MemoryContextAlloc(GetMemoryChunkContext(draining),
									 draining->capacity * sizeof(int64))
				: repalloc_huge(draining->filtered, draining->capacity * sizeof(int64));
	}
	draining->filtered[draining->n_filtered++] = position;
}

/* NULL where that transaction is not being drained. */
static CxsigDraining *
draining_find(const CxsigCursor *cursor, FullTransactionId xid)
{
	dlist_iter iter;

	dlist_foreach (iter, &((CxsigCursor *) cursor)->drainings)
	{
		CxsigDraining *draining = dlist_container(CxsigDraining, node, iter.cur);

		if (FullTransactionIdEquals(draining->xid, xid))
			return draining;
	}
	return NULL;
}

static CxsigDraining *
draining_get(CxsigCursor *cursor, FullTransactionId xid)
{
	CxsigDraining *draining = draining_find(cursor, xid);

	if (draining != NULL)
		return draining;
	draining = MemoryContextAllocZero(cursor->destination->context, sizeof(CxsigDraining));
	draining->xid = xid;
	draining->reading = true;
	dlist_push_tail(&cursor->drainings, &draining->node);
	return draining;
}

void
cxsig_cursor_drained(CxsigCursor *cursor, FullTransactionId xid)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &cursor->drainings)
	{
		CxsigDraining *draining = dlist_container(CxsigDraining, node, iter.cur);

		if (!FullTransactionIdEquals(draining->xid, xid))
			continue;
		draining->reading = false;
		draining_settle(cursor, draining);
	}
}

/*
 * Forget a transaction whose rows all have their outcome. From here on no checkpoint lists it: what it
 * left out counts where a restart would not come by it again.
 */
static void
draining_settle(CxsigCursor *cursor, CxsigDraining *draining)
{
	int i;

	if (draining->reading || draining->open > 0)
		return;
	for (i = 0; i < draining->n_filtered; i++)
		cxsig_progress_count_filtered(cursor->progress, draining->filtered[i]);
	if (draining->filtered != NULL)
		pfree(draining->filtered);
	dlist_delete(&draining->node);
	pfree(draining);
}

void
cxsig_cursor_doubts(const CxsigCursor *cursor, CxsigXids *doubts)
{
	dlist_iter iter;

	if (cursor->feed == NULL)
		cxsig_xids_copy(doubts, &cursor->doubts);
	else
		cxsig_feed_doubts(cursor->feed, doubts);
	dlist_foreach (iter, &((CxsigCursor *) cursor)->drainings)
	{
		FullTransactionId xid = dlist_container(CxsigDraining, node, iter.cur)->xid;
		int i;

		for (i = 0; i < doubts->n; i++)
			if (FullTransactionIdEquals(doubts->xids[i], xid))
				break;
		if (i == doubts->n)
			cxsig_xids_add(doubts, xid);
	}
}

void
cxsig_cursor_place(const CxsigCursor *cursor, CxsigPlace *place)
{
	cxsig_cursor_doubts(cursor, &place_doubts);
	place->low = cxsig_progress_low(cursor->progress);
	place->high = cxsig_progress_high(cursor->progress);
	place->filtered = cxsig_progress_filtered(cursor->progress);
	place->doubts = place_doubts.n;
}
