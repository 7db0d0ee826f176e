/*
 * ddl.c
 *	  A utility hook that clears a database of dispatchers before DDL that needs nobody in it: DROP
 *	  DATABASE, ALTER DATABASE ... RENAME or SET TABLESPACE, CREATE DATABASE ... TEMPLATE; and that
 *	  keeps them out of the tables while ALTER EXTENSION changes them.
 *
 * Runs in the session that gives the command. The database is put on hold in shared memory, its
 * dispatchers are ended and waited for, the command runs, and the hold is lifted - also when it
 * fails, and when the session ends - so that the launcher starts them again if the database is still
 * there.
 *
 * Locks: AccessExclusiveLock on the extension for ALTER EXTENSION, before anything the script takes.
 * DROP EXTENSION takes it itself.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/shared.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "dispatch/launcher.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/timestamp.h"

#define CLEAR_LIMIT_MS 5000
#define CLEAR_LOOK_MS 10

/* The hook that was there before ours. */
static ProcessUtility_hook_type previous_utility_hook = NULL;

static void ddl_utility(PlannedStmt *statement, const char *query, bool read_only_tree,
						ProcessUtilityContext context, ParamListInfo params,
						QueryEnvironment *environment, DestReceiver *receiver,
						QueryCompletion *completion);
static void ddl_pass_on(PlannedStmt *statement, const char *query, bool read_only_tree,
						ProcessUtilityContext context, ParamListInfo params,
						QueryEnvironment *environment, DestReceiver *receiver,
						QueryCompletion *completion);
static void ddl_lock_extension(Node *statement);
static Oid ddl_database(Node *statement);
static const char *option_string(List *options, const char *name);
static void ddl_hold(Oid database);
static void ddl_release(void);
static void ddl_release_at_exit(int code, Datum arg);
static void ddl_clear(Oid database);
static int ddl_terminate(Oid database);

CXSIG_DEFINE_WAIT_EVENT(clear_wait_event, "CxsigClearDatabase")

void
cxsig_ddl_init(void)
{
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = ddl_utility;
}

static void
ddl_utility(PlannedStmt *statement, const char *query, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
			DestReceiver *receiver, QueryCompletion *completion)
{
	Oid database = ddl_database(statement->utilityStmt);

	if (!OidIsValid(database))
	{
		ddl_lock_extension(statement->utilityStmt);
		ddl_pass_on(statement, query, read_only_tree, context, params, environment, receiver,
					completion);
		return;
	}
	ddl_hold(database);
	PG_TRY();
	{
		ddl_clear(database);
		ddl_pass_on(statement, query, read_only_tree, context, params, environment, receiver,
					completion);
	}
	PG_FINALLY();
	{
		ddl_release();
	}
	PG_END_TRY();
}

static void
ddl_pass_on(PlannedStmt *statement, const char *query, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
			DestReceiver *receiver, QueryCompletion *completion)
{
	if (previous_utility_hook)
		previous_utility_hook(statement, query, read_only_tree, context, params, environment,
							  receiver, completion);
	else
		standard_ProcessUtility(statement, query, read_only_tree, context, params, environment,
								receiver, completion);
}

/*
 * ALTER EXTENSION cxsig UPDATE: PostgreSQL locks nothing but what the script names, in the script's
 * order, and a dispatcher in the middle of a task would deadlock with it.
 */
static void
ddl_lock_extension(Node *statement)
{
	Oid extension;

	if (!IsA(statement, AlterExtensionStmt) ||
		strcmp(((AlterExtensionStmt *) statement)->extname, "cxsig") != 0)
		return;
	extension = get_extension_oid("cxsig", true);
	if (OidIsValid(extension) && cxsig_owns_extension(extension))
		LockDatabaseObject(ExtensionRelationId, extension, 0, AccessExclusiveLock);
}

/*
 * The database that the statement needs for itself, or InvalidOid. One that the user does not own
 * is left alone: the statement will be refused, and nobody's work shall stop for that. Copying a
 * database asks less, but a template in use is refused all the same.
 */
static Oid
ddl_database(Node *statement)
{
	const char *name = NULL;
	Oid database;

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			name = ((DropdbStmt *) statement)->dbname;
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				name = ((RenameStmt *) statement)->subname;
			break;
		case T_AlterDatabaseStmt:
			if (option_string(((AlterDatabaseStmt *) statement)->options, "tablespace"))
				name = ((AlterDatabaseStmt *) statement)->dbname;
			break;
		case T_CreatedbStmt:
			name = option_string(((CreatedbStmt *) statement)->options, "template");
			break;
		default:
			break;
	}
	if (name == NULL)
		return InvalidOid;
	database = get_database_oid(name, true);
	if (!OidIsValid(database) || !cxsig_owns_database(database))
		return InvalidOid;
	return database;
}

static const char *
option_string(List *options, const char *name)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

static void
ddl_hold(Oid database)
{
	static bool registered = false;
	bool room = false;
	int i;

	if (!registered)
	{
		before_shmem_exit(ddl_release_at_exit, (Datum) 0);
		registered = true;
	}
	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	for (i = 0; i < CXSIG_MAX_HOLDS && !room; i++)
	{
		if (OidIsValid(cxsig_shared->holds[i].database))
			continue;
		cxsig_shared->holds[i].database = database;
		cxsig_shared->holds[i].pid = MyProcPid;
		room = true;
	}
	LWLockRelease(cxsig_shared->lock);
	if (!room)
		ereport(ERROR, (errcode(ERRCODE_TOO_MANY_CONNECTIONS),
						errmsg("too many sessions drop, rename or copy databases at once"),
						errhint("Try again when one of them has ended.")));
}

static void
ddl_release(void)
{
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	for (i = 0; i < CXSIG_MAX_HOLDS; i++)
		if (cxsig_shared->holds[i].pid == MyProcPid)
			memset(&cxsig_shared->holds[i], 0, sizeof(CxsigHold));
	LWLockRelease(cxsig_shared->lock);
	cxsig_shared_wake_launcher();
}

static void
ddl_release_at_exit(int code, Datum arg)
{
	ddl_release();
}

/*
 * End the database's dispatchers and wait until they have gone, within a limit: past it the command
 * itself says that the database is in use.
 */
static void
ddl_clear(Oid database)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), CLEAR_LIMIT_MS);

	while (ddl_terminate(database) > 0 && GetCurrentTimestamp() < end)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, CLEAR_LOOK_MS,
						 clear_wait_event());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Send SIGTERM to the database's dispatchers; how many are starting or running. */
static int
ddl_terminate(Oid database)
{
	int n = 0;
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_SHARED);
	for (i = 0; i < cxsig_shared->n_slots; i++)
	{
		CxsigSlot *slot = &cxsig_shared->slots[i];

		if (slot->database != database ||
			(slot->state != CXSIG_SLOT_STARTING && slot->state != CXSIG_SLOT_RUNNING))
			continue;
		if (slot->pid != 0)
			(void) kill(slot->pid, SIGTERM);
		n++;
	}
	LWLockRelease(cxsig_shared->lock);
	return n;
}
