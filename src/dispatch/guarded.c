/*
 * guarded.c
 *	  Guarded transactions. Runs in dispatchers.
 *
 * Locks: AccessShareLock on the extension first of all, which orders a task before or after a DROP
 * or ALTER EXTENSION as a whole (ddl.c sees to the latter), so that neither can deadlock with it;
 * then what the task takes, under a lock timeout. The first is not waited for: whoever drops or
 * alters the extension may take long, and this process has other things to do.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/version.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "dispatch/guarded.h"
#include "dispatch/slot.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cxsig_exclude_tasks);

/* A session that holds the extension for longer than this is worth a line in the log. */
#define LOCKED_OUT_MS 10000

/* Activities that may fail at the same time and are told apart in the log. */
#define MAX_STREAKS 12

/* What stands before a task. */
typedef enum GuardedEntry
{
	ENTRY_FREE,
	ENTRY_GONE,		  /* another extension, or none */
	ENTRY_LOCKED_OUT, /* being altered or dropped */
	ENTRY_UNFIT		  /* its version does not fit this library */
} GuardedEntry;

/* An activity that fails again and again. */
typedef struct GuardedStreak
{
	const char *activity; /* NULL: free */
	int code;
	int failures;
} GuardedStreak;

/* The extension this process started with. */
static Oid extension_oid = InvalidOid;

/* What the last task met, and since when it is locked out, if it is; what the log has of it. */
static GuardedEntry last_entry = ENTRY_FREE;
static TimestampTz locked_out_since = 0;
static bool said_locked_out = false;
static bool said_unfit = false;

static GuardedStreak streaks[MAX_STREAKS];

static GuardedEntry guarded_begin(const char *activity, char version[CXSIG_VERSION_SIZE]);
static GuardedEntry guarded_look(char version[CXSIG_VERSION_SIZE]);
static void guarded_note(GuardedEntry entry, const char *version);
static void guarded_say(GuardedEntry entry, const char *version);
static void guarded_end(void);
static void guarded_report(const char *activity);
static bool streak_failed(const char *activity, int code);
static void streak_ended(const char *activity);

bool
cxsig_guarded_init(void)
{
	char version[CXSIG_VERSION_SIZE];

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	extension_oid = cxsig_version_installed(version);
	CommitTransactionCommand();
	return OidIsValid(extension_oid);
}

bool
cxsig_guarded_usable(void)
{
	return last_entry == ENTRY_FREE;
}

CxsigGuarded
cxsig_guarded_run(const char *activity, CxsigTask task, void *arg)
{
	MemoryContext old = CurrentMemoryContext;
	volatile CxsigGuarded result = CXSIG_DONE;

	PG_TRY();
	{
		char version[CXSIG_VERSION_SIZE];
		GuardedEntry entry = guarded_begin(activity, version);

		if (entry == ENTRY_FREE)
			task(arg);
		else
			result = entry == ENTRY_GONE ? CXSIG_GONE_EXTENSION : CXSIG_FAILED;
		guarded_end();
		guarded_note(entry, version);
		if (entry == ENTRY_FREE)
			streak_ended(activity);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		guarded_report(activity);
		result = CXSIG_FAILED;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return result;
}

static GuardedEntry
guarded_begin(const char *activity, char version[CXSIG_VERSION_SIZE])
{
	GuardedEntry entry;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	debug_query_string = activity;
	pgstat_report_activity(STATE_RUNNING, activity);
	entry = guarded_look(version);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	return entry;
}

static GuardedEntry
guarded_look(char version[CXSIG_VERSION_SIZE])
{
	LOCKTAG tag;

	version[0] = '\0';
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId, extension_oid, 0);
	if (LockAcquire(&tag, AccessShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return ENTRY_LOCKED_OUT;
	AcceptInvalidationMessages();
	if (cxsig_version_installed(version) != extension_oid)
		return ENTRY_GONE;
	return cxsig_version_fits(version) ? ENTRY_FREE : ENTRY_UNFIT;
}

/* Log a change of what stands before tasks once, and show it in worker_status. */
static void
guarded_note(GuardedEntry entry, const char *version)
{
	TimestampTz since = 0;

	if (entry == ENTRY_LOCKED_OUT)
		since = locked_out_since != 0 ? locked_out_since : GetCurrentTimestamp();
	if (entry != last_entry || since != locked_out_since)
		cxsig_slot_say_waiting(entry == ENTRY_UNFIT ? version : "", since);
	last_entry = entry;
	locked_out_since = since;
	guarded_say(entry, version);
}

static void
guarded_say(GuardedEntry entry, const char *version)
{
	if (entry == ENTRY_UNFIT && !said_unfit)
	{
		said_unfit = true;
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cxsig dispatcher waits: the extension has version %s, the library %s",
						version, CXSIG_VERSION),
				 errhint("%s", cxsig_version_hint(version))));
	}
	else if (entry == ENTRY_LOCKED_OUT && !said_locked_out &&
			 TimestampDifferenceExceeds(locked_out_since, GetCurrentTimestamp(), LOCKED_OUT_MS))
	{
		said_locked_out = true;
		ereport(LOG,
				(errmsg("cxsig dispatcher waits: a session alters or drops the extension"),
				 errhint("See who holds a lock on it in pg_locks; delivery goes on after that.")));
	}
	else if (entry == ENTRY_FREE && (said_unfit || said_locked_out))
	{
		said_unfit = said_locked_out = false;
		ereport(LOG, (errmsg("cxsig dispatcher goes on: the extension has version %s", version)));
	}
}

static void
guarded_end(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
	debug_query_string = NULL;
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* Log the error unless it repeats the last one, show it in worker_status, roll back. */
static void
guarded_report(const char *activity)
{
	ErrorData *error = CopyErrorData();

	HOLD_INTERRUPTS();
	cxsig_slot_say_error(error->message);
	if (streak_failed(activity, error->sqlerrcode))
		EmitErrorReport();
	FreeErrorData(error);
	AbortCurrentTransaction();
	FlushErrorState();
	pgstat_report_stat(true);
	debug_query_string = NULL;
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
}

/* Count a failure; is it news? A cause that lasts would fill the log otherwise. */
static bool
streak_failed(const char *activity, int code)
{
	GuardedStreak *streak = NULL;
	bool news;
	int i;

	for (i = 0; i < MAX_STREAKS && streak == NULL; i++)
		if (streaks[i].activity == activity)
			streak = &streaks[i];
	for (i = 0; i < MAX_STREAKS && streak == NULL; i++)
		if (streaks[i].activity == NULL)
			streak = &streaks[i];
	if (streak == NULL)
		return true;
	news = streak->activity == NULL || streak->code != code;
	streak->activity = activity;
	streak->code = code;
	streak->failures++;
	return news;
}

static void
streak_ended(const char *activity)
{
	int i;

	for (i = 0; i < MAX_STREAKS; i++)
	{
		if (streaks[i].activity != activity)
			continue;
		if (streaks[i].failures > 1)
			ereport(LOG,
					(errmsg("%s: works again after %d failures", activity, streaks[i].failures)));
		memset(&streaks[i], 0, sizeof(GuardedStreak));
	}
}

/*
 * SQL: until the end of the transaction no task of another process is under way, nor does one have a
 * snapshot from before: a task locks the extension first and takes its snapshot then. For what is
 * not MVCC, such as TRUNCATE.
 */
Datum
cxsig_exclude_tasks(PG_FUNCTION_ARGS)
{
	LockDatabaseObject(ExtensionRelationId, get_extension_oid("cxsig", false), 0,
					   AccessExclusiveLock);
	PG_RETURN_VOID();
}
