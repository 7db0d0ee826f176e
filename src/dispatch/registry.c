/*
 * registry.c
 *	  Which destinations this dispatcher has, and bringing them in and out.
 *
 * Runs in dispatchers. A destination belongs to one dispatcher at a time: the one that holds its
 * session-level advisory lock (REGISTRY_LOCK_CLASS, destination_id), which no transaction ends and
 * a dead process cannot keep.
 * Locks: AccessShareLock on destination and secret while reading them, RowExclusiveLock on
 * destination when one stops; the advisory locks.
 */
#include "postgres.h"

#include "base/settings.h"
#include "catalog/pg_type.h"
#include "dispatch/alert.h"
#include "dispatch/checkpoint.h"
#include "dispatch/config.h"
#include "dispatch/feed.h"
#include "dispatch/guarded.h"
#include "dispatch/registry.h"
#include "dispatch/slot.h"
#include "dispatch/token.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define REGISTRY_LOCK_CLASS 1668838247 /* "cxsg" */

/* Why a destination of a restored or copied database is paused: a copy must not write to a CRM. */
#define NOT_AT_HOME "this database was restored or copied from elsewhere"

#define SQL_LOCK "select pg_catalog.pg_try_advisory_lock($1, $2)"
#define SQL_UNLOCK "select pg_catalog.pg_advisory_unlock($1, $2)"
#define SQL_STOP                                                  \
	"update cxsig.destination set state = $2, state_reason = $3," \
	" state_changed_at = pg_catalog.clock_timestamp()"            \
	" where destination_id operator(pg_catalog.=) $1 and state operator(pg_catalog.=) 'active'"

/* The loaded destinations. */
dlist_head cxsig_destinations = DLIST_STATIC_INIT(cxsig_destinations);

static int n_loaded = 0;

/* Whether one that should be loaded could not be yet: still draining, or another's. */
static bool waiting = false;

/* What a load needs and says. */
typedef struct RegistryLoad
{
	CxsigDestination *destination;
	bool locked;
} RegistryLoad;

static CxsigDestination *registry_find(int id);
static void registry_bring_in(const CxsigConfig *config, bool *brought_in, bool *gone);
static void registry_load(void *arg);
static bool registry_take_out(CxsigDestination *destination, bool *gone);
static void registry_unload(void *arg);
static void registry_stop(int id, const char *state, const char *reason, bool *gone);
static void registry_stop_write(void *arg);
static bool registry_lock(const char *sql, int id);

static CxsigDestination *
registry_find(int id)
{
	dlist_iter iter;

	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		if (destination->id == id)
			return destination;
	}
	return NULL;
}

bool
cxsig_registry_reload(bool *brought_in, bool *gone)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "cxsig destinations", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	List *configs = NIL;
	bool done = cxsig_config_read_all(&configs, gone);
	dlist_iter iter;
	ListCell *cell;

	*brought_in = false;
	if (done)
	{
		waiting = false;
		dlist_foreach (iter, &cxsig_destinations)
		{
			CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);
			const CxsigConfig *config = cxsig_config_find(configs, destination->id);

			if (!destination->draining &&
				(config == NULL || config->fingerprint != destination->fingerprint))
				cxsig_destination_drain(destination);
			cxsig_lanes_release_held(destination->lanes);
		}
		foreach (cell, configs)
		{
			const CxsigConfig *config = lfirst(cell);

			if (registry_find(config->id) == NULL)
				registry_bring_in(config, brought_in, gone);
			else if (registry_find(config->id)->draining)
				waiting = true;
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return done;
}

bool
cxsig_registry_waits(void)
{
	return waiting;
}

/* Load a destination; one whose settings do not work is stopped, with the reason. */
static void
registry_bring_in(const CxsigConfig *config, bool *brought_in, bool *gone)
{
	RegistryLoad load = {NULL, false};
	char *reason = NULL;

	if (!config->at_home)
	{
		ereport(LOG, (errmsg("cxsig destination \"%s\" is paused: %s", config->name, NOT_AT_HOME),
					  errhint("Check where it sends to, then SELECT cxsig.resume_all();")));
		registry_stop(config->id, "paused", NOT_AT_HOME, gone);
		return;
	}
	load.destination = cxsig_config_prepare(config, &reason);
	if (load.destination == NULL)
	{
		registry_stop(config->id, "stopped", reason, gone);
		return;
	}
	if (cxsig_guarded_run("cxsig: loading a destination", registry_load, &load) == CXSIG_DONE &&
		load.locked)
	{
		*brought_in = true;
		cxsig_token_attach(load.destination);
		dlist_push_tail(&cxsig_destinations, &load.destination->node);
		n_loaded++;
		ereport(DEBUG1, (errmsg("cxsig destination \"%s\" loaded", load.destination->name)));
		return;
	}
	waiting = true;
	/* The lock is the session's: the end of a transaction that failed does not give it up. */
	if (load.locked)
		(void) cxsig_guarded_run("cxsig: unloading a destination", registry_unload,
								 load.destination);
	cxsig_destination_free(load.destination);
}

