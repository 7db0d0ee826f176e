/*
 * share.h
 *	  Which dispatchers of a database share its destinations, and how.
 *
 * A destination's home is the dispatcher whose ordinal is its id modulo cxsig.workers. While that
 * one has no share, its destinations are dealt out among those that have; all others stay where they
 * are. A dispatcher has a share
 *
 *	 - from when it is started for the first time: those that start together do not first take
 *	   what is another's a moment later;
 *	 - until it has been gone for two seconds, or is known to stay away that long: moving a
 *	   destination costs up to a second in which it is drained, and a restart takes less than that;
 *	 - again from when it is back and ready: one that dies over and over takes nothing with it.
 *
 * Dispatchers learn of a change one after the other, and may disagree for a moment. That is
 * harmless: a destination is served by whoever holds its advisory lock (registry.c), and who should
 * have it asks for the lock until it is given up.
 */
#ifndef CXSIG_SHARE_H
#define CXSIG_SHARE_H

#include "base/settings.h"
#include "base/shared.h"

/* The dispatchers of this database that have a share: their ordinals, ascending. */
typedef struct CxsigShare
{
	int workers; /* cxsig.workers */
	int n;
	int ordinals[CXSIG_MAX_WORKERS];
} CxsigShare;

/* In dispatchers. */

/* This dispatcher is ready to serve. */
extern void cxsig_share_join(void);

/* Who has a share now. */
extern void cxsig_share_read(CxsigShare *share);

/* Is the destination this dispatcher's? */
extern bool cxsig_share_has(const CxsigShare *share, int destination_id);

/* In the launcher. */

/* A dispatcher is being started in this slot for the first time. */
extern void cxsig_share_expect(CxsigSlot *slot, uint32 generation);

/*
 * Take the share from a dispatcher that has been gone for too long, or will be: it is started again
 * restart_ms after it ended. True where that changes anything: then tell the others. Caller holds
 * the lock.
 */
extern bool cxsig_share_lapse(CxsigSlot *slot, TimestampTz now, int restart_ms);

#endif
