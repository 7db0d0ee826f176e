/*
 * slot.h
 *	  A dispatcher's own slot in shared memory: taking it, leaving it, showing figures in it.
 */
#ifndef CXSIG_SLOT_H
#define CXSIG_SLOT_H

#include "base/shared.h"

/* The slot of this process; NULL in every process that is no dispatcher. */
extern CxsigSlot *cxsig_slot;

/*
 * Take the slot that the launcher set aside for this process; left again at exit. False where the
 * launcher has given it up in the meantime, or a session holds the database: the process ends.
 */
extern bool cxsig_slot_attach(int index, uint32 generation);

/* The database has no extension (any more): do not start here again until it is announced. */
extern void cxsig_slot_say_absent(void);

/* Keep the last error for worker_status. */
extern void cxsig_slot_say_error(const char *message);

#endif
