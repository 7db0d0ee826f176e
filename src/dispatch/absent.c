/*
 * absent.c
 *	  Which databases lack the extension. Runs in the launcher; touches nothing but its own memory.
 */
#include "postgres.h"

#include "dispatch/absent.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A look costs a process, so it is not repeated sooner unless somebody announces the extension. */
#define ABSENT_AGAIN_MS (60 * 60 * 1000)

typedef struct AbsentDatabase
{
	Oid oid;
	TimestampTz seen_at;
} AbsentDatabase;

/* Lives as long as the process. */
static List *absent = NIL;

void
cxsig_absent_add(Oid database)
{
	MemoryContext old;
	AbsentDatabase *entry;

	if (cxsig_absent_contains(database))
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	entry = palloc(sizeof(AbsentDatabase));
	entry->oid = database;
	entry->seen_at = GetCurrentTimestamp();
	absent = lappend(absent, entry);
	MemoryContextSwitchTo(old);
}

void
cxsig_absent_forget(Oid database)
{
	ListCell *cell;

	foreach (cell, absent)
	{
		AbsentDatabase *entry = lfirst(cell);

		if (entry->oid != database)
			continue;
		absent = foreach_delete_current(absent, cell);
		pfree(entry);
	}
}

bool
cxsig_absent_contains(Oid database)
{
	ListCell *cell;

	foreach (cell, absent)
	{
		AbsentDatabase *entry = lfirst(cell);

		if (entry->oid != database)
			continue;
		if (!TimestampDifferenceExceeds(entry->seen_at, GetCurrentTimestamp(), ABSENT_AGAIN_MS))
			return true;
		cxsig_absent_forget(database);
		return false;
	}
	return false;
}
