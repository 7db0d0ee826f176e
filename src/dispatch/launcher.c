/*
 * launcher.c
 *	  The launcher process: starts a dispatcher for each database that has the extension, and
 *	  starts it again when it ends.
 *
 * It connects to no database and reads shared catalogs only, so it never stands in the way of DDL on
 * one. It cannot see into a database: a dispatcher that finds no extension says so in its slot and
 * ends, and the database is left alone until CREATE EXTENSION announces it or an hour has passed.
 * All its knowledge of running dispatchers is in their slots, so that a launcher started after
 * a crash of the last one takes them over as they are.
 *
 * Locks: cxsig_shared->lock for slot fields; AccessShareLock on pg_database while reading it.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/shared.h"
#include "dispatch/absent.h"
#include "dispatch/dispatcher.h"
#include "dispatch/launcher.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define LAUNCHER_TURN_MS 10000
#define STARTING_LIMIT_MS 30000
#define RESTART_MIN_MS 1000
#define RESTART_MAX_MS 60000

/* A database as the launcher sees it in a turn. */
typedef struct LauncherDatabase
{
	Oid oid;
	char *name;
} LauncherDatabase;

PGDLLEXPORT void cxsig_launcher_main(Datum arg);

/* The role dispatchers run as; found at each turn. */
static Oid worker_role = InvalidOid;

/* Whether the lack of worker slots was already said, so that it is said once a streak. */
static bool said_no_slots = false;

static void launcher_attach(void);
static void launcher_detach(int code, Datum arg);
static void launcher_turn(MemoryContext scratch);
static List *launcher_databases(void);
static bool launcher_wants(const char *name);
static void launcher_take_announcements(void);
static void launcher_settle_slots(List *databases);
static void launcher_end_unwanted(List *databases);
static bool is_listed(List *databases, Oid oid);
static bool launcher_settle_slot(CxsigSlot *slot, List *databases, TimestampTz now);
static void launcher_start_missing(List *databases);
static bool launcher_start(const LauncherDatabase *database, int ordinal);
static int launcher_claim_slot(Oid database, int ordinal, uint32 *generation);
static long launcher_timeout(void);
static int restart_delay(int quick_exits);

CXSIG_DEFINE_WAIT_EVENT(launcher_wait_event, "CxsigLauncherMain")

void
cxsig_launcher_register(void)
{
	BackgroundWorker worker;

	/* pg_upgrade starts the old and the new server; nothing may be sent from either. */
	if (IsBinaryUpgrade)
		return;
	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "cxsig launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "cxsig launcher");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "cxsig");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "cxsig_launcher_main");
	RegisterBackgroundWorker(&worker);
}

void
cxsig_launcher_main(Datum arg)
{
	MemoryContext scratch;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pgstat_report_appname("cxsig launcher");
	launcher_attach();
	scratch =
		AllocSetContextCreate(TopMemoryContext, "cxsig launcher turn", ALLOCSET_DEFAULT_SIZES);
	ereport(LOG, (errmsg("cxsig launcher started")));

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		launcher_turn(scratch);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 launcher_timeout(), launcher_wait_event());
		ResetLatch(MyLatch);
	}
}

static void
launcher_attach(void)
{
	before_shmem_exit(launcher_detach, (Datum) 0);
	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	cxsig_shared->launcher_pid = MyProcPid;
	cxsig_shared->launcher_proc_number = CXSIG_MY_PROC_NUMBER;
	LWLockRelease(cxsig_shared->lock);
}

static void
launcher_detach(int code, Datum arg)
{
	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	if (cxsig_shared->launcher_pid == MyProcPid)
		cxsig_shared->launcher_pid = 0;
	LWLockRelease(cxsig_shared->lock);
}

/* One look around: which databases there are, which slots have ended, who is missing. */
static void
launcher_turn(MemoryContext scratch)
{
	List *databases;
	MemoryContext old = MemoryContextSwitchTo(scratch);

	databases = launcher_databases();
	MemoryContextSwitchTo(scratch);
	launcher_settle_slots(databases);
	/* After what ended: an extension announced since a dispatcher found none must win. */
	launcher_take_announcements();
	launcher_end_unwanted(databases);
	launcher_start_missing(databases);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
}

/*
 * The databases that may get a dispatcher, in the current context. Empty while the role that
 * dispatchers run as is missing: then no database has the extension.
 */
