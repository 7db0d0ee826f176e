/*
 * feed.c
 *	  Reading the outbox: missing nothing, waiting for nobody.
 *
 * Runs in dispatchers. A feed keeps high, the greatest position it has read of its stream, and the
 * transactions in doubt: those that were running under the snapshot it read with (doubt.h says why
 * that is all). A poll takes one snapshot for all feeds and, for each,
 *
 *	 1. drains: of transactions in doubt that have ended, the rows at or below high, page by page;
 *	 2. reads on: the rows above high, a page; what runs under this snapshot is in doubt now.
 *
 * 2 waits until 1 is through, since what a transaction wrote for a ticket comes before what a later
 * one wrote, and the later one can only lie above. Reading happens in a short transaction; rows are
 * handed to destinations after it, so that a failed read changes nothing.
 *
 * A feed at its end moves on with the other stream, from time to time: what it cannot see at or below
 * a position that was seen in either is in doubt under the snapshot. Else a stream with no events
 * would leave its place, and all that was written since, to be looked through at a restart.
 *
 * Backfill is read only for destinations whose live feed came to its end under the same snapshot: so
 * it gets what live leaves, and what a ticket had before is in its lane first. What comes later may
 * be newer and overtake it; hence the look at the ticket's head for each row.
 */
#include "postgres.h"

#include "dispatch/destination.h"
#include "dispatch/feed.h"
#include "dispatch/feed_read.h"
#include "dispatch/guarded.h"
#include "utils/memutils.h"

/* How far a feed at its end may be behind the other stream. */
#define FEED_LAG 1024

struct CxsigFeed
{
	dlist_node node;
	CxsigStream stream;
	dlist_head members; /* cursors */
	int64 high;
	CxsigXids doubts;
	CxsigXids drain; /* ended, rows at or below high being read */
	int64 drain_cursor;
	int64 reach;	  /* of the remnant, when what is in doubt was looked at last */
	bool drain_aside; /* it has grown since: what is drained may have moved there */
	bool at_end;
	CxsigFeedPage drained; /* pages of the poll under way */
	CxsigFeedPage page;
};

/* All feeds, and the ones that most destinations share; NULL until one has caught up. */
static dlist_head feeds = DLIST_STATIC_INIT(feeds);
static CxsigFeed *shared[CXSIG_STREAMS] = {NULL};

/* What runs under the snapshot of the poll under way. */
static CxsigXids running = {NULL, 0, 0};

/* The greatest position that the poll under way has seen, in either stream. */
static int64 top = 0;

/* Nothing at or below was written here: a transaction's rows lie above. See checkpoint.floor. */
static int64 floor_position = 0;

static CxsigFeed *feed_create(CxsigStream stream, int64 high, const CxsigXids *doubts);
static void feed_join(CxsigFeed *feed, CxsigCursor *cursor);
static void feed_free(CxsigFeed *feed);
static int feed_room(const CxsigFeed *feed);
static bool is_full(const CxsigCursor *cursor);
static bool is_behind(const CxsigCursor *cursor);
static void feeds_part(void);
static void feed_part(CxsigFeed *feed);
static void feed_unite(CxsigFeed *feed);
static void feed_read_all(void *arg);
static void feed_read(CxsigFeed *feed);
static bool feed_wants_heads(const CxsigFeed *feed);
static bool live_is_through(const CxsigFeed *feed);
static void feed_see(const CxsigFeed *feed);
static void feed_hand_out(CxsigFeed *feed);
static void feed_move_on(CxsigFeed *feed);
static void feed_hand_out_page(CxsigFeed *feed, const CxsigFeedPage *page, bool drained);
static void feed_drained(CxsigFeed *feed);

static CxsigFeed *
feed_create(CxsigStream stream, int64 high, const CxsigXids *doubts)
{
	CxsigFeed *feed = MemoryContextAllocZero(TopMemoryContext, sizeof(CxsigFeed));

	feed->stream = stream;
	feed->high = high;
	feed->reach = -1;
	cxsig_xids_copy(&feed->doubts, doubts);
	dlist_init(&feed->members);
	/* live first: a poll reads in this order, and backfill looks at what live has come to */
	if (stream == CXSIG_LIVE)
		dlist_push_head(&feeds, &feed->node);
	else
		dlist_push_tail(&feeds, &feed->node);
	return feed;
}

