/*
 * wake.h
 *	  Wake the dispatchers of this database when the current transaction commits.
 */
#ifndef CXSIG_WAKE_H
#define CXSIG_WAKE_H

/* Something was written to the outbox. Without preloading this does nothing: nobody listens. */
extern void cxsig_wake_on_commit(void);

/* A destination, a secret or a lane was changed: read them again. */
extern void cxsig_reload_on_commit(void);

/* The extension has come into this database. */
extern void cxsig_announce_on_commit(void);

#endif
