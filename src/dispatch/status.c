/*
 * status.c
 *	  SQL functions over the dispatchers' shared memory: cxsig._worker_slots() and
 *	  cxsig.wait_until_idle(). Run in ordinary backends.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/shared.h"
#include "base/version.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define SLOT_COLUMNS 20

PG_FUNCTION_INFO_V1(cxsig_worker_slots);
PG_FUNCTION_INFO_V1(cxsig_wait_until_idle);

static void slot_row(ReturnSetInfo *result, const CxsigSlot *slot);
static char *slot_health(const CxsigSlot *slot);
static void health_of_work(StringInfo health, const CxsigSlot *slot);
static void health_count(StringInfo health, const char *what, uint32 n, const char *of);
static void missing_rows(ReturnSetInfo *result);
static void missing_row(ReturnSetInfo *result, Oid database, int ordinal, const char *health);
static bool has_slot(Oid database, int ordinal);
static const char *slot_state_name(CxsigSlotState state);
static void launcher_row(ReturnSetInfo *result);
static uint64 barrier_fingerprint(void);
static int barrier_ask(uint64 *requests);
static bool barrier_reached(const uint64 *requests);

CXSIG_DEFINE_WAIT_EVENT(idle_wait_event, "CxsigWaitUntilIdle")

/*
 * cxsig._worker_slots(): a row for the launcher and for each dispatcher; no row at all means that
 * the library is not preloaded.
 */
Datum
cxsig_worker_slots(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int i;

	InitMaterializedSRF(fcinfo, 0);
	if (cxsig_shared == NULL)
		return (Datum) 0;
	launcher_row(result);
	for (i = 0; i < cxsig_shared->n_slots; i++)
	{
		CxsigSlot copy;

		LWLockAcquire(cxsig_shared->lock, LW_SHARED);
		copy = cxsig_shared->slots[i];
		LWLockRelease(cxsig_shared->lock);
		if (copy.state != CXSIG_SLOT_FREE)
			slot_row(result, &copy);
	}
	missing_rows(result);
	return (Datum) 0;
}

static void
launcher_row(ReturnSetInfo *result)
{
	Datum values[SLOT_COLUMNS] = {0};
	bool nulls[SLOT_COLUMNS];
	int pid;

	LWLockAcquire(cxsig_shared->lock, LW_SHARED);
	pid = cxsig_shared->launcher_pid;
	LWLockRelease(cxsig_shared->lock);
	memset(nulls, true, sizeof(nulls));
	values[0] = CStringGetTextDatum("launcher");
	values[1] = Int32GetDatum(pid);
	values[2] = CStringGetTextDatum(pid != 0 ? "running" : "not running");
	nulls[0] = nulls[2] = false;
	nulls[1] = pid == 0;
	values[17] = CStringGetTextDatum(pid != 0 ? "ok" : "not running");
	nulls[17] = false;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
slot_row(ReturnSetInfo *result, const CxsigSlot *slot)
{
	CxsigSlotFigures *figures = &((CxsigSlot *) slot)->figures;
	Datum values[SLOT_COLUMNS];
	bool nulls[SLOT_COLUMNS] = {false};
	int i = 0;

	values[i++] = CStringGetTextDatum("dispatcher");
	nulls[i] = slot->pid == 0;
	values[i++] = Int32GetDatum(slot->pid);
	values[i++] = CStringGetTextDatum(slot_state_name(slot->state));
	values[i++] = ObjectIdGetDatum(slot->database);
	values[i++] = Int32GetDatum(slot->ordinal);
	values[i++] = TimestampTzGetDatum(slot->started_at);
	nulls[i] = pg_atomic_read_u64(&figures->last_turn) == 0;
	values[i++] = TimestampTzGetDatum((TimestampTz) pg_atomic_read_u64(&figures->last_turn));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&figures->turns));
	values[i++] = Int32GetDatum((int32) pg_atomic_read_u32(&figures->destinations));
	values[i++] = Int32GetDatum((int32) pg_atomic_read_u32(&figures->lanes));
	values[i++] = Int32GetDatum((int32) pg_atomic_read_u32(&figures->held));
	values[i++] = Int32GetDatum((int32) pg_atomic_read_u32(&figures->in_flight));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&figures->sent));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&figures->delivered));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&figures->failed));
	values[i++] = Int64GetDatum((int64) pg_atomic_read_u64(&figures->memory));
	nulls[i] = slot->last_error[0] == '\0';
	values[i++] = CStringGetTextDatum(slot->last_error);
	values[i++] = CStringGetTextDatum(slot_health(slot));
	values[i++] = Int32GetDatum((int32) pg_atomic_read_u32(&figures->behind));
	values[i++] = Int32GetDatum((int32) pg_atomic_read_u32(&figures->stalled_lanes));
	Assert(i == SLOT_COLUMNS);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* A slot in words: "ok", or what is wrong with it. */
