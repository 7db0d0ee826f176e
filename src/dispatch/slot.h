/*
 * slot.h
 *	  A dispatcher's own slot in shared memory: taking it, leaving it, showing figures in it.
 */
#ifndef CXSIG_SLOT_H
#define CXSIG_SLOT_H

#include "base/shared.h"

/* The slot of this process; NULL in every process that is no dispatcher. */
extern CxsigSlot *cxsig_slot;

/* An exit sooner than this after the start counts as quick: the launcher then backs off. */
#define CXSIG_QUICK_EXIT_MS 5000

/*
 * Take the slot that the launcher set aside for this process; left again at exit. False where the
 * launcher has given it up in the meantime, or a session holds the database: the process ends.
 */
extern bool cxsig_slot_attach(int index, uint32 generation);

/* The database has no extension (any more): do not start here again until it is announced. */
extern void cxsig_slot_say_absent(void);

/* Keep the last error for worker_status. */
extern void cxsig_slot_say_error(const char *message);

/*
 * Why it does nothing, for worker_status: the extension's version where it does not fit ("" where it
 * does), and since when another session alters or drops the extension (0: nobody does).
 */
extern void cxsig_slot_say_waiting(const char *unfit_version, TimestampTz locked_out_since);

#endif
