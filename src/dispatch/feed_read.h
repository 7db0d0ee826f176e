/*
 * feed_read.h
 *	  Reading rows of the outbox with their events: what the feeds' polls are made of.
 */
#ifndef CXSIG_FEED_READ_H
#define CXSIG_FEED_READ_H

#include "dispatch/cursor.h"
#include "dispatch/item.h"

#define CXSIG_FEED_PAGE 1024

/* A row as read. */
typedef struct CxsigFeedRow
{
	int64 position;
	FullTransactionId xid;
	int destination_id; /* 0: every destination */
	bool forced;
	bool has_newer; /* a newer revision of the ticket is known, where it was looked up */
	pg_uuid_t newer;
	CxsigEventRef *ref; /* one hold on it is the page's */
} CxsigFeedRow;

/* The rows of one statement. */
typedef struct CxsigFeedPage
{
	bool read; /* was the statement run? */
	int limit;
	int n;
	CxsigFeedRow *rows;
} CxsigFeedPage;

/*
 * A column: the newest event of the ticket of event e, on a condition; and what a row makes of it.
 */
#define CXSIG_HEAD_COLUMN(condition)                                                    \
	"case when " condition " then (select h.head_event_id from cxsig.ticket_revision h" \
	" where h.ticket_id operator(pg_catalog.=) e.ticket_id order by h.ordinal desc "    \
	"limit 1) end"
extern void cxsig_feed_row_take_head(CxsigFeedRow *row, const CxsigEvent *event, Datum head,
									 bool isnull);

/*
 * In a guarded task, before the first read of a poll: from here on what is read is what was committed
 * when this was called, and *running were the transactions under way. Takes AccessShareLock on the
 * outbox before that moment, so that no partition can be moved or dropped in between.
 */
extern void cxsig_feed_read_begin(CxsigXids *running);

/* The end of it: gives up what begin took, but the lock. */
extern void cxsig_feed_read_end(void);

/* How far the remnant reaches, as of begin. */
extern int64 cxsig_feed_read_reach(void);

/* Rows of a stream above high, at most limit; in the current context. heads: look up newer revisions. */
extern void cxsig_feed_read_main(CxsigStream stream, int64 high, bool heads, int limit,
								 CxsigFeedPage *page);

/*
 * Rows of a stream that those transactions wrote, above cursor and at or below high. both: look in the
 * remnant too.
 */
extern void cxsig_feed_read_drain(CxsigStream stream, const CxsigXids *xids, int64 cursor,
								  int64 high, bool both, bool heads, int limit,
								  CxsigFeedPage *page);

/* Has the page come to the end of what there was? */
extern bool cxsig_feed_page_ended(const CxsigFeedPage *page);

/* Let go of the page's events. */
extern void cxsig_feed_page_release(CxsigFeedPage *page);

#endif
