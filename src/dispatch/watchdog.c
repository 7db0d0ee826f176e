/*
 * watchdog.c
 *	  Notices dispatchers that should run and do not, and dispatchers that hang. Runs in the
 *	  launcher.
 *
 * What it knows lives in shared memory: worker_status shows it, and a launcher started after a crash
 * of the last one says nothing twice. Locks: cxsig_shared->lock to copy fields.
 */
#include "postgres.h"

#include "base/settings.h"
#include "base/shared.h"
#include "dispatch/slot.h"
#include "dispatch/watchdog.h"
#include "utils/timestamp.h"

/* A dispatcher as a look finds it. */
typedef enum WatchdogState
{
	WATCHDOG_WELL,
	WATCHDOG_HANGS,
	WATCHDOG_UNSURE, /* started again after it failed: it has to last for a moment */
	WATCHDOG_MISSING
} WatchdogState;

/* What a look is after, and what it finds under the lock. */
typedef struct WatchdogLook
{
	Oid database;
	int ordinal;
	TimestampTz now;
	CxsigSlot *slot; /* NULL: there is none */
	CxsigSlotState slot_state;
	int quick_exits;
	bool held;
	WatchdogState state;
	TimestampTz since; /* it is missing, or has made no turn */
	bool say;		   /* that it is missing, or hangs */
	bool say_well;	   /* that it is not any more */
	bool was_missing;  /* and not: it hung */
} WatchdogLook;

static void watchdog_find(WatchdogLook *look);
static void watchdog_judge(WatchdogLook *look);
static void watchdog_note_missing(WatchdogLook *look);
static void watchdog_note_hanging(WatchdogLook *look);
static CxsigMissing *missing_find(Oid database, int ordinal);
static void say_missing(const WatchdogLook *look, const char *name);
static void say_hanging(const WatchdogLook *look, const char *name);

void
cxsig_watchdog_expect(Oid database, const char *name, int ordinal)
{
	WatchdogLook look = {database, ordinal, GetCurrentTimestamp()};

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	watchdog_find(&look);
	watchdog_judge(&look);
	watchdog_note_missing(&look);
	watchdog_note_hanging(&look);
	LWLockRelease(cxsig_shared->lock);

	if (look.say && look.state == WATCHDOG_HANGS)
		say_hanging(&look, name);
	else if (look.say)
		say_missing(&look, name);
	if (look.say_well && look.was_missing)
		ereport(LOG, (errmsg("database \"%s\" has its cxsig dispatcher %d again", name, ordinal)));
	else if (look.say_well)
		ereport(LOG,
				(errmsg("cxsig dispatcher %d of database \"%s\" goes on again", ordinal, name)));
}

/* The slot of the dispatcher, if it has one. Caller holds the lock. */
static void
watchdog_find(WatchdogLook *look)
{
	int i;

	look->held = cxsig_shared_is_held(look->database);
	for (i = 0; i < cxsig_shared->n_slots; i++)
	{
		CxsigSlot *slot = &cxsig_shared->slots[i];

		if (slot->state == CXSIG_SLOT_FREE || slot->database != look->database ||
			slot->ordinal != look->ordinal)
			continue;
		look->slot = slot;
		look->slot_state = slot->state;
		look->quick_exits = slot->quick_exits;
	}
}

static void
watchdog_judge(WatchdogLook *look)
{
	const CxsigSlot *slot = look->slot;

	look->since = look->now;
	look->state = WATCHDOG_MISSING;
	if (slot == NULL)
		return;
	if (look->slot_state == CXSIG_SLOT_EXITED)
		look->since = slot->exited_at;
	else if (look->slot_state == CXSIG_SLOT_STARTING)
		look->since = slot->started_at;
	if (look->slot_state != CXSIG_SLOT_RUNNING)
		return;

	/* What an earlier process left in the figures is older than this one. */
	look->since =
		Max(slot->started_at, (TimestampTz) pg_atomic_read_u64(&look->slot->figures.last_turn));
	if (TimestampDifferenceExceeds(look->since, look->now, cxsig_watchdog_timeout * 1000))
		look->state = WATCHDOG_HANGS;
	else if (look->quick_exits > 0 &&
			 !TimestampDifferenceExceeds(slot->started_at, look->now, CXSIG_QUICK_EXIT_MS))
		look->state = WATCHDOG_UNSURE;
	else
		look->state = WATCHDOG_WELL;
}

