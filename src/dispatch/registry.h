/*
 * registry.h
 *	  The destinations of this dispatcher: which there are, loading and unloading them.
 */
#ifndef CXSIG_REGISTRY_H
#define CXSIG_REGISTRY_H

#include "dispatch/destination.h"

/* The loaded destinations, by their node. */
extern dlist_head cxsig_destinations;

/*
 * Read cxsig.destination: start draining what was changed, paused or dropped, load what is active,
 * this dispatcher's share, and free. *brought_in: one was loaded, and
 * wants to read. False where that failed and was logged.
 */
extern bool cxsig_registry_reload(bool *brought_in, bool *gone);

/* Is there a destination that should be loaded and is not yet? */
extern bool cxsig_registry_waits(void);

/* How many are loaded, those that drain included. */
extern int cxsig_registry_count(void);

/* Is there a destination that has drained? */
extern bool cxsig_registry_has_drained(void);

/* Is nothing in flight, and no lane ready? */
extern bool cxsig_registry_nothing_to_send(void);

/* Does every event that was read have its outcome, and is there none left to read? */
extern bool cxsig_registry_is_idle(void);

/* Is there a destination that wants a checkpoint? */
extern bool cxsig_registry_dirty(void);

/* Unload destinations that have drained; their receipts must have been written. */
extern bool cxsig_registry_unload(bool *gone);

/* The loaded destinations that want a checkpoint, as a list in the current context. */
extern List *cxsig_registry_checkpoints(void);

#endif
