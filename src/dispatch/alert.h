/*
 * alert.h
 *	  Alerts: at a destination whose transport alerts people, events open one, fold into it, or end it.
 *
 *	  (none) -> OPEN, a message                  the condition is met
 *	  OPEN -> OPEN, counted                      it is met again within the window
 *	  OPEN -> OPEN, a message                    it is met again, and the window is over
 *	  OPEN -> OPEN                               it is not met any more, but of another ticket it still is
 *	  OPEN -> (none), a message if wanted        it is met of none any more
 *
 * What is decided of an event depends on those before it in its lane only: lanes are what alerts are kept
 * per, and have one request in flight. Backfill and stale events decide nothing. An alert is in
 * cxsig.alert, written beside the receipts that made it what it is; what was sent and has no receipt yet
 * when a dispatcher dies is sent again, with the same key.
 */
#ifndef CXSIG_ALERT_H
#define CXSIG_ALERT_H

#include "dispatch/destination.h"

/* Alerts of a destination, none yet; in memory that goes with cxsig_alerts_free. */
extern CxsigAlerts *cxsig_alerts_create(const CxsigDestination *destination);
extern void cxsig_alerts_free(CxsigAlerts *alerts);

/* In a guarded task: read those that are open. */
extern void cxsig_alerts_load(CxsigDestination *destination);

/*
 * Is an event that was just read nothing to alert about? It is counted as filtered, then. False where
 * that depends on events before it whose outcome is not known.
 */
extern bool cxsig_alert_leaves_out(const CxsigDestination *destination, const CxsigEvent *event,
								   int64 position, bool backfill);

/* Give those at the head of ready lanes their outcome that need no request. Does nothing elsewhere. */
extern void cxsig_alerts_settle(CxsigDestination *destination);

/* Would that do anything now? */
extern bool cxsig_alerts_wait(const CxsigDestination *destination);

/* What a request for the item is to say, in the current context; NULL at other destinations. */
extern const CxsigAlert *cxsig_alert_of(CxsigItem *item);

/* The request was taken. Does nothing elsewhere. */
extern void cxsig_alert_sent(const CxsigItem *item);

/* Part of the task that writes receipts: write what has changed; and, that was committed. */
extern void cxsig_alerts_write(void);
extern void cxsig_alerts_written(void);

#endif
