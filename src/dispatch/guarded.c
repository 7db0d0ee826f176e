/*
 * guarded.c
 *	  Guarded transactions. Runs in dispatchers.
 *
 * Locks: AccessShareLock on the extension first of all, which orders a task before or after a DROP
 * EXTENSION as a whole; then what the task takes, under a lock timeout.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "dispatch/guarded.h"
#include "dispatch/slot.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* The extension this process started with. */
static Oid extension_oid = InvalidOid;

static bool guarded_begin(const char *activity);
static void guarded_end(void);
static void guarded_report(void);

bool
cxsig_guarded_init(void)
{
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	extension_oid = get_extension_oid("cxsig", true);
	CommitTransactionCommand();
	return OidIsValid(extension_oid);
}

CxsigGuarded
cxsig_guarded_run(const char *activity, CxsigTask task, void *arg)
{
	MemoryContext old = CurrentMemoryContext;
	volatile CxsigGuarded result = CXSIG_DONE;

	PG_TRY();
	{
		if (guarded_begin(activity))
			task(arg);
		else
			result = CXSIG_GONE_EXTENSION;
		guarded_end();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		guarded_report();
		result = CXSIG_FAILED;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return result;
}

static bool
guarded_begin(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	debug_query_string = activity;
	pgstat_report_activity(STATE_RUNNING, activity);
	LockDatabaseObject(ExtensionRelationId, extension_oid, 0, AccessShareLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	return get_extension_oid("cxsig", true) == extension_oid;
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

/* Log the error, show it in worker_status, roll back. */
static void
guarded_report(void)
{
	ErrorData *error = CopyErrorData();

	HOLD_INTERRUPTS();
	cxsig_slot_say_error(error->message);
	FreeErrorData(error);
	EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	pgstat_report_stat(true);
	debug_query_string = NULL;
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
}
