/*
 * feed.c
 *	  Reading the outbox: missing nothing, waiting for nobody.
 *
 * Runs in dispatchers. A feed keeps high, the greatest position it has read, and the transactions
 * in doubt: those that were running under the snapshot it read with (doubt.h says why that is
 * all). A poll takes one snapshot for all feeds and, for each,
 *
 *	 1. drains: of transactions in doubt that have ended, the rows at or below high, page by page;
 *	 2. reads on: the rows above high, a page; what runs under this snapshot is in doubt now.
 *
 * 2 waits until 1 is through, since what a transaction wrote for a ticket comes before what a later
 * one wrote, and the later one can only lie above. Reading happens in a short transaction; rows are
 * handed to destinations after it, so that a failed read changes nothing.
 *
 * Locks: AccessShareLock on outbox and event while reading.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "dispatch/feed.h"
#include "dispatch/guarded.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#define FEED_PAGE 1024

/* Columns of a read, before those of the event. */
#define FEED_COLUMNS "o.position, o.txid, o.destination_id, o.forced, "
#define FEED_N_COLUMNS 4
#define FEED_FROM                                                                             \
	" from cxsig.outbox o join cxsig.event e on e.event_id operator(pg_catalog.=) o.event_id" \
	" and e.recorded_at operator(pg_catalog.=) o.recorded_at"
#define FEED_SQL_MAIN                                    \
	"select " FEED_COLUMNS CXSIG_EVENT_COLUMNS FEED_FROM \
	" where o.position operator(pg_catalog.>) $1 order by o.position limit $2"
#define FEED_SQL_DRAIN                                                                       \
	"select " FEED_COLUMNS CXSIG_EVENT_COLUMNS FEED_FROM                                     \
	" where o.txid operator(pg_catalog.=) any ($1) and o.position operator(pg_catalog.>) $2" \
	" and o.position operator(pg_catalog.<=) $3 order by o.position limit $4"

/* A row as read. */
typedef struct FeedRow
{
	int64 position;
	FullTransactionId xid;
	int destination_id; /* 0: every destination */
	bool forced;
	CxsigEventRef *ref;
} FeedRow;

/* The rows of one statement. */
typedef struct FeedPage
{
	bool read; /* was the statement run? */
	int limit;
	int n;
	FeedRow rows[FEED_PAGE];
} FeedPage;

typedef struct CxsigFeed
{
	dlist_node node;
	dlist_head members; /* destinations */
	int64 high;
	CxsigXids doubts;
	CxsigXids drain; /* ended, rows at or below high being read */
	int64 drain_cursor;
	bool at_end;
	FeedPage *drained; /* pages of the poll under way */
	FeedPage *page;
} CxsigFeed;

/* All feeds, and the one that most destinations share; NULL until one has caught up. */
static dlist_head feeds = DLIST_STATIC_INIT(feeds);
static CxsigFeed *live = NULL;

/* What runs under the snapshot of the poll under way. */
static CxsigXids running = {NULL, 0, 0};

/* Plans, kept for the life of the process; and where events live. */
static SPIPlanPtr main_plan = NULL;
static SPIPlanPtr drain_plan = NULL;
static MemoryContext event_context = NULL;

static CxsigFeed *feed_create(int64 high, const CxsigXids *doubts);
static void feed_join(CxsigFeed *feed, CxsigDestination *destination);
static void feed_free(CxsigFeed *feed);
static int feed_room(const CxsigFeed *feed);
static bool is_behind(const CxsigDestination *destination);
static void feed_part(void);
static void feed_read_all(void *arg);
static void feed_prepare(void);
static void feed_read(CxsigFeed *feed);
static void feed_execute(SPIPlanPtr plan, Datum *arguments, FeedPage *page);
static void feed_discard(CxsigFeed *feed);
static void feed_hand_out(CxsigFeed *feed);
static void feed_hand_out_page(CxsigFeed *feed, FeedPage *page, bool draining);
static void feed_drained(CxsigFeed *feed);
static void feed_unite(void);

