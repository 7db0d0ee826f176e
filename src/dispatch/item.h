/*
 * item.h
 *	  An event at a destination, from the moment it is read until its outcome is written.
 */
#ifndef CXSIG_ITEM_H
#define CXSIG_ITEM_H

#include "event/event.h"
#include "lib/ilist.h"

struct CxsigCursor;
struct CxsigDestination;
struct CxsigDraining;
struct CxsigLane;

/* An event read once for all destinations that want it. */
typedef struct CxsigEventRef
{
	CxsigEvent *event;
	int refs;
} CxsigEventRef;

typedef struct CxsigItem
{
	dlist_node node; /* in its lane's queue */
	struct CxsigDestination *destination;
	struct CxsigLane *lane;
	CxsigEventRef *ref;
	int64 position;
	struct CxsigCursor *cursor;		/* it was read with; NULL: read back from cxsig.retry */
	struct CxsigDraining *draining; /* came with a transaction that was in doubt */
	uint64 entry;					/* in the cursor's progress, where it did not */
	bool stored;					/* has a row in cxsig.retry */
	bool forced;
	bool backfill;		   /* of the backfill stream */
	bool repair;		   /* a redrive: as old as it is because it was dead */
	int attempt;		   /* attempts made */
	int strikes;		   /* of those, failed while others passed */
	uint64 successes_seen; /* the destination's, when it was sent first or failed last */
	TimestampTz sent_at;
	uint8 alert; /* at a destination that alerts: what its request does; 0 before it is sent */
} CxsigItem;

/* Take the event over: the reference count is 1. In the current context. */
extern CxsigEventRef *cxsig_event_ref_create(CxsigEvent *event);
extern CxsigEventRef *cxsig_event_ref_retain(CxsigEventRef *ref);
extern void cxsig_event_ref_release(CxsigEventRef *ref);

#endif
