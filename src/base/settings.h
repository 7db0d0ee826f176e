/*
 * settings.h
 *	  The cxsig.* settings, as C variables. Units are in the names' comments.
 */
#ifndef CXSIG_SETTINGS_H
#define CXSIG_SETTINGS_H

/* The most that cxsig.workers can be. */
#define CXSIG_MAX_WORKERS 64

extern int cxsig_behind_after;		  /* s past the SLA target */
extern char *cxsig_databases;		  /* names, comma-separated; "" = found by itself */
extern char *cxsig_ca_directory;	  /* "" = there are no CA files */
extern char *cxsig_secret_directory;  /* "" = secrets from files are off */
extern int cxsig_workers;			  /* dispatchers per database */
extern int cxsig_max_dispatchers;	  /* size of the slot table */
extern int cxsig_max_connections;	  /* HTTP connections per dispatcher */
extern int cxsig_poll_interval;		  /* ms between safety polls */
extern int cxsig_checkpoint_interval; /* ms */
extern int cxsig_receipt_delay;		  /* ms a receipt may wait for company */
extern int cxsig_event_retention;	  /* minutes */
extern int cxsig_key_retention;
extern int cxsig_delivery_retention;	/* minutes */
extern int cxsig_outbox_partition_rows; /* positions per partition */
extern int cxsig_remnant_after;			/* s */

extern int cxsig_stall_after;	   /* s a lane may stand still */
extern int cxsig_watchdog_timeout; /* s a dispatcher may be missing, or hang */

/* Define the settings; called once from _PG_init. */
extern void cxsig_settings_init(void);

#endif
