/*
 * databases.c
 *	  Reading pg_database, without connecting to any. Runs in the launcher.
 *	  Locks: AccessShareLock on pg_database while reading it.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/settings.h"
#include "catalog/pg_database.h"
#include "dispatch/databases.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

static bool is_wanted(const char *name);

List *
cxsig_databases_read(Oid *worker_role)
{
	MemoryContext result_context = CurrentMemoryContext;
	List *databases = NIL;
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	*worker_role = get_role_oid("cxsig_worker", true);
	if (OidIsValid(*worker_role))
	{
		relation = table_open(DatabaseRelationId, AccessShareLock);
		scan = table_beginscan_catalog(relation, 0, NULL);
		while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		{
			Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
			CxsigDatabase *database;
			MemoryContext old;

			if (form->datistemplate || !form->datallowconn || form->datconnlimit == -2 ||
				!is_wanted(NameStr(form->datname)))
				continue;
			old = MemoryContextSwitchTo(result_context);
			database = palloc(sizeof(CxsigDatabase));
			database->oid = form->oid;
			database->name = pstrdup(NameStr(form->datname));
			databases = lappend(databases, database);
			MemoryContextSwitchTo(old);
		}
		table_endscan(scan);
		table_close(relation, AccessShareLock);
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(result_context);
	pgstat_report_stat(true);
	return databases;
}

/* Is the database one of cxsig.databases, or is every one meant? */
static bool
is_wanted(const char *name)
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

bool
cxsig_databases_contain(List *databases, Oid oid)
{
	ListCell *cell;

	foreach (cell, databases)
		if (((CxsigDatabase *) lfirst(cell))->oid == oid)
			return true;
	return false;
}
