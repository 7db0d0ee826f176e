/*
 * watchdog.h
 *	  The launcher's eye on the dispatchers: one line in the log when one that should run does not, or
 *	  hangs, and one when it is well again.
 */
#ifndef CXSIG_WATCHDOG_H
#define CXSIG_WATCHDOG_H

/* In each turn: look at this dispatcher, which should run. */
extern void cxsig_watchdog_expect(Oid database, const char *name, int ordinal);

/* At the end of a turn: forget those that are not expected any more. */
extern void cxsig_watchdog_end_turn(void);

/* How long the launcher may sleep at most, in ms. */
extern long cxsig_watchdog_timeout_ms(void);

#endif
