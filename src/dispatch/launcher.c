/*
 * launcher.c
 *	  The launcher process: starts a dispatcher for each database that has the extension, and
 *	  starts it again when it ends.
 *
 * It connects to no database and reads shared catalogs only, so it never stands in the way of DDL on
 * one. It cannot see into a database: a dispatcher that finds no extension says so in its slot and
 * ends, and the database is left alone until CREATE EXTENSION announces it or an hour has passed.
 * Where there is not room for all, every database gets its first dispatcher before any gets another.
 * All its knowledge of running dispatchers is in their slots, so that a launcher started after
 * a crash of the last one takes them over as they are.
 *
 * Locks: cxsig_shared->lock for slot fields.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "base/shared.h"
#include "dispatch/absent.h"
#include "dispatch/databases.h"
#include "dispatch/dispatcher.h"
#include "dispatch/launcher.h"
#include "dispatch/share.h"
#include "dispatch/watchdog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define LAUNCHER_TURN_MS 10000
#define STARTING_LIMIT_MS 30000
#define RESTART_MIN_MS 1000
#define RESTART_MAX_MS 60000

PGDLLEXPORT void cxsig_launcher_main(Datum arg);

/* The role dispatchers run as; found at each turn. */
static Oid worker_role = InvalidOid;

/* Whether the lack of worker slots was already said, so that it is said once a streak. */
static bool said_no_slots = false;

/* How many dispatchers a database may have: fewer than cxsig.workers while another has none. */
static int worker_limit = CXSIG_MAX_WORKERS;

static void launcher_attach(void);
static void launcher_detach(int code, Datum arg);
static void launcher_turn(MemoryContext scratch);
static void launcher_take_announcements(void);
static void launcher_settle_slots(List *databases);
static void launcher_end_unwanted(List *databases);
static bool launcher_settle_slot(CxsigSlot *slot, List *databases, TimestampTz now);
static bool launcher_free_slot(CxsigSlot *slot);
static void launcher_start_missing(List *databases);
static int launcher_workers(void);
static int launcher_last_ordinal(void);
static bool launcher_start(const CxsigDatabase *database, int ordinal);
static bool launcher_give_up(int index);
static void launcher_watch(List *databases);
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

	databases = cxsig_databases_read(&worker_role);
	launcher_settle_slots(databases);
	/* After what ended: an extension announced since a dispatcher found none must win. */
	launcher_take_announcements();
	launcher_end_unwanted(databases);
	launcher_start_missing(databases);
	launcher_watch(databases);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
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
		Oid shared_by;
		bool lapsed;

		LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
		if (slot->state == CXSIG_SLOT_EXITED && slot->exit_absent)
			absent_database = slot->database;
		shared_by = slot->database;
		lapsed = cxsig_share_lapse(slot, now, restart_delay(slot->quick_exits));
		if (launcher_settle_slot(slot, databases, now) && launcher_free_slot(slot))
			lapsed = true;
		LWLockRelease(cxsig_shared->lock);

		if (lapsed)
			(void) cxsig_shared_reload(shared_by);
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
	if (slot->exit_absent || slot->ordinal >= launcher_workers())
		return true;
	return !cxsig_databases_contain(databases, slot->database);
}

/* Caller holds the lock. True where the slot had a share: then tell the others. */
static bool
launcher_free_slot(CxsigSlot *slot)
{
	bool had_share = slot->shares;

	slot->state = CXSIG_SLOT_FREE;
	slot->database = InvalidOid;
	slot->generation++;
	slot->shares = false;
	return had_share;
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
			(slot->ordinal >= launcher_workers() ||
			 !cxsig_databases_contain(databases, slot->database)))
			(void) kill(slot->pid, SIGTERM);
	}
	LWLockRelease(cxsig_shared->lock);
}

/*
 * Start what is missing, the first dispatcher of every database before the second of any. While a
 * database cannot have its first, the others do without their last.
 */
static void
launcher_start_missing(List *databases)
{
	bool short_of_slots = false;
	bool crowded = false;
	int ordinal;
	ListCell *cell;

	for (ordinal = 0; ordinal < launcher_workers(); ordinal++)
	{
		foreach (cell, databases)
		{
			CxsigDatabase *database = lfirst(cell);

			if (cxsig_absent_contains(database->oid) || launcher_start(database, ordinal))
				continue;
			short_of_slots = true;
			if (ordinal == 0)
				crowded = true;
		}
	}
	said_no_slots = short_of_slots;
	worker_limit = crowded ? Max(launcher_last_ordinal(), 1) : CXSIG_MAX_WORKERS;
}

static int
launcher_workers(void)
{
	return Min(cxsig_workers, worker_limit);
}

/* The greatest ordinal there is. */
static int
launcher_last_ordinal(void)
{
	int last = 0;
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_SHARED);
	for (i = 0; i < cxsig_shared->n_slots; i++)
		if (cxsig_shared->slots[i].state != CXSIG_SLOT_FREE)
			last = Max(last, cxsig_shared->slots[i].ordinal);
	LWLockRelease(cxsig_shared->lock);
	return last;
}

/* Look at each dispatcher that should run. */
static void
launcher_watch(List *databases)
{
	ListCell *cell;
	int ordinal;

	foreach (cell, databases)
	{
		CxsigDatabase *database = lfirst(cell);

		if (cxsig_absent_contains(database->oid))
			continue;
		for (ordinal = 0; ordinal < launcher_workers(); ordinal++)
			cxsig_watchdog_expect(database->oid, database->name, ordinal);
	}
	cxsig_watchdog_end_turn();
}

/*
 * Start a dispatcher unless there is one, or it is too early, or the database is held. False where
 * there is no room for one.
 */
static bool
launcher_start(const CxsigDatabase *database, int ordinal)
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
		{
			if (cxsig_shared->slots[index].exited_at == 0)
				cxsig_share_expect(&cxsig_shared->slots[index], start.generation);
			return true;
		}
		if (launcher_give_up(index))
			return true;
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

/*
 * A dispatcher could not be started. One that ran keeps its slot, and its share for a moment. True
 * where it ended just now: the process may not be gone yet, and nobody need be told.
 */
static bool
launcher_give_up(int index)
{
	CxsigSlot *slot = &cxsig_shared->slots[index];
	TimestampTz now = GetCurrentTimestamp();
	bool just_now = false;

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	if (slot->exited_at == 0)
		(void) launcher_free_slot(slot);
	else
	{
		slot->state = CXSIG_SLOT_EXITED;
		just_now = !TimestampDifferenceExceeds(slot->exited_at, now, RESTART_MIN_MS);
	}
	LWLockRelease(cxsig_shared->lock);
	return just_now;
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
			slot->exited_at = 0;
			slot->shares = false;
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
	return pending ? RESTART_MIN_MS : Min(LAUNCHER_TURN_MS, cxsig_watchdog_timeout_ms());
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
