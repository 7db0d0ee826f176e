/*
 * destination.h
 *	  A destination in a dispatcher's memory: its settings made ready, its lanes, how far it is.
 *
 * A destination is loaded when it is active and this dispatcher holds its advisory lock, and
 * unloaded by draining: nothing new is sent, what is in flight ends, receipts and a checkpoint are
 * written, and all is forgotten. Pausing, altering, dropping and stopping are all that.
 *
 *	  ACTIVE -> DRAINING -> (unloaded)
 */
#ifndef CXSIG_DESTINATION_H
#define CXSIG_DESTINATION_H

#include "dispatch/cursor.h"
#include "dispatch/feed_read.h"
#include "dispatch/lane.h"
#include "dispatch/rate.h"
#include "lib/ilist.h"
#include "transport/http.h"
#include "transport/transport.h"

typedef enum CxsigScope
{
	CXSIG_SCOPE_TICKET,
	CXSIG_SCOPE_ACCOUNT,
	CXSIG_SCOPE_NONE
} CxsigScope;

typedef enum CxsigBreakerState
{
	CXSIG_BREAKER_CLOSED,
	CXSIG_BREAKER_OPEN,
	CXSIG_BREAKER_HALF_OPEN
} CxsigBreakerState;

/* Consecutive failures and what they lead to: see breaker.c. */
typedef struct CxsigBreaker
{
	CxsigBreakerState state;
	int failures;			/* in a row, each of another lane than the one before */
	uint64 failed_lane;		/* the last one's */
	int probes;				/* failed since it opened */
	int trials;				/* succeeded since it is half-open */
	uint64 successes;		/* since the destination was loaded */
	TimestampTz hold_until; /* nothing is sent before (breaker or Retry-After) */
} CxsigBreaker;

/* How it lives with what a quota leaves: see quota.c. */
typedef struct CxsigQuotaUse
{
	double reserve;			 /* the share kept for urgent events */
	int probe_ms;			 /* between requests that learn whether there is more */
	CxsigView urgent;		 /* its filter says what is; NULL: a high churn risk */
	bool urgent_first;		 /* a quota was told */
	int silent;				 /* answers in a row that told of none */
	TimestampTz sent_at;	 /* the last request */
	TimestampTz ordinary_at; /* the last that was not for an urgent event */
} CxsigQuotaUse;

/* What is shown of why it waits, and what it is allowed: part of a checkpoint. */
typedef struct CxsigStanding
{
	const char *holding; /* a constant, or NULL */
	TimestampTz until;	 /* see clock.h; 0 where that is not known */
	CxsigQuota quota;
} CxsigStanding;

typedef struct CxsigAlerts CxsigAlerts; /* alert.h */

typedef struct CxsigDestination
{
	dlist_node node;	   /* in the registry */
	MemoryContext context; /* everything here */
	MemoryContext items;   /* the items */
	int id;
	char *name;
	uint32 fingerprint; /* of its row and secrets: differs after a change */
	bool draining;
	TimestampTz drain_until; /* what is in flight is awaited until then */

	/* settings */
	CxsigTransport *transport;
	struct CxsigKeeper *keeper; /* of the token that requests carry, or NULL: see token.h */
	CxsigView view;
	CxsigScope order_scope;
	bool latest; /* history = latest */
	int concurrency;
	int window;
	int batch_size;
	int batch_bytes;
	int batch_linger_ms;
	CxsigHttpLimits limits;
	int retry_initial_ms;
	int retry_max_ms;
	int max_attempts;
	bool hold_poison;

	/* state */
	CxsigCursor cursors[CXSIG_STREAMS];
	TimestampTz checkpoint_at; /* when the newest checkpoint says it was written */
	int64 floor;			   /* rows up to here were written in another cluster or database */
	struct seenset_hash *seen; /* positions that have their outcome from before the start */
	CxsigLanes *lanes;
	CxsigAlerts *alerts; /* NULL where nobody is alerted */
	dlist_head loading;	 /* lanes */
	CxsigBreaker breaker;
	CxsigRate rate;
	CxsigQuotaUse quota;
	CxsigStanding standing_writing; /* in the checkpoint being written */
	CxsigStanding standing_written; /* in the one written last */
	dlist_head in_flight_batches;
	dlist_head halves;		  /* batches that were refused as a whole, to be sent in halves or with
							   * another token */
	int in_flight;			  /* requests */
	int in_flight_backfill;	  /* of those, requests that carry backfill */
	TimestampTz linger_until; /* ready lanes wait for company until then; 0: not set */
	int held;				  /* items in memory */
	int64 stored;			  /* rows in cxsig.retry */
	bool catch_up;			  /* what is in memory may be old: see catch_up.h */
	bool unauthorised;		  /* stop it, with this reason, once drained */
	bool gone;
	char stop_reason[256];
} CxsigDestination;

/* How many more items fit. */
extern int cxsig_destination_room(const CxsigDestination *destination);

/*
 * Take an event from the feed: filter it, skip it if its outcome is known, or queue it in its lane.
 * drained: it came with a transaction that was in doubt.
 */
extern void cxsig_destination_accept(CxsigCursor *cursor, const CxsigFeedRow *row, bool drained);

/* Queue an event read back from cxsig.retry. */
extern void cxsig_destination_restore(CxsigLane *lane, const CxsigFeedRow *row, bool backfill,
									  int attempt, int strikes);

/* With history = latest: does the item yield to whatever newer revision of its ticket is known? */
extern bool cxsig_destination_yields(const CxsigItem *item);

/* The item has its outcome, or is in cxsig.retry: forget it. It is in no lane any more. */
extern void cxsig_destination_settle(CxsigItem *item);

/* Stop sending and reading; the registry unloads it when nothing is in flight. */
extern void cxsig_destination_drain(CxsigDestination *destination);

/* Drain it, and then stop it with this reason. */
extern void cxsig_destination_stop(CxsigDestination *destination, const char *reason);

/* Forget it. Nothing may be in flight. */
extern void cxsig_destination_free(CxsigDestination *destination);

/* Remember that a position has its outcome: before the first read. */
extern void cxsig_destination_mark_seen(CxsigDestination *destination, int64 position);

#endif
