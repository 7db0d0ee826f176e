/*
 * wake.c
 *	  Wakes the dispatchers of a database after commit, through shared memory.
 *
 * Runs in every backend that writes. One transaction callback is registered per backend, at its
 * first use, and looks at flags. A PREPARE clears them: COMMIT PREPARED may come from another
 * session, so the dispatcher's safety poll covers it. Takes no lock on the way of an ingest.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/shared.h"
#include "base/version.h"
#include "base/wake.h"
#include "fmgr.h"
#include "miscadmin.h"

/* What the current transaction asked for. */
static bool wake_pending = false;
static bool reload_pending = false;
static bool announce_pending = false;

static void wake_register(void);
static void wake_at_end(XactEvent event, void *arg);
static void wake_dispatchers(void);

PG_FUNCTION_INFO_V1(cxsig_notify_workers);
PG_FUNCTION_INFO_V1(cxsig_announce);

void
cxsig_wake_on_commit(void)
{
	if (cxsig_shared == NULL)
		return;
	wake_register();
	wake_pending = true;
}

void
cxsig_reload_on_commit(void)
{
	if (cxsig_shared == NULL)
		return;
	wake_register();
	reload_pending = true;
}

void
cxsig_announce_on_commit(void)
{
	if (cxsig_shared == NULL)
		return;
	wake_register();
	announce_pending = true;
}

static void
wake_register(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(wake_at_end, NULL);
	registered = true;
}

static void
wake_at_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (reload_pending && !cxsig_shared_reload(MyDatabaseId))
				announce_pending = true;
			if (wake_pending && !reload_pending)
				wake_dispatchers();
			if (announce_pending)
				cxsig_shared_announce(MyDatabaseId);
			/* fall through */
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			wake_pending = false;
			reload_pending = false;
			announce_pending = false;
			break;
		default:
			break;
	}
}

/*
 * Only the first to raise the flag sets the latch: a dispatcher that is awake has not lowered it
 * yet, and reads the outbox after it does.
 */
static void
wake_dispatchers(void)
{
	int i;

	/* The reader must see what was committed: the flag goes up after that. */
	pg_memory_barrier();
	for (i = 0; i < cxsig_shared->n_slots; i++)
	{
		CxsigSlot *slot = &cxsig_shared->slots[i];

		if (slot->database != MyDatabaseId || slot->state != CXSIG_SLOT_RUNNING)
			continue;
		if (pg_atomic_exchange_u32(&slot->wake, 1) == 0)
			cxsig_shared_set_latch(slot->proc_number);
	}
}

/* cxsig._notify_workers(): what SQL functions call after they changed a destination. */
Datum
cxsig_notify_workers(PG_FUNCTION_ARGS)
{
	cxsig_reload_on_commit();
	if (cxsig_shared != NULL)
		cxsig_version_check(WARNING);
	PG_RETURN_VOID();
}

/* cxsig._announce(): the last statement of the install script. */
Datum
cxsig_announce(PG_FUNCTION_ARGS)
{
	cxsig_announce_on_commit();
	PG_RETURN_VOID();
}