static List *
launcher_databases(void)
{
	MemoryContext result_context = CurrentMemoryContext;
	List *databases = NIL;
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	worker_role = get_role_oid("cxsig_worker", true);
	if (OidIsValid(worker_role))
	{
		relation = table_open(DatabaseRelationId, AccessShareLock);
		scan = table_beginscan_catalog(relation, 0, NULL);
		while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		{
			Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
			LauncherDatabase *database;
			MemoryContext old;

			if (form->datistemplate || !form->datallowconn || form->datconnlimit == -2 ||
				!launcher_wants(NameStr(form->datname)))
				continue;
			old = MemoryContextSwitchTo(result_context);
			database = palloc(sizeof(LauncherDatabase));
			database->oid = form->oid;
			database->name = pstrdup(NameStr(form->datname));
			databases = lappend(databases, database);
			MemoryContextSwitchTo(old);
		}
		table_endscan(scan);
		table_close(relation, AccessShareLock);
	}
	CommitTransactionCommand();
	pgstat_report_stat(true);
	return databases;
}

/* Is the database one of cxsig.databases, or is every one meant? */
static bool
launcher_wants(const char *name)
{
	char *copy = pstrdup(cxsig_databases);
	List *names;
	ListCell *cell;

	if (!SplitIdentifierString(copy, ',', &names) || names == NIL)
		return true;
	foreach (cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

static void
launcher_take_announcements(void)
{
	Oid taken[CXSIG_MAX_ANNOUNCED];
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	memcpy(taken, cxsig_shared->announced, sizeof(taken));
	memset(cxsig_shared->announced, 0, sizeof(taken));
	LWLockRelease(cxsig_shared->lock);
	for (i = 0; i < CXSIG_MAX_ANNOUNCED; i++)
		if (OidIsValid(taken[i]))
			cxsig_absent_forget(taken[i]);
}

/* Free the slots of dispatchers that have ended for good, and mark databases without the extension. */
static void
launcher_settle_slots(List *databases)
{
	TimestampTz now = GetCurrentTimestamp();
	int i;

	for (i = 0; i < cxsig_shared->n_slots; i++)
	{
		CxsigSlot *slot = &cxsig_shared->slots[i];
		Oid absent_database = InvalidOid;

		LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
		if (slot->state == CXSIG_SLOT_EXITED && slot->exit_absent)
			absent_database = slot->database;
		if (launcher_settle_slot(slot, databases, now))
		{
			slot->state = CXSIG_SLOT_FREE;
			slot->database = InvalidOid;
			slot->generation++;
		}
		LWLockRelease(cxsig_shared->lock);

		if (OidIsValid(absent_database))
			cxsig_absent_add(absent_database);
	}
}

/* Should this slot be freed? Caller holds the lock. */
static bool
launcher_settle_slot(CxsigSlot *slot, List *databases, TimestampTz now)
{
	if (slot->state == CXSIG_SLOT_STARTING)
		return TimestampDifferenceExceeds(slot->started_at, now, STARTING_LIMIT_MS);
	if (slot->state != CXSIG_SLOT_EXITED)
		return false;
	if (slot->exit_absent || slot->ordinal >= cxsig_workers)
		return true;
	return !is_listed(databases, slot->database);
}

/* End dispatchers that the settings no longer want: fewer workers, another list of databases. */
static void
launcher_end_unwanted(List *databases)
{
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_SHARED);
	for (i = 0; i < cxsig_shared->n_slots; i++)
	{
		CxsigSlot *slot = &cxsig_shared->slots[i];

		if (slot->state == CXSIG_SLOT_RUNNING && slot->pid != 0 &&
			(slot->ordinal >= cxsig_workers || !is_listed(databases, slot->database)))
			(void) kill(slot->pid, SIGTERM);
	}
	LWLockRelease(cxsig_shared->lock);
}

static bool
is_listed(List *databases, Oid oid)
{
	ListCell *cell;

	foreach (cell, databases)
		if (((LauncherDatabase *) lfirst(cell))->oid == oid)
			return true;
	return false;
}

static void
launcher_start_missing(List *databases)
{
	ListCell *cell;
	int ordinal;

	foreach (cell, databases)
	{
		LauncherDatabase *database = lfirst(cell);

		if (cxsig_absent_contains(database->oid))
			continue;
		for (ordinal = 0; ordinal < cxsig_workers; ordinal++)
			if (!launcher_start(database, ordinal))
				return;
	}
	said_no_slots = false;
}

/*
 * Start a dispatcher unless there is one, or it is too early, or the database is held. False where
 * there is no room for one.
 */
static bool
launcher_start(const LauncherDatabase *database, int ordinal)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	CxsigDispatcherStart start;
	int index = launcher_claim_slot(database->oid, ordinal, &start.generation);

	if (index == -1)
		return true;
	if (index >= 0)
	{
		memset(&worker, 0, sizeof(worker));
		snprintf(worker.bgw_name, BGW_MAXLEN, "cxsig dispatcher %d of %s", ordinal, database->name);
		snprintf(worker.bgw_type, BGW_MAXLEN, "cxsig dispatcher");
		worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
		worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
		worker.bgw_restart_time = BGW_NEVER_RESTART;
		snprintf(worker.bgw_library_name, BGW_MAXLEN, "cxsig");
		snprintf(worker.bgw_function_name, BGW_MAXLEN, "cxsig_dispatcher_main");
		worker.bgw_main_arg = Int32GetDatum(index);
		start.role = worker_role;
		memcpy(worker.bgw_extra, &start, sizeof(start));
		worker.bgw_notify_pid = MyProcPid;
		if (RegisterDynamicBackgroundWorker(&worker, &handle))
			return true;

		LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
		cxsig_shared->slots[index].state = CXSIG_SLOT_FREE;
		cxsig_shared->slots[index].database = InvalidOid;
		LWLockRelease(cxsig_shared->lock);
	}
	if (!said_no_slots)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("could not start a cxsig dispatcher in database \"%s\"", database->name),
				 errhint("Raise \"%s\".",
						 index == -2 ? "cxsig.max_dispatchers" : "max_worker_processes")));
	said_no_slots = true;
	return false;
}