static CxsigFeed *
feed_create(int64 high, const CxsigXids *doubts)
{
	CxsigFeed *feed = MemoryContextAllocZero(TopMemoryContext, sizeof(CxsigFeed));

	feed->high = high;
	cxsig_xids_copy(&feed->doubts, doubts);
	feed->drained = MemoryContextAllocZero(TopMemoryContext, sizeof(FeedPage));
	feed->page = MemoryContextAllocZero(TopMemoryContext, sizeof(FeedPage));
	dlist_init(&feed->members);
	dlist_push_tail(&feeds, &feed->node);
	return feed;
}

void
cxsig_feed_start(CxsigDestination *destination, int64 high, const CxsigXids *doubts)
{
	feed_join(feed_create(high, doubts), destination);
}

static void
feed_join(CxsigFeed *feed, CxsigDestination *destination)
{
	dlist_push_tail(&feed->members, &destination->member);
	destination->feed = feed;
}

void
cxsig_feed_leave(CxsigDestination *destination)
{
	CxsigFeed *feed = destination->feed;

	if (feed == NULL)
		return;
	/* What is in doubt is part of its place, and goes with it. */
	cxsig_feed_doubts(destination, &destination->doubts);
	dlist_delete(&destination->member);
	destination->feed = NULL;
	if (dlist_is_empty(&feed->members))
		feed_free(feed);
}

static void
feed_free(CxsigFeed *feed)
{
	if (feed == live)
		live = NULL;
	dlist_delete(&feed->node);
	cxsig_xids_free(&feed->doubts);
	cxsig_xids_free(&feed->drain);
	pfree(feed->drained);
	pfree(feed->page);
	pfree(feed);
}

/* How many events every member can take; nothing where one has not enough room to be worth a read. */
static int
feed_room(const CxsigFeed *feed)
{
	int room = FEED_PAGE;
	dlist_iter iter;

	dlist_foreach (iter, &((CxsigFeed *) feed)->members)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, member, iter.cur);

		if (is_behind(destination))
			return 0;
		room = Min(room, cxsig_destination_room(destination));
	}
	return room;
}

/* So little room that the destination would hold up the others of its feed? */
static bool
is_behind(const CxsigDestination *destination)
{
	return cxsig_destination_room(destination) < Max(Min(FEED_PAGE, destination->window) / 4, 1);
}

bool
cxsig_feed_has_room(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &feeds)
		if (feed_room(dlist_container(CxsigFeed, node, iter.cur)) > 0)
			return true;
	return false;
}

/* A destination that falls behind leaves the feed it shares and reads on its own from here. */
static void
feed_part(void)
{
	dlist_mutable_iter iter;

	if (live == NULL)
		return;
	dlist_foreach_modify (iter, &live->members)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, member, iter.cur);
		CxsigFeed *own;

		if (dlist_head_node(&live->members) == dlist_tail_node(&live->members))
			return;
		if (!is_behind(destination))
			continue;
		own = feed_create(live->high, &live->doubts);
		cxsig_xids_copy(&own->drain, &live->drain);
		own->drain_cursor = live->drain_cursor;
		dlist_delete(&destination->member);
		feed_join(own, destination);
	}
}

/* Private feeds that are where the live feed is, under the same snapshot, become one with it. */
static void
feed_unite(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &feeds)
	{
		CxsigFeed *feed = dlist_container(CxsigFeed, node, iter.cur);
		CxsigDestination *destination;

		if (feed->drain.n > 0 || !feed->at_end)
			continue;
		if (live == NULL)
			live = feed;
		if (feed == live || live->drain.n > 0 || feed->high != live->high)
			continue;
		destination = dlist_head_element(CxsigDestination, member, &feed->members);
		if (is_behind(destination))
			continue;
		dlist_delete(&destination->member);
		feed_free(feed);
		feed_join(live, destination);
	}
}

