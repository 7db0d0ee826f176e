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

#include "access/transam.h"
#include "dispatch/doubt.h"
#include "dispatch/lane.h"
#include "dispatch/progress.h"
#include "lib/ilist.h"
#include "transport/http.h"
#include "transport/transport.h"

struct CxsigFeed;

typedef enum CxsigScope
{
	CXSIG_SCOPE_TICKET,
	CXSIG_SCOPE_ACCOUNT,
	CXSIG_SCOPE_NONE
} CxsigScope;

/* A transaction that was in doubt and whose rows are being delivered. */
typedef struct CxsigDraining
{
	dlist_node node;
	FullTransactionId xid;
	int64 open; /* items without an outcome */
	int64 filtered;
	bool reading; /* more of its rows may come */
} CxsigDraining;

/* Consecutive failures and what they lead to: see breaker.c. */
typedef struct CxsigBreaker
{
	int failures; /* in a row */
	int probes;	  /* failed since it opened */
	bool open;
	uint64 successes;		/* since the destination was loaded */
	TimestampTz hold_until; /* nothing is sent before (breaker or Retry-After) */
} CxsigBreaker;

typedef struct CxsigDestination
{
	dlist_node node;	   /* in the registry */
	dlist_node member;	   /* in its feed's members */
	MemoryContext context; /* everything here */
	MemoryContext items;   /* the items */
	int id;
	char *name;
	uint32 fingerprint; /* of its row and secrets: differs after a change */
	bool draining;
	TimestampTz drain_until; /* what is in flight is awaited until then */

	/* settings */
	CxsigTransport *transport;
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
	struct CxsigFeed *feed;
	CxsigXids doubts; /* once it has left its feed: in doubt there */
	CxsigProgress *progress;
	dlist_head drainings;
	struct seenset_hash *seen; /* positions that have their outcome from before the start */
	CxsigLanes *lanes;
	dlist_head ready;	/* lanes */
	dlist_head loading; /* lanes */
	CxsigBreaker breaker;
	int held; /* items in memory */
	int in_flight;
	int64 stored; /* rows in cxsig.retry */

	/* the checkpoint that is being written, and the one written last */
	int64 writing_low;
	int64 writing_filtered;
	int writing_doubts;
	int64 written_low;
	int64 written_high;
	int64 written_filtered;
	int written_doubts;
	bool unauthorised; /* stop it, with this reason, once drained */
	bool gone;
	char stop_reason[256];
} CxsigDestination;

/* How many more items fit. */
extern int cxsig_destination_room(const CxsigDestination *destination);

/*
 * Take an event from the feed: filter it, skip it if its outcome is known, or queue it in its lane.
 * draining: the transaction in doubt it came with, or InvalidFullTransactionId for the main range.
 */
extern void cxsig_destination_accept(CxsigDestination *destination, CxsigEventRef *ref,
									 int64 position, FullTransactionId draining, bool forced);

/* Queue an event read back from cxsig.retry. */
extern CxsigItem *cxsig_destination_restore(CxsigDestination *destination, CxsigLane *lane,
											CxsigEventRef *ref, int64 position, bool forced,
											int attempt, int strikes);

/* All rows of a transaction that was in doubt have been read. */
extern void cxsig_destination_drained(CxsigDestination *destination, FullTransactionId xid);

/* The item has its outcome, or is in cxsig.retry: forget it. It is in no lane any more. */
extern void cxsig_destination_settle(CxsigItem *item);

/* Stop sending and reading; the registry unloads it when nothing is in flight. */
extern void cxsig_destination_drain(CxsigDestination *destination);

/* Forget it. Nothing may be in flight. */
extern void cxsig_destination_free(CxsigDestination *destination);

/* Remember that a position has its outcome: before the first read. */
extern void cxsig_destination_mark_seen(CxsigDestination *destination, int64 position);

#endif
