/*
 * launcher.h
 *	  The launcher: one process per cluster that keeps the dispatchers running.
 */
#ifndef CXSIG_LAUNCHER_H
#define CXSIG_LAUNCHER_H

/* Register the launcher with the postmaster; called once from _PG_init while preloading. */
extern void cxsig_launcher_register(void);

/* Install the utility hook that clears a database for DROP, RENAME, COPY and MOVE. */
extern void cxsig_ddl_init(void);

#endif
