/*
 * sender.h
 *	  Requests out, answers in: between the lanes and the HTTP engine.
 */
#ifndef CXSIG_SENDER_H
#define CXSIG_SENDER_H

#include "dispatch/destination.h"

/* Who sent a request: the first field of what is told of its answer. The call is released in there. */
typedef struct CxsigCallOwner
{
	void (*landed)(CxsigHttpCall *call);
} CxsigCallOwner;

/* Start the engine of this process; torn down at exit. */
extern void cxsig_sender_init(void);

/* The descriptor to wait on, and the ms until the engine wants to be driven (-1: never). */
extern int cxsig_sender_fd(void);
extern long cxsig_sender_timeout_ms(void);

/*
 * How many more requests a destination may have in flight; and start them for ready lanes. It may use
 * as many of the process's connections as are free, and half of one part in n_destinations whatever
 * the others do: those that hang leave the others theirs.
 */
extern int cxsig_sender_allows(CxsigDestination *destination, int n_destinations, TimestampTz now);
extern void cxsig_sender_start(CxsigDestination *destination, int n_destinations, TimestampTz now);

/*
 * When requests could be started for a destination, as far as time alone decides: now, where it waits
 * for nothing; DT_NOEND where nothing is ready, or what is waits for an answer to another request.
 */
extern TimestampTz cxsig_sender_due(CxsigDestination *destination, int n_destinations,
									TimestampTz now);

/* Move transfers on and apply what has come back; how many answers there were. */
extern int cxsig_sender_drive(void);

/* Send a request that carries no events; and end it, whether or not it was answered. */
extern CxsigHttpCall *cxsig_sender_submit(const CxsigRequest *request,
										  const CxsigHttpLimits *limits, CxsigCallOwner *owner);
extern void cxsig_sender_release(CxsigHttpCall *call);

/* Give up what a destination has in flight: its events are as if they had not been sent. */
extern void cxsig_sender_abort(CxsigDestination *destination);

/* Close idle connections: the allowed networks may have changed. */
extern void cxsig_sender_forget_connections(void);

extern int cxsig_sender_in_flight(void);

#endif