static char *
slot_health(const CxsigSlot *slot)
{
	TimestampTz last_turn =
		(TimestampTz) pg_atomic_read_u64(&((CxsigSlot *) slot)->figures.last_turn);
	StringInfoData health;

	initStringInfo(&health);
	last_turn = Max(last_turn, slot->started_at);
	if (slot->state == CXSIG_SLOT_EXITED)
		appendStringInfo(&health, "not running since %s", timestamptz_to_str(slot->exited_at));
	else if (slot->state != CXSIG_SLOT_RUNNING)
		appendStringInfo(&health, "starting since %s", timestamptz_to_str(slot->started_at));
	else if (TimestampDifferenceExceeds(last_turn, GetCurrentTimestamp(),
										cxsig_watchdog_timeout * 1000))
		appendStringInfo(&health, "hanging since %s", timestamptz_to_str(last_turn));
	else if (slot->unfit_version[0] != '\0')
		appendStringInfo(&health, "waiting: the extension has version %s, the library %s: %s",
						 slot->unfit_version, CXSIG_VERSION,
						 cxsig_version_hint(slot->unfit_version));
	else if (slot->locked_out_since != 0)
		appendStringInfo(&health, "waiting since %s: a session alters or drops the extension",
						 timestamptz_to_str(slot->locked_out_since));
	else
		health_of_work(&health, slot);
	return health.data;
}

static void
health_of_work(StringInfo health, const CxsigSlot *slot)
{
	CxsigSlotFigures *figures = &((CxsigSlot *) slot)->figures;

	health_count(health, "failing", pg_atomic_read_u32(&figures->failing), "destination");
	health_count(health, "behind", pg_atomic_read_u32(&figures->behind), "destination");
	health_count(health, "no progress", pg_atomic_read_u32(&figures->stalled_lanes), "lane");
	if (health->len == 0)
		appendStringInfoString(health, "ok");
}

static void
health_count(StringInfo health, const char *what, uint32 n, const char *of)
{
	if (n > 0)
		appendStringInfo(health, "%s%s: %u %s%s", health->len > 0 ? ", " : "", what, n, of,
						 n == 1 ? "" : "s");
}

/* Dispatchers that should run and have no slot; this database's in any case: it has the extension. */
static void
missing_rows(ReturnSetInfo *result)
{
	bool here = has_slot(MyDatabaseId, 0);
	int i;

	for (i = 0; i < CXSIG_MAX_MISSING; i++)
	{
		CxsigMissing copy;

		LWLockAcquire(cxsig_shared->lock, LW_SHARED);
		copy = cxsig_shared->missing[i];
		LWLockRelease(cxsig_shared->lock);
		if (!OidIsValid(copy.database) || has_slot(copy.database, copy.ordinal))
			continue;
		here |= copy.database == MyDatabaseId;
		missing_row(result, copy.database, copy.ordinal,
					psprintf("not running since %s", timestamptz_to_str(copy.since)));
	}
	if (!here)
		missing_row(result, MyDatabaseId, 0,
					RecoveryInProgress()
						? "not running: this is a standby"
						: "not running: see \"cxsig.databases\" and the server log");
}