void
cxsig_feed_start(CxsigCursor *cursor, int64 high, const CxsigXids *doubts)
{
	floor_position = Max(floor_position, cursor->destination->floor);
	feed_join(feed_create(cursor->stream, high, doubts), cursor);
}

static void
feed_join(CxsigFeed *feed, CxsigCursor *cursor)
{
	dlist_push_tail(&feed->members, &cursor->member);
	cursor->feed = feed;
}

void
cxsig_feed_leave(CxsigCursor *cursor)
{
	CxsigFeed *feed = cursor->feed;

	if (feed == NULL)
		return;
	/* What is in doubt is part of its place, and goes with it. */
	cxsig_feed_doubts(feed, &cursor->doubts);
	dlist_delete(&cursor->member);
	cursor->feed = NULL;
	if (dlist_is_empty(&feed->members))
		feed_free(feed);
}

static void
feed_free(CxsigFeed *feed)
{
	if (feed == shared[feed->stream])
		shared[feed->stream] = NULL;
	dlist_delete(&feed->node);
	cxsig_xids_free(&feed->doubts);
	cxsig_xids_free(&feed->drain);
	pfree(feed);
}

/* How many events every member can take; nothing where one has not enough room to be worth a read. */
static int
feed_room(const CxsigFeed *feed)
{
	int room = CXSIG_FEED_PAGE;
	dlist_iter iter;

	dlist_foreach (iter, &((CxsigFeed *) feed)->members)
	{
		CxsigCursor *cursor = dlist_container(CxsigCursor, member, iter.cur);

		if (is_full(cursor) || (feed->stream == CXSIG_BACKFILL &&
								!cxsig_feed_at_end(&cursor->destination->cursors[CXSIG_LIVE])))
			return 0;
		room = Min(room, cxsig_cursor_room(cursor));
	}
	return room;
}

/* Has it too little room to be worth a read? */
static bool
is_full(const CxsigCursor *cursor)
{
	int enough = Max(Min(CXSIG_FEED_PAGE, cxsig_cursor_capacity(cursor)) / 4, 1);

	return cxsig_cursor_room(cursor) < enough;
}

/* Would it hold up the others of a feed: being full, or reading live events on its own? */
static bool
is_behind(const CxsigCursor *cursor)
{
	if (cursor->stream == CXSIG_BACKFILL &&
		cursor->destination->cursors[CXSIG_LIVE].feed != shared[CXSIG_LIVE])
		return true;
	return is_full(cursor);
}

/* Those that fall behind read on their own from here: they must not keep the others from reading. */
static void
feeds_part(void)
{
	feed_part(shared[CXSIG_LIVE]);
	feed_part(shared[CXSIG_BACKFILL]);
}

bool
cxsig_feed_has_room(void)
{
	dlist_iter iter;

	feeds_part();
	dlist_foreach (iter, &feeds)
		if (feed_room(dlist_container(CxsigFeed, node, iter.cur)) > 0)
			return true;
	return false;
}

bool
cxsig_feed_is_hungry(void)
{
	dlist_iter iter;

	feeds_part();
	dlist_foreach (iter, &feeds)
	{
		CxsigFeed *feed = dlist_container(CxsigFeed, node, iter.cur);

		if ((feed->drain.n > 0 || !feed->at_end) && feed_room(feed) > 0)
			return true;
	}
	return false;
}

/* A destination that falls behind leaves the feed it shares and reads on its own from here. */
static void
feed_part(CxsigFeed *feed)
{
	dlist_mutable_iter iter;

	if (feed == NULL)
		return;
	dlist_foreach_modify (iter, &feed->members)
	{
		CxsigCursor *cursor = dlist_container(CxsigCursor, member, iter.cur);
		CxsigFeed *own;

		if (dlist_head_node(&feed->members) == dlist_tail_node(&feed->members))
			return;
		if (!is_behind(cursor))
			continue;
		own = feed_create(feed->stream, feed->high, &feed->doubts);
		cxsig_xids_copy(&own->drain, &feed->drain);
		own->drain_cursor = feed->drain_cursor;
		own->drain_aside = feed->drain_aside;
		own->reach = feed->reach;
		dlist_delete(&cursor->member);
		feed_join(own, cursor);
	}
}

