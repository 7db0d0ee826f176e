/*
 * feed.h
 *	  Feeds: readers of one stream of the outbox. One serves every destination that has caught up;
 *	  one that falls behind reads on its own, and joins again when it is where the others are.
 */
#ifndef CXSIG_FEED_H
#define CXSIG_FEED_H

#include "dispatch/cursor.h"

typedef struct CxsigFeed CxsigFeed;

/*
 * Give a cursor a feed of its own: it reads positions above high, and of the transactions in
 * doubt those at or below it. doubts is copied.
 */
extern void cxsig_feed_start(CxsigCursor *cursor, int64 high, const CxsigXids *doubts);

/* Take a cursor off its feed, if it has one; it keeps what was in doubt there. */
extern void cxsig_feed_leave(CxsigCursor *cursor);

/*
 * Read on, all feeds under one snapshot, and hand the events out. False where reading failed and was
 * logged, or the extension has gone (*gone).
 */
extern bool cxsig_feed_poll(bool *gone);

/* Is there a feed whose destinations have room? And one that, besides, has not come to its end yet? */
extern bool cxsig_feed_has_room(void);
extern bool cxsig_feed_is_hungry(void);

/* Has the last poll read all that its snapshot could see, for this cursor? */
extern bool cxsig_feed_at_end(const CxsigCursor *cursor);

/* The transactions in doubt of a feed, and those it drains. */
extern void cxsig_feed_doubts(const CxsigFeed *feed, CxsigXids *doubts);

#endif
