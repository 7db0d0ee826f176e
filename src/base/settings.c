/*
 * settings.c
 *	  Defines the cxsig.* settings. Runs in _PG_init of every process; takes no lock.
 *
 * Only what sizes shared memory is PGC_POSTMASTER; what the workers read is PGC_SIGHUP, so that
 * a reload is enough.
 */
#include "postgres.h"

#include <limits.h>

#include "base/settings.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/varlena.h"

/* The settings; see settings.h for units. */
char *cxsig_databases = NULL;
char *cxsig_ca_directory = NULL;
char *cxsig_secret_directory = NULL;
int cxsig_workers = 1;
int cxsig_max_dispatchers = 16;
int cxsig_max_connections = 256;
int cxsig_poll_interval = 1000;
int cxsig_checkpoint_interval = 1000;
int cxsig_receipt_delay = 100;
int cxsig_event_retention = 0;
int cxsig_key_retention = 0;
int cxsig_delivery_retention = 90 * 24 * 60;
int cxsig_outbox_partition_rows = 1000000;
int cxsig_remnant_after = 24 * 60 * 60;
int cxsig_behind_after = 60;
int cxsig_stall_after = 5 * 60;
int cxsig_watchdog_timeout = 30;

static void define_network_settings(void);
static void define_worker_settings(void);
static void define_retention_settings(void);
static bool check_databases(char **value, void **extra, GucSource source);
static void define_watchdog_settings(void);

void
cxsig_settings_init(void)
{
	define_network_settings();
	define_worker_settings();
	define_retention_settings();
	define_watchdog_settings();
}

static void
define_network_settings(void)
{
	DefineCustomStringVariable(
		"cxsig.ca_directory", "Directory of files with certificate authorities.",
		"A destination's config names files in it; empty means that none can be named.",
		&cxsig_ca_directory, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("cxsig.max_connections", "HTTP connections a dispatcher keeps at most.",
							"Shared evenly by its destinations, each of which has one at least.",
							&cxsig_max_connections, 256, 1, 10000, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("cxsig.secret_directory", "Directory of files that hold secrets.",
							   "Empty means that secrets cannot be read from files.",
							   &cxsig_secret_directory, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL,
							   NULL, NULL);
}

static void
define_worker_settings(void)
{
	DefineCustomIntVariable(
		"cxsig.checkpoint_interval", "Time between checkpoints of a destination.", NULL,
		&cxsig_checkpoint_interval, 1000, 10, 60000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"cxsig.databases", "Databases that get a dispatcher.",
		"Comma-separated; empty means every database that has the extension.", &cxsig_databases, "",
		PGC_SIGHUP, GUC_LIST_INPUT, check_databases, NULL, NULL);
	/* It sizes shared memory, and cannot be defined once the server has started. */
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("cxsig.max_dispatchers", "Dispatchers in the cluster at most.",
								"Each takes one of max_worker_processes.", &cxsig_max_dispatchers,
								16, 1, 1024, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"cxsig.poll_interval", "Time between polls of the outbox that nobody asked for.",
		"Commits wake the dispatcher; this is for COMMIT PREPARED.", &cxsig_poll_interval, 1000, 10,
		60000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"cxsig.receipt_delay", "Time a receipt waits for others to be written with.", NULL,
		&cxsig_receipt_delay, 100, 0, 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("cxsig.workers", "Dispatchers per database.", NULL, &cxsig_workers, 1,
							1, CXSIG_MAX_WORKERS, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_retention_settings(void)
{
	DefineCustomIntVariable("cxsig.delivery_retention", "How long receipts are kept.",
							"0 means for ever.", &cxsig_delivery_retention, 90 * 24 * 60, 0,
							INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("cxsig.event_retention", "How long events are kept.",
							"0 means for ever.", &cxsig_event_retention, 0, 0, INT_MAX, PGC_SIGHUP,
							GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("cxsig.key_retention",
							"How long a repeated idempotency key is known for one.",
							"0 means for ever; older ones go bit by bit.", &cxsig_key_retention, 0,
							0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("cxsig.outbox_partition_rows",
							"Positions in a partition of the outbox.",
							"Applies to partitions made from now on.", &cxsig_outbox_partition_rows,
							1000000, 1000, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"cxsig.remnant_after", "Age at which what few destinations need leaves the outbox.",
		"A partition that some destination is past moves aside, to be read by those behind only.",
		&cxsig_remnant_after, 24 * 60 * 60, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

/* A list that cannot be read must not come to mean every database. */
static bool
check_databases(char **value, void **extra, GucSource source)
{
	char *copy = pstrdup(*value);
	List *names;
	bool valid = SplitIdentifierString(copy, ',', &names);

	if (valid)
		list_free(names);
	else
		GUC_check_errdetail("List syntax is invalid.");
	pfree(copy);
	return valid;
}

static void
define_watchdog_settings(void)
{
	DefineCustomIntVariable(
		"cxsig.behind_after", "Time past its SLA target after which a destination is behind.",
		"A line in the log says so, and another one when it has caught up.", &cxsig_behind_after,
		60, 1, INT_MAX / 1000, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"cxsig.stall_after", "Time after which a lane that makes no progress is reported.",
		"Counted from the first attempt at the event at its head.", &cxsig_stall_after, 5 * 60, 1,
		INT_MAX / 1000, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("cxsig.watchdog_timeout",
							"Time after which a dispatcher that is missing or hangs is reported.",
							NULL, &cxsig_watchdog_timeout, 30, 2, 3600, PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
}