/* A private feed that is where the shared one is, under the same snapshot, becomes one with it. */
static void
feed_unite(CxsigFeed *feed)
{
	CxsigFeed *with = shared[feed->stream];
	CxsigCursor *cursor;

	if (feed->drain.n > 0 || !feed->at_end)
		return;
	/* one that is alone and not at its end is nothing to wait for */
	if (with == NULL ||
		(!with->at_end && dlist_head_node(&with->members) == dlist_tail_node(&with->members)))
		with = shared[feed->stream] = feed;
	if (feed == with || with->drain.n > 0 || !with->at_end || feed->high != with->high)
		return;
	cursor = dlist_head_element(CxsigCursor, member, &feed->members);
	if (is_behind(cursor))
		return;
	dlist_delete(&cursor->member);
	feed_free(feed);
	feed_join(with, cursor);
}

bool
cxsig_feed_poll(bool *gone)
{
	MemoryContext context;
	CxsigGuarded result;
	dlist_mutable_iter iter;

	*gone = false;
	if (dlist_is_empty(&feeds))
		return true;
	feeds_part();
	context = AllocSetContextCreate(CurrentMemoryContext, "cxsig poll", ALLOCSET_DEFAULT_SIZES);
	result = cxsig_guarded_run("cxsig: reading the outbox", feed_read_all, context);
	*gone = result == CXSIG_GONE_EXTENSION;
	dlist_foreach_modify (iter, &feeds)
		feed_see(dlist_container(CxsigFeed, node, iter.cur));
	dlist_foreach_modify (iter, &feeds)
	{
		CxsigFeed *feed = dlist_container(CxsigFeed, node, iter.cur);

		if (result == CXSIG_DONE)
			feed_hand_out(feed);
		cxsig_feed_page_release(&feed->drained);
		cxsig_feed_page_release(&feed->page);
	}
	MemoryContextDelete(context);
	if (result != CXSIG_DONE)
		return false;
	dlist_foreach_modify (iter, &feeds)
		feed_unite(dlist_container(CxsigFeed, node, iter.cur));
	return true;
}

static void
feed_read_all(void *arg)
{
	MemoryContext old;
	dlist_iter iter;

	cxsig_feed_read_begin(&running);
	old = MemoryContextSwitchTo(arg);
	dlist_foreach (iter, &feeds)
		feed_read(dlist_container(CxsigFeed, node, iter.cur));
	MemoryContextSwitchTo(old);
	cxsig_feed_read_end();
}

/* Read a feed's pages; may raise. Nothing but the pages and what is being drained changes. */
static void
feed_read(CxsigFeed *feed)
{
	int room = feed_room(feed);
	bool wants_heads = feed_wants_heads(feed);
	bool heads = wants_heads && (feed->stream == CXSIG_BACKFILL || !feed->at_end);
	bool left_over = feed->drain.n > 0;

	if (room == 0 || !live_is_through(feed))
		return;
	if (feed->drain.n == 0)
	{
		cxsig_xids_take_ended(&feed->doubts, &running, &feed->drain);
		feed->drain_cursor = floor_position;
		/* A partition moves only once who wrote there has ended: so not before the last look. */
		feed->drain_aside = feed->reach != cxsig_feed_read_reach();
		feed->reach = cxsig_feed_read_reach();
	}
	else if (feed->reach != cxsig_feed_read_reach())
		feed->drain_aside = true;
	if (feed->drain.n > 0)
	{
		cxsig_feed_read_drain(feed->stream, &feed->drain, feed->drain_cursor, feed->high,
							  feed->drain_aside, heads, room, &feed->drained);
		/*
		 * After a page that was not the last no reading on. Nor after the last of a drain that began
		 * in another poll: what has ended since is in doubt no more and not drained yet, and what is
		 * read now would make it forgotten. The next poll comes at once.
		 */
		if (left_over || feed->drained.n == room)
			return;
		room -= feed->drained.n;
	}
	if (room > 0)
		cxsig_feed_read_main(feed->stream, feed->high, heads, room, &feed->page);
	/* A full page is the first of many: it was not at the end after all. */
	if (wants_heads && !heads && feed->page.n == room)
	{
		cxsig_feed_page_release(&feed->page);
		cxsig_feed_read_main(feed->stream, feed->high, true, room, &feed->page);
	}
}

