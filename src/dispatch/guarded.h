/*
 * guarded.h
 *	  The one way a dispatcher touches tables: in a short transaction, while the extension is there.
 */
#ifndef CXSIG_GUARDED_H
#define CXSIG_GUARDED_H

typedef enum CxsigGuarded
{
	CXSIG_DONE,
	CXSIG_FAILED,		 /* an error, or the database is not for us now: try again later */
	CXSIG_GONE_EXTENSION /* the extension is not the one this process started with */
} CxsigGuarded;

/* A task runs connected to SPI with an active snapshot; it changes memory only by what arg says. */
typedef void (*CxsigTask)(void *arg);

/*
 * Run a task in a transaction of its own: lock the extension against DROP and ALTER, make sure it is
 * still the same and of a version that fits this library, run, commit. activity, a constant, is
 * shown in pg_stat_activity. Never raises an ERROR of the task: it is logged once a streak.
 */
extern CxsigGuarded cxsig_guarded_run(const char *activity, CxsigTask task, void *arg);

/* Did the last task find an extension it could work with? Where not, nothing shall be sent. */
extern bool cxsig_guarded_usable(void);

/* Remember the extension as it is now; false where the database has none. */
extern bool cxsig_guarded_init(void);

#endif