bool
cxsig_feed_poll(bool *more, bool *gone)
{
	CxsigGuarded result;
	dlist_iter iter;
	dlist_mutable_iter mutable_iter;

	*more = false;
	*gone = false;
	if (dlist_is_empty(&feeds))
		return true;
	if (event_context == NULL)
		event_context =
			AllocSetContextCreate(TopMemoryContext, "cxsig events", ALLOCSET_DEFAULT_SIZES);
	feed_part();
	result = cxsig_guarded_run("cxsig: reading the outbox", feed_read_all, NULL);
	*gone = result == CXSIG_GONE_EXTENSION;
	dlist_foreach_modify (mutable_iter, &feeds)
	{
		CxsigFeed *feed = dlist_container(CxsigFeed, node, mutable_iter.cur);

		if (result == CXSIG_DONE)
			feed_hand_out(feed);
		feed_discard(feed);
	}
	if (result != CXSIG_DONE)
		return false;
	feed_unite();
	dlist_foreach (iter, &feeds)
	{
		CxsigFeed *feed = dlist_container(CxsigFeed, node, iter.cur);

		if (feed->drain.n > 0 || !feed->at_end)
			*more = true;
	}
	return true;
}

static void
feed_read_all(void *arg)
{
	dlist_iter iter;

	cxsig_xids_running(&running, GetActiveSnapshot());
	feed_prepare();
	dlist_foreach (iter, &feeds)
		feed_read(dlist_container(CxsigFeed, node, iter.cur));
}

static void
feed_prepare(void)
{
	Oid main_types[] = {INT8OID, INT8OID};
	Oid drain_types[] = {XID8ARRAYOID, INT8OID, INT8OID, INT8OID};
	SPIPlanPtr plan;

	if (drain_plan != NULL)
		return;
	plan = SPI_prepare(FEED_SQL_MAIN, lengthof(main_types), main_types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare the feed's statement: %s",
			 SPI_result_code_string(SPI_result));
	main_plan = plan;
	plan = SPI_prepare(FEED_SQL_DRAIN, lengthof(drain_types), drain_types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare the feed's drain statement: %s",
			 SPI_result_code_string(SPI_result));
	drain_plan = plan;
}

/* Read a feed's pages; may raise. Nothing but the pages and what is being drained changes. */
static void
feed_read(CxsigFeed *feed)
{
	int room = feed_room(feed);

	feed->drained->read = feed->page->read = false;
	feed->drained->n = feed->page->n = 0;
	if (room == 0)
		return;
	if (feed->drain.n == 0)
	{
		cxsig_xids_take_ended(&feed->doubts, &running, &feed->drain);
		feed->drain_cursor = 0;
	}
	if (feed->drain.n > 0)
	{
		Datum arguments[] = {cxsig_xids_array(&feed->drain), Int64GetDatum(feed->drain_cursor),
							 Int64GetDatum(feed->high), Int64GetDatum(room)};

		feed->drained->limit = room;
		feed_execute(drain_plan, arguments, feed->drained);
		if (feed->drained->n == room)
			return;
		room -= feed->drained->n;
	}
	if (room > 0)
	{
		Datum arguments[] = {Int64GetDatum(feed->high), Int64GetDatum(room)};

		feed->page->limit = room;
		feed_execute(main_plan, arguments, feed->page);
	}
}

static void
feed_execute(SPIPlanPtr plan, Datum *arguments, FeedPage *page)
{
	int code = SPI_execute_plan(plan, arguments, NULL, true, 0);
	TupleDesc desc;
	MemoryContext old;
	uint64 i;

	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not read the outbox: %s", SPI_result_code_string(code));
	desc = SPI_tuptable->tupdesc;
	old = MemoryContextSwitchTo(event_context);
	page->read = true;
	for (i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];
		FeedRow *row = &page->rows[page->n];
		bool isnull;

		row->position = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
		row->xid = DatumGetFullTransactionId(SPI_getbinval(tuple, desc, 2, &isnull));
		row->destination_id = DatumGetInt32(SPI_getbinval(tuple, desc, 3, &isnull));
		if (isnull)
			row->destination_id = 0;
		row->forced = DatumGetBool(SPI_getbinval(tuple, desc, 4, &isnull));
		row->ref = cxsig_event_ref_create(cxsig_event_read(tuple, desc, FEED_N_COLUMNS + 1));
		page->n++;
	}
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
}

