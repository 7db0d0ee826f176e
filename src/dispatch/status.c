/*
 * status.c
 *	  SQL functions over the dispatchers' shared memory: cxsig._worker_slots() and
 *	  cxsig.wait_until_idle(). Run in ordinary backends.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/shared.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define SLOT_COLUMNS 17

PG_FUNCTION_INFO_V1(cxsig_worker_slots);
PG_FUNCTION_INFO_V1(cxsig_wait_until_idle);

static void slot_row(ReturnSetInfo *result, const CxsigSlot *slot);
static const char *slot_state_name(CxsigSlotState state);
static void launcher_row(ReturnSetInfo *result);
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
	Assert(i == SLOT_COLUMNS);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
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
	bool asked = false;
	bool done = false;

	cxsig_shared_require("wait_until_idle()");
	requests = palloc0(cxsig_shared->n_slots * sizeof(uint64));
	ConditionVariablePrepareToSleep(&cxsig_shared->sync_changed);
	for (;;)
	{
		if (!asked)
			asked = barrier_ask(requests) > 0;
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

/* Ask each dispatcher of this database for a barrier; how many there are. */
static int
barrier_ask(uint64 *requests)
{
	int n = 0;
	int i;

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
