/*
 * cursor.h
 *	  A destination's place in one stream of the log: what it has read there, and what is still open.
 *
 * The log has two streams, live and backfill; a destination reads each on its own, so that a
 * backfill of any length delays no live event.
 */
#ifndef CXSIG_CURSOR_H
#define CXSIG_CURSOR_H

#include "access/transam.h"
#include "dispatch/doubt.h"
#include "dispatch/progress.h"
#include "lib/ilist.h"

struct CxsigDestination;
struct CxsigFeed;
struct CxsigItem;

typedef enum CxsigStream
{
	CXSIG_LIVE,
	CXSIG_BACKFILL
} CxsigStream;

#define CXSIG_STREAMS 2

/* A transaction that was in doubt and whose rows are being delivered. */
typedef struct CxsigDraining
{
	dlist_node node;
	FullTransactionId xid;
	int64 open;		 /* items without an outcome */
	bool reading;	 /* more of its rows may come */
	int64 *filtered; /* positions that the filter left out */
	int n_filtered;
	int capacity;
} CxsigDraining;

/* What a checkpoint says of a cursor. */
typedef struct CxsigPlace
{
	int64 low;
	int64 high;
	int64 filtered;
	int64 doubts; /* their number */
} CxsigPlace;

typedef struct CxsigCursor
{
	struct CxsigDestination *destination;
	CxsigStream stream;
	dlist_node member; /* in its feed's members */
	struct CxsigFeed *feed;
	CxsigXids doubts; /* once it has left its feed: in doubt there */
	CxsigProgress *progress;
	dlist_head drainings;
	int held;			/* items in memory that came this way */
	CxsigPlace writing; /* as in the checkpoint that is being written */
	CxsigPlace written; /* as in the one written last */
} CxsigCursor;

/* At the start of nothing; see cxsig_cursor_start. */
extern void cxsig_cursor_init(CxsigCursor *cursor, struct CxsigDestination *destination,
							  CxsigStream stream);

/* Everything below low is behind us. Memory is the destination's. */
extern void cxsig_cursor_start(CxsigCursor *cursor, int64 low, int64 filtered);

/* How many more items fit; and how many fit at all. */
extern int cxsig_cursor_room(const CxsigCursor *cursor);
extern int cxsig_cursor_capacity(const CxsigCursor *cursor);

/*
 * A row that waits for its outcome, in item; or one with nothing to wait for, which that transaction
 * wrote (or none). drained: it came with a transaction that was in doubt.
 */
extern void cxsig_cursor_open(CxsigCursor *cursor, struct CxsigItem *item, FullTransactionId xid,
							  bool drained);
extern void cxsig_cursor_pass(CxsigCursor *cursor, int64 position, FullTransactionId xid,
							  bool drained, bool filtered);

/* The item has its outcome. */
extern void cxsig_cursor_settle(struct CxsigItem *item);

/* All rows of a transaction that was in doubt have been read. */
extern void cxsig_cursor_drained(CxsigCursor *cursor, FullTransactionId xid);

/* What a checkpoint must list: in doubt, or ended and not delivered yet. */
extern void cxsig_cursor_doubts(const CxsigCursor *cursor, CxsigXids *doubts);

/* The place as a checkpoint would say it now. */
extern void cxsig_cursor_place(const CxsigCursor *cursor, CxsigPlace *place);

#endif
