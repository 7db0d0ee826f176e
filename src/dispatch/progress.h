/*
 * progress.h
 *	  How far a destination is in the main range of the log: which positions are still open.
 *
 * Positions are added in ascending order and done in any; low is the first that is still open.
 * Pure bookkeeping: no table, no lock.
 */
#ifndef CXSIG_PROGRESS_H
#define CXSIG_PROGRESS_H

typedef struct CxsigProgress CxsigProgress;

/* Nothing open, everything below low behind us; lives in the current context. */
extern CxsigProgress *cxsig_progress_create(int64 low, int64 filtered);

/* A position that waits for its outcome; the result names it to cxsig_progress_done. */
extern uint64 cxsig_progress_add(CxsigProgress *progress, int64 position);

/* A position with nothing to wait for: filtered out, or having its outcome already. */
extern void cxsig_progress_pass(CxsigProgress *progress, int64 position, bool filtered);

extern void cxsig_progress_done(CxsigProgress *progress, uint64 entry);

/* An event was filtered out outside the main range: it counts once low is past its position. */
extern void cxsig_progress_count_filtered(CxsigProgress *progress, int64 position);

/* Everything below has its outcome. */
extern int64 cxsig_progress_low(const CxsigProgress *progress);

/* The greatest position seen. */
extern int64 cxsig_progress_high(const CxsigProgress *progress);

/* Events filtered out below low (and outside the main range). */
extern int64 cxsig_progress_filtered(const CxsigProgress *progress);

#endif
