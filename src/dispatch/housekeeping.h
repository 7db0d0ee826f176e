/*
 * housekeeping.h
 *	  What a dispatcher does beside delivering: partitions, figures, answers to who waits for it.
 */
#ifndef CXSIG_HOUSEKEEPING_H
#define CXSIG_HOUSEKEEPING_H

#include "datatype/timestamp.h"

/* Do what is due by now; lower *wait_until to when the next is. */
extern void cxsig_housekeeping(TimestampTz now, TimestampTz *wait_until, bool *gone);

/* A destination was made: it wants partitions now rather than soon. */
extern void cxsig_housekeeping_hurry(void);

/* Wake the sessions in wait_until_idle(). */
extern void cxsig_housekeeping_answer(void);

#endif
