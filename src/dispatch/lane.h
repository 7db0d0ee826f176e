/*
 * lane.h
 *	  Lanes: per destination and ticket (or account) a FIFO with at most one request in flight.
 *
 * A lane exists only while it has events, in memory or in cxsig.retry. Its states:
 *
 *	  READY    has a head in memory, nothing in flight; among the ready lanes, by urgency: live
 *			   before backfill, then what is urgent where there is a quota (quota.h), then by the time its head occurred (the SLA target being the same for
 *			   all of a destination, that is by deadline)
 *	  SENDING  its head is in flight
 *	  WAITING  its events are in cxsig.retry until `due`, or until a person releases them (held)
 *	  LOADING  due: its events are about to be read back; in the destination's loading list
 *
 *	  (new) -> READY -> SENDING -> READY | WAITING | LOADING | (gone)
 *	  READY -> LOADING | (gone), where all of its events in memory were superseded
 *	  WAITING -> LOADING -> READY | WAITING | (gone)
 */
#ifndef CXSIG_LANE_H
#define CXSIG_LANE_H

#include "dispatch/item.h"
#include "lib/pairingheap.h"

typedef enum CxsigLaneState
{
	CXSIG_LANE_READY,
	CXSIG_LANE_SENDING,
	CXSIG_LANE_WAITING,
	CXSIG_LANE_LOADING
} CxsigLaneState;

typedef struct CxsigLane
{
	uint64 key;
	CxsigLaneState state;
	struct CxsigDestination *destination;
	dlist_head queue;	   /* items in memory, oldest first */
	int queued;			   /* their number */
	int live;			   /* of those, not of the backfill stream */
	int stored;			   /* rows in cxsig.retry that are not in the queue */
	bool held;			   /* waits for a person */
	uint64 successes_seen; /* the destination's, when its head failed last */
	TimestampTz due;	   /* WAITING: when the head is tried again */
	dlist_node node;	   /* in the loading list, or among the ready ones at the back */
	bool at_back;		   /* READY: see cxsig_lane_sending_to_back */
	pairingheap_node heap; /* among the waiting, or the ready lanes */

	/* what a ready lane is ordered by, as of when it took its place */
	bool backfill;
	bool urgent;
	TimestampTz occurred_at;
	int64 position;
} CxsigLane;

typedef struct CxsigLanes CxsigLanes;

/* The lanes of a destination; in the current context. */
extern CxsigLanes *cxsig_lanes_create(struct CxsigDestination *destination);
extern int cxsig_lanes_count(const CxsigLanes *lanes);

/* The lane of that key; a new one is READY and empty, and in no list yet. */
extern CxsigLane *cxsig_lane_get(CxsigLanes *lanes, uint64 key);

/* The lane of that key, or NULL. */
extern CxsigLane *cxsig_lane_find(const CxsigLanes *lanes, uint64 key);

/* The key of the lane an event belongs to. */
extern uint64 cxsig_lane_key(const struct CxsigDestination *destination, const CxsigEvent *event,
							 int64 position);

/* Add an item at the end of the lane's queue; a lane that was empty becomes ready. */
extern void cxsig_lane_push(CxsigLane *lane, CxsigItem *item);

/* The oldest item in memory, or NULL. */
extern CxsigItem *cxsig_lane_head(CxsigLane *lane);

/* The most urgent lane that is ready, or NULL; and how many are. */
extern CxsigLane *cxsig_lanes_first_ready(const CxsigLanes *lanes);
extern int cxsig_lanes_ready(const CxsigLanes *lanes);

/* Those at the back take their places among the ready lanes again. */
extern void cxsig_lanes_forgive(CxsigLanes *lanes);

/* What is urgent has changed: the ready lanes take their places anew. */
extern void cxsig_lanes_reorder(CxsigLanes *lanes);

/* Take an item out of the queue; a ready lane that it leaves empty is ready no more. */
extern void cxsig_lane_remove(CxsigLane *lane, CxsigItem *item);

/* State transitions; each asserts the state it starts from. */
extern void cxsig_lane_ready_to_sending(CxsigLane *lane);
extern void cxsig_lane_sending_to_ready(CxsigLane *lane);

/* Ready, but behind all others: it failed as a probe, and the next probe is another's turn. */
extern void cxsig_lane_sending_to_back(CxsigLane *lane);
extern void cxsig_lane_sending_to_waiting(CxsigLane *lane, TimestampTz due, bool held);
extern void cxsig_lane_new_to_waiting(CxsigLane *lane, int stored, TimestampTz due, bool held);
extern void cxsig_lane_waiting_to_loading(CxsigLane *lane);
extern void cxsig_lane_loading_to_ready(CxsigLane *lane);
extern void cxsig_lane_loading_to_waiting(CxsigLane *lane, TimestampTz due, bool held);

/* Its memory is empty, and the next of its events are in cxsig.retry. */
extern void cxsig_lane_sending_to_loading(CxsigLane *lane);
extern void cxsig_lane_ready_to_loading(CxsigLane *lane);

/* Forget a lane that has no events left, whatever list it is in. */
extern void cxsig_lane_forget(CxsigLanes *lanes, CxsigLane *lane);

/* Waiting lanes that are due by now start loading; the result is when the next is due (or DT_NOEND). */
extern TimestampTz cxsig_lanes_wake_due(CxsigLanes *lanes, TimestampTz now);

/* When the next waiting lane is due, DT_NOEND where none is; nothing changes. */
extern TimestampTz cxsig_lanes_next_due(const CxsigLanes *lanes);

/* Call a function for each lane; it must not add or forget any. */
extern void cxsig_lanes_each(CxsigLanes *lanes, void (*function)(CxsigLane *lane, void *arg),
							 void *arg);

/* Held lanes are read back: a person may have released them. */
extern void cxsig_lanes_release_held(CxsigLanes *lanes);

#endif