/* Give up our own hold on the events that were read. */
static void
feed_discard(CxsigFeed *feed)
{
	int i;

	for (i = 0; i < feed->drained->n; i++)
		cxsig_event_ref_release(feed->drained->rows[i].ref);
	for (i = 0; i < feed->page->n; i++)
		cxsig_event_ref_release(feed->page->rows[i].ref);
	feed->drained->n = feed->page->n = 0;
	feed->drained->read = feed->page->read = false;
}

/* The read was committed: hand the rows to the members, and move on. */
static void
feed_hand_out(CxsigFeed *feed)
{
	FeedPage *drained = feed->drained;
	FeedPage *page = feed->page;

	if (drained->read)
	{
		feed_hand_out_page(feed, drained, true);
		if (drained->n > 0)
			feed->drain_cursor = drained->rows[drained->n - 1].position;
		if (drained->n < drained->limit)
			feed_drained(feed);
		feed->at_end = false;
	}
	if (page->read)
	{
		feed_hand_out_page(feed, page, false);
		feed->at_end = page->n < page->limit;
		if (page->n > 0)
		{
			feed->high = page->rows[page->n - 1].position;
			cxsig_xids_copy(&feed->doubts, &running);
		}
	}
	else
		feed->at_end = false;
}

static void
feed_hand_out_page(CxsigFeed *feed, FeedPage *page, bool draining)
{
	int i;

	for (i = 0; i < page->n; i++)
	{
		FeedRow *row = &page->rows[i];
		dlist_iter iter;

		dlist_foreach (iter, &feed->members)
		{
			CxsigDestination *destination = dlist_container(CxsigDestination, member, iter.cur);

			if (row->destination_id == 0 || row->destination_id == destination->id)
				cxsig_destination_accept(destination, row->ref, row->position,
										 draining ? row->xid : InvalidFullTransactionId,
										 row->forced);
			else if (!draining)
				cxsig_progress_pass(destination->progress, row->position, false);
		}
	}
}

/* All rows of the transactions being drained have been handed out. */
static void
feed_drained(CxsigFeed *feed)
{
	int i;
	dlist_iter iter;

	dlist_foreach (iter, &feed->members)
		for (i = 0; i < feed->drain.n; i++)
			cxsig_destination_drained(dlist_container(CxsigDestination, member, iter.cur),
									  feed->drain.xids[i]);
	feed->drain.n = 0;
}

bool
cxsig_feed_at_end(const CxsigDestination *destination)
{
	return destination->feed != NULL && destination->feed->at_end &&
		   destination->feed->drain.n == 0;
}

void
cxsig_feed_doubts(const CxsigDestination *destination, CxsigXids *doubts)
{
	dlist_iter iter;
	int i;

	if (destination->feed == NULL)
		cxsig_xids_copy(doubts, &destination->doubts);
	else
	{
		cxsig_xids_copy(doubts, &destination->feed->doubts);
		for (i = 0; i < destination->feed->drain.n; i++)
			cxsig_xids_add(doubts, destination->feed->drain.xids[i]);
	}
	dlist_foreach (iter, &((CxsigDestination *) destination)->drainings)
	{
		FullTransactionId xid = dlist_container(CxsigDraining, node, iter.cur)->xid;

		for (i = 0; i < doubts->n; i++)
			if (FullTransactionIdEquals(doubts->xids[i], xid))
				break;
		if (i == doubts->n)
			cxsig_xids_add(doubts, xid);
	}
}