static void
missing_row(ReturnSetInfo *result, Oid database, int ordinal, const char *health)
{
	Datum values[SLOT_COLUMNS] = {0};
	bool nulls[SLOT_COLUMNS];

	memset(nulls, true, sizeof(nulls));
	values[0] = CStringGetTextDatum("dispatcher");
	values[2] = CStringGetTextDatum("not running");
	values[3] = ObjectIdGetDatum(database);
	values[4] = Int32GetDatum(ordinal);
	values[17] = CStringGetTextDatum(health);
	nulls[0] = nulls[2] = nulls[3] = nulls[4] = nulls[17] = false;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static bool
has_slot(Oid database, int ordinal)
{
	bool has = false;
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_SHARED);
	for (i = 0; i < cxsig_shared->n_slots && !has; i++)
		has = cxsig_shared->slots[i].state != CXSIG_SLOT_FREE &&
			  cxsig_shared->slots[i].database == database &&
			  cxsig_shared->slots[i].ordinal == ordinal;
	LWLockRelease(cxsig_shared->lock);
	return has;
}

static const char *
slot_state_name(CxsigSlotState state)
{
	switch (state)
	{
		case CXSIG_SLOT_FREE:
			return "free";
		case CXSIG_SLOT_STARTING:
			return "starting";
		case CXSIG_SLOT_RUNNING:
			return "running";
		case CXSIG_SLOT_EXITED:
			return "not running";
	}
	return "unknown";
}

/*
 * cxsig.wait_until_idle(timeout interval): wait until everything that was committed before the call
 * has its final outcome at every active destination. True when it has, false at the timeout.
 */
Datum
cxsig_wait_until_idle(PG_FUNCTION_ARGS)
{
	Interval *timeout = PG_GETARG_INTERVAL_P(0);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end = DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(timeout)));
	uint64 *requests;
	uint64 asked_of = 0;
	bool asked = false;
	bool done = false;

	cxsig_shared_require("wait_until_idle()");
	cxsig_version_check(ERROR);
	requests = palloc0(cxsig_shared->n_slots * sizeof(uint64));
	ConditionVariablePrepareToSleep(&cxsig_shared->sync_changed);
	for (;;)
	{
		if (!asked || asked_of != barrier_fingerprint())
		{
			asked_of = barrier_fingerprint();
			asked = barrier_ask(requests) > 0;
		}
		done = asked && barrier_reached(requests);
		now = GetCurrentTimestamp();
		if (done || now >= end)
			break;
		(void) ConditionVariableTimedSleep(&cxsig_shared->sync_changed,
										   Min(TimestampDifferenceMilliseconds(now, end), 1000),
										   idle_wait_event());
	}
	ConditionVariableCancelSleep();
	if (!asked)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no cxsig dispatcher runs in database \"%s\"", get_database_name(MyDatabaseId)),
			 errhint("See cxsig.worker_status, \"cxsig.databases\" and the server log.")));
	PG_RETURN_BOOL(done);
}

/*
 * Which dispatchers of this database run, and who shares its destinations: when that changes,
 * destinations move, and may have been between two of them when both answered.
 */
static uint64
barrier_fingerprint(void)
{
	uint64 print = 0;
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_SHARED);
	for (i = 0; i < cxsig_shared->n_slots; i++)
	{
		const CxsigSlot *slot = &cxsig_shared->slots[i];

		if (slot->database == MyDatabaseId && slot->state == CXSIG_SLOT_RUNNING)
			print = hash_combine64(print, ((uint64) i << 33) + ((uint64) slot->generation << 1) +
											  slot->shares);
	}
	LWLockRelease(cxsig_shared->lock);
	return print;
}

/* Ask each dispatcher of this database for a barrier; how many there are. */
static int
barrier_ask(uint64 *requests)
{
	int n = 0;
	int i;

	memset(requests, 0, cxsig_shared->n_slots * sizeof(uint64));
	for (i = 0; i < cxsig_shared->n_slots; i++)
	{
		CxsigSlot *slot = &cxsig_shared->slots[i];

		if (slot->database != MyDatabaseId || slot->state != CXSIG_SLOT_RUNNING)
			continue;
		requests[i] = pg_atomic_add_fetch_u64(&slot->sync_request, 1);
		if (pg_atomic_exchange_u32(&slot->wake, 1) == 0)
			cxsig_shared_set_latch(slot->proc_number);
		n++;
	}
	return n;
}

static bool
barrier_reached(const uint64 *requests)
{
	int i;

	for (i = 0; i < cxsig_shared->n_slots; i++)
		if (pg_atomic_read_u64(&cxsig_shared->slots[i].sync_done) < requests[i])
			return false;
	return true;
}
