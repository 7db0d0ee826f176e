/*
 * park.h
 *	  Connections that wait without holding up the loop: delays, hangs, long polls.
 */
#ifndef SINK_PARK_H
#define SINK_PARK_H

#include <microhttpd.h>

#include "buffer.h"

/* Embedded in a request; zeroed is not parked. Fields are park.c's, but for gone. */
typedef struct SinkPark
{
	struct MHD_Connection *connection;
	int socket;
	int64_t due_us;	 /* when it wants to go on, INT64_MAX for never */
	int64_t wake_us; /* when to look at it next */
	size_t place;	 /* in the heap, plus 1; 0: not in it */
	bool gone;		 /* the peer hung up while it waited, or the sink is stopping */
} SinkPark;

/* Start and stop the timer thread. stop resumes all that is parked, marked gone. */
extern void sink_park_start(void);
extern void sink_park_stop(void);

/*
 * Suspend the connection until delay_us from now (negative: until woken); the handler is then
 * called again. False where the sink is stopping: nothing was suspended. HTTP thread only.
 */
extern bool sink_park(SinkPark *park, struct MHD_Connection *connection, int64_t delay_us);

/* Let it go on now, if it is parked. */
extern void sink_park_wake(SinkPark *park);

/* Did the peer close its side? Asks the socket, takes nothing from it. */
extern bool sink_peer_gone(struct MHD_Connection *connection);

#endif