/* A guarded task: own it, and find where it is. */
static void
registry_load(void *arg)
{
	RegistryLoad *load = arg;

	load->locked = registry_lock(SQL_LOCK, load->destination->id);
	if (!load->locked)
		return;
	/* The task's snapshot is older than the lock: it may lack what the last owner wrote last. */
	PushActiveSnapshot(GetTransactionSnapshot());
	cxsig_checkpoint_restore(load->destination);
	cxsig_alerts_load(load->destination);
	PopActiveSnapshot();
}

int
cxsig_registry_count(void)
{
	return n_loaded;
}

bool
cxsig_registry_has_drained(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		if (destination->draining && destination->in_flight == 0)
			return true;
	}
	return false;
}

bool
cxsig_registry_dirty(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &cxsig_destinations)
		if (cxsig_checkpoint_wanted(dlist_container(CxsigDestination, node, iter.cur)))
			return true;
	return false;
}

bool
cxsig_registry_unload(bool *gone)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		if (destination->draining && destination->in_flight == 0 &&
			!registry_take_out(destination, gone))
			return false;
	}
	return true;
}

static bool
registry_take_out(CxsigDestination *destination, bool *gone)
{
	int id = destination->id;
	bool unauthorised = destination->unauthorised;
	bool disabled = destination->gone;
	char *reason = pstrdup(destination->stop_reason);
	CxsigGuarded result =
		cxsig_guarded_run("cxsig: unloading a destination", registry_unload, destination);

	*gone = result == CXSIG_GONE_EXTENSION;
	if (result != CXSIG_DONE)
		return false;
	ereport(DEBUG1, (errmsg("cxsig destination \"%s\" unloaded", destination->name)));
	if (unauthorised || disabled)
		ereport(LOG, (errmsg("cxsig destination \"%s\" is %s", destination->name,
							 disabled ? "disabled" : "stopped"),
					  errdetail("The remote answered %s", reason),
					  errhint("Its events wait. Once mended: SELECT cxsig.resume_destination(%s);",
							  quote_literal_cstr(destination->name))));
	dlist_delete(&destination->node);
	n_loaded--;
	cxsig_destination_free(destination);
	if (unauthorised || disabled)
		registry_stop(id, disabled ? "disabled" : "stopped", reason, gone);
	return true;
}

/* A guarded task: its place is in the last checkpoint; give up the lock. */
static void
registry_unload(void *arg)
{
	CxsigDestination *destination = arg;

	(void) registry_lock(SQL_UNLOCK, destination->id);
}

/* What stops a destination, for the guarded task. */
typedef struct RegistryStop
{
	int id;
	const char *state;
	const char *reason;
} RegistryStop;

static void
registry_stop(int id, const char *state, const char *reason, bool *gone)
{
	RegistryStop stop = {id, state, reason};

	*gone = cxsig_guarded_run("cxsig: stopping a destination", registry_stop_write, &stop) ==
			CXSIG_GONE_EXTENSION;
}

static void
registry_stop_write(void *arg)
{
	RegistryStop *stop = arg;
	Oid types[] = {INT4OID, TEXTOID, TEXTOID};
	Datum values[] = {Int32GetDatum(stop->id), CStringGetTextDatum(stop->state),
					  CStringGetTextDatum(stop->reason)};

	if (SPI_execute_with_args(SQL_STOP, lengthof(types), types, values, NULL, false, 0) !=
		SPI_OK_UPDATE)
		elog(ERROR, "could not stop a destination");
}

static bool
registry_lock(const char *sql, int id)
{
	Oid types[] = {INT4OID, INT4OID};
	Datum values[] = {Int32GetDatum(REGISTRY_LOCK_CLASS), Int32GetDatum(id)};
	bool isnull;

	if (SPI_execute_with_args(sql, lengthof(types), types, values, NULL, true, 0) !=
			SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not lock a destination");
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

List *
cxsig_registry_checkpoints(void)
{
	List *wanted = NIL;
	dlist_iter iter;

	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		if (cxsig_checkpoint_wanted(destination))
			wanted = lappend(wanted, destination);
	}
	return wanted;
}

bool
cxsig_registry_nothing_to_send(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		if (destination->in_flight > 0 || cxsig_lanes_ready(destination->lanes) > 0 ||
			!dlist_is_empty(&destination->halves))
			return false;
	}
	return true;
}

bool
cxsig_registry_is_idle(void)
{
	dlist_iter iter;

	if (waiting)
		return false;
	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		if (destination->draining || destination->held > 0 ||
			!cxsig_feed_at_end(&destination->cursors[CXSIG_LIVE]) ||
			!cxsig_feed_at_end(&destination->cursors[CXSIG_BACKFILL]) ||
			cxsig_lanes_count(destination->lanes) > 0)
			return false;
	}
	return true;
}