/* Keep the list of the missing. Caller holds the lock. */
static void
watchdog_note_missing(WatchdogLook *look)
{
	CxsigMissing *entry = missing_find(look->database, look->ordinal);

	if (entry == NULL && look->state == WATCHDOG_MISSING)
	{
		entry = missing_find(InvalidOid, -1);
		if (entry == NULL)
			return;
		entry->database = look->database;
		entry->ordinal = look->ordinal;
		entry->since = look->since;
		entry->said = false;
	}
	if (entry == NULL)
		return;
	entry->expected = true;
	if (look->state == WATCHDOG_WELL || look->state == WATCHDOG_HANGS)
	{
		look->say_well = look->was_missing = entry->said && look->state == WATCHDOG_WELL;
		memset(entry, 0, sizeof(CxsigMissing));
	}
	else if (!entry->said &&
			 TimestampDifferenceExceeds(entry->since, look->now, cxsig_watchdog_timeout * 1000))
	{
		look->since = entry->since;
		look->say = entry->said = true;
	}
}

/* Keep in the slot whether it was said to hang. Caller holds the lock. */
static void
watchdog_note_hanging(WatchdogLook *look)
{
	CxsigSlot *slot = look->slot;
	bool was_said;

	if (slot == NULL || look->slot_state != CXSIG_SLOT_RUNNING)
		return;
	was_said = slot->hanging_since != 0 && slot->hanging_since >= slot->started_at;
	if (look->state == WATCHDOG_HANGS && !was_said)
	{
		slot->hanging_since = look->since;
		look->say = true;
	}
	else if (look->state == WATCHDOG_WELL && was_said)
	{
		slot->hanging_since = 0;
		look->say_well = true;
	}
}

/* The entry of that dispatcher; with InvalidOid, a free one. Caller holds the lock. */
static CxsigMissing *
missing_find(Oid database, int ordinal)
{
	int i;

	for (i = 0; i < CXSIG_MAX_MISSING; i++)
	{
		CxsigMissing *entry = &cxsig_shared->missing[i];

		if (entry->database == database && (database == InvalidOid || entry->ordinal == ordinal))
			return entry;
	}
	return NULL;
}

static void
say_missing(const WatchdogLook *look, const char *name)
{
	long seconds = TimestampDifferenceMilliseconds(look->since, look->now) / 1000;
	const char *detail = "There was no room for one.";
	const char *hint = "Raise \"max_worker_processes\" or \"cxsig.max_dispatchers\".";

	if (look->held)
	{
		detail = "A session drops, renames, moves or copies the database.";
		hint = "See pg_stat_activity; delivery goes on when that has ended.";
	}
	else if (look->slot_state == CXSIG_SLOT_STARTING)
		detail = "One was asked for, and has not started.";
	else if (look->slot != NULL)
	{
		detail = "It ends soon after each start.";
		hint = "See the messages above, and last_error in cxsig.worker_status.";
	}
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("database \"%s\" has had no cxsig dispatcher %d for %ld s: nothing is sent",
					name, look->ordinal, seconds),
			 errdetail_internal("%s", detail), errhint("%s", hint)));
}

static void
say_hanging(const WatchdogLook *look, const char *name)
{
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cxsig dispatcher %d of database \"%s\" hangs: its last turn was %ld s ago",
					look->ordinal, name,
					TimestampDifferenceMilliseconds(look->since, look->now) / 1000),
			 errhint("See its row in pg_stat_activity; pg_terminate_backend() ends it, and it is "
					 "started again.")));
}

void
cxsig_watchdog_end_turn(void)
{
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	for (i = 0; i < CXSIG_MAX_MISSING; i++)
	{
		CxsigMissing *entry = &cxsig_shared->missing[i];

		if (entry->expected)
			entry->expected = false;
		else
			memset(entry, 0, sizeof(CxsigMissing));
	}
	LWLockRelease(cxsig_shared->lock);
}

long
cxsig_watchdog_timeout_ms(void)
{
	return cxsig_watchdog_timeout * 500L;
}