/*
 * Does one of the members send but the newest revision? It may not be the one that is read: in a
 * backfill at any time; live while catching up, so that an outage costs tickets, not events.
 */
static bool
feed_wants_heads(const CxsigFeed *feed)
{
	dlist_iter iter;

	dlist_foreach (iter, &((CxsigFeed *) feed)->members)
		if (dlist_container(CxsigCursor, member, iter.cur)->destination->latest)
			return true;
	return false;
}

/* Of a backfill feed: have its members' live feeds come to their end in this poll? */
static bool
live_is_through(const CxsigFeed *feed)
{
	dlist_iter iter;

	if (feed->stream == CXSIG_LIVE)
		return true;
	dlist_foreach (iter, &((CxsigFeed *) feed)->members)
	{
		CxsigCursor *cursor = dlist_container(CxsigCursor, member, iter.cur);
		CxsigFeed *live = cursor->destination->cursors[CXSIG_LIVE].feed;

		if (live == NULL || !cxsig_feed_page_ended(&live->page))
			return false;
	}
	return true;
}

static void
feed_see(const CxsigFeed *feed)
{
	top = Max(top, feed->high);
	if (feed->page.n > 0)
		top = Max(top, feed->page.rows[feed->page.n - 1].position);
}

/* The read was committed: hand the rows to the members, and move on. */
static void
feed_hand_out(CxsigFeed *feed)
{
	const CxsigFeedPage *drained = &feed->drained;
	const CxsigFeedPage *page = &feed->page;

	if (drained->read)
	{
		feed_hand_out_page(feed, drained, true);
		if (drained->n > 0)
			feed->drain_cursor = drained->rows[drained->n - 1].position;
		if (cxsig_feed_page_ended(drained))
			feed_drained(feed);
	}
	feed->at_end = cxsig_feed_page_ended(page);
	if (page->read)
	{
		feed_hand_out_page(feed, page, false);
		if (page->n > 0)
		{
			feed->high = page->rows[page->n - 1].position;
			cxsig_xids_copy(&feed->doubts, &running);
		}
	}
	if (feed->at_end && feed->high + FEED_LAG <= top)
		feed_move_on(feed);
}

/* There is nothing of this stream up to the top, but what is in doubt. */
static void
feed_move_on(CxsigFeed *feed)
{
	dlist_iter iter;

	feed->high = top;
	cxsig_xids_copy(&feed->doubts, &running);
	dlist_foreach (iter, &feed->members)
		cxsig_cursor_pass(dlist_container(CxsigCursor, member, iter.cur), top,
						  InvalidFullTransactionId, false, false);
}

static void
feed_hand_out_page(CxsigFeed *feed, const CxsigFeedPage *page, bool drained)
{
	int i;

	for (i = 0; i < page->n; i++)
	{
		const CxsigFeedRow *row = &page->rows[i];
		dlist_iter iter;

		dlist_foreach (iter, &feed->members)
		{
			CxsigCursor *cursor = dlist_container(CxsigCursor, member, iter.cur);

			if (row->destination_id == 0 || row->destination_id == cursor->destination->id)
				cxsig_destination_accept(cursor, row, drained);
			else if (!drained)
				cxsig_cursor_pass(cursor, row->position, InvalidFullTransactionId, false, false);
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
			cxsig_cursor_drained(dlist_container(CxsigCursor, member, iter.cur),
								 feed->drain.xids[i]);
	feed->drain.n = 0;
}

bool
cxsig_feed_at_end(const CxsigCursor *cursor)
{
	return cursor->feed != NULL && cursor->feed->at_end && cursor->feed->drain.n == 0;
}

void
cxsig_feed_doubts(const CxsigFeed *feed, CxsigXids *doubts)
{
	int i;

	cxsig_xids_copy(doubts, &feed->doubts);
	for (i = 0; i < feed->drain.n; i++)
		cxsig_xids_add(doubts, feed->drain.xids[i]);
}