/* Claim a slot for a dispatcher. -1: nothing to start now; -2: no slot is free. */
static int
launcher_claim_slot(Oid database, int ordinal, uint32 *generation)
{
	TimestampTz now = GetCurrentTimestamp();
	int chosen = -2;
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	if (cxsig_shared_is_held(database))
		chosen = -1;
	for (i = 0; i < cxsig_shared->n_slots && chosen != -1; i++)
	{
		CxsigSlot *slot = &cxsig_shared->slots[i];

		if (slot->state == CXSIG_SLOT_FREE && chosen == -2)
			chosen = i;
		if (slot->state == CXSIG_SLOT_FREE || slot->database != database ||
			slot->ordinal != ordinal)
			continue;
		if (slot->state == CXSIG_SLOT_EXITED &&
			TimestampDifferenceExceeds(slot->exited_at, now, restart_delay(slot->quick_exits)))
		{
			chosen = i;
			break;
		}
		chosen = -1;
	}
	if (chosen >= 0)
	{
		CxsigSlot *slot = &cxsig_shared->slots[chosen];

		if (slot->state == CXSIG_SLOT_FREE)
		{
			slot->quick_exits = 0;
			slot->last_error[0] = '\0';
		}
		slot->state = CXSIG_SLOT_STARTING;
		slot->generation++;
		slot->database = database;
		slot->ordinal = ordinal;
		slot->pid = 0;
		slot->started_at = now;
		slot->exit_absent = false;
		*generation = slot->generation;
	}
	LWLockRelease(cxsig_shared->lock);
	return chosen;
}

/* How long to sleep: briefly while something waits to be started. */
static long
launcher_timeout(void)
{
	bool pending = said_no_slots;
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_SHARED);
	for (i = 0; i < cxsig_shared->n_slots; i++)
		if (cxsig_shared->slots[i].state == CXSIG_SLOT_EXITED ||
			cxsig_shared->slots[i].state == CXSIG_SLOT_STARTING)
			pending = true;
	LWLockRelease(cxsig_shared->lock);
	return pending ? RESTART_MIN_MS : LAUNCHER_TURN_MS;
}

static int
restart_delay(int quick_exits)
{
	int delay = RESTART_MIN_MS;

	if (quick_exits == 0)
		return 0;
	while (quick_exits-- > 1 && delay < RESTART_MAX_MS)
		delay *= 2;
	return Min(delay, RESTART_MAX_MS);
}
