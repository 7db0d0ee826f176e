/*
 * checkpoint.h
 *	  Where a destination starts again: written about once a second, and when it is unloaded.
 */
#ifndef CXSIG_CHECKPOINT_H
#define CXSIG_CHECKPOINT_H

#include "dispatch/destination.h"
#include "dispatch/receipt_write.h"

/* Would a checkpoint say anything new? */
extern bool cxsig_checkpoint_wanted(const CxsigDestination *destination);

/*
 * Write checkpoints of receipts->checkpoints, as they are before the receipts are settled. Part of the
 * guarded task that writes those.
 */
extern void cxsig_checkpoint_write(const CxsigReceipts *receipts);

/* They were committed. */
extern void cxsig_checkpoint_written(List *destinations);

/*
 * In a guarded task: read a destination's newest checkpoint, what has its outcome beyond it, and the
 * lanes that wait in cxsig.retry; then start its feed.
 */
extern void cxsig_checkpoint_restore(CxsigDestination *destination);

#endif
