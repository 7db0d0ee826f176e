/*
 * dispatcher.c
 *	  The dispatcher process: one event loop that reads the outbox, sends, and writes what came of it.
 *
 * Started by the launcher in a database, runs as cxsig_worker. A turn of the loop is: settings,
 * destinations, reading, sending, writing, housekeeping; then it waits on its latch (a commit, a
 * signal), on the one descriptor that holds all of curl's sockets, and for the earliest time that
 * any step asked for. No transaction is open while it waits or sends.
 *
 * SIGTERM ends it in order: nothing new is sent, answers are awaited for a moment, receipts and
 * checkpoints are written.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "dispatch/breaker.h"
#include "dispatch/catch_up.h"
#include "dispatch/checkpoint.h"
#include "dispatch/dispatcher.h"
#include "dispatch/feed.h"
#include "dispatch/guarded.h"
#include "dispatch/housekeeping.h"
#include "dispatch/receipt.h"
#include "dispatch/registry.h"
#include "dispatch/retry.h"
#include "dispatch/sender.h"
#include "dispatch/share.h"
#include "dispatch/slot.h"
#include "dispatch/token.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define RECEIPTS_AT_ONCE 2000
#define RELOAD_MS 5000
#define RELOAD_WAITING_MS 200
#define AFTER_FAILURE_MS 500
#define SHUTDOWN_GRACE_MS 500
#define SHUTDOWN_WRITE_MS 500

/* What a turn is after, and when (see clock.h); see the steps. */
typedef struct Turn
{
	TimestampTz now;
	TimestampTz wait_until; /* lowered by each step */
	bool gone;				/* the extension has gone */
} Turn;

/* Across turns: what is wanted, and when the next is due. */
static bool poll_wanted = true;
static bool reload_wanted = true;
static TimestampTz next_poll = 0;
static TimestampTz next_reload = 0;
static TimestampTz next_checkpoint = 0;
static TimestampTz not_before = 0; /* after a failure of the database */
static uint64 sync_seen = 0;	   /* barrier being worked on: see housekeeping.h */
static bool sync_read = false;	   /* destinations and outbox were read since */

static void dispatcher_attach(Datum arg);
static void dispatcher_configure(void);
static void dispatcher_loop(WaitEventSet *set);
static void turn_settings(Turn *turn);
static void turn_destinations(Turn *turn);
static void turn_read(Turn *turn);
static void turn_retries(Turn *turn);
static void turn_send(Turn *turn);
static void turn_write(Turn *turn);
static void turn_unload(Turn *turn);
static void turn_sync(Turn *turn);
static void turn_failed(Turn *turn);
static void turn_look_again(Turn *turn);
static void turn_wait(Turn *turn, WaitEventSet *set);
static void dispatcher_shutdown(void);
static bool flush_all(bool *gone);

CXSIG_DEFINE_WAIT_EVENT(dispatcher_wait_event, "CxsigDispatcherMain")

void
cxsig_dispatcher_main(Datum arg)
{
	WaitEventSet *set;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	dispatcher_attach(arg);
	dispatcher_configure();
	if (!cxsig_guarded_init())
	{
		cxsig_slot_say_absent();
		proc_exit(0);
	}
	cxsig_sender_init();
	cxsig_share_join();

	set = cxsig_create_wait_set(3);
	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(set, WL_SOCKET_READABLE, cxsig_sender_fd(), NULL, NULL);
	ereport(LOG, (errmsg("cxsig dispatcher started")));
	dispatcher_loop(set);
	dispatcher_shutdown();
	proc_exit(0);
}

/* Take the slot, and connect as the worker's role. */
static void
dispatcher_attach(Datum arg)
{
	CxsigDispatcherStart start;
	int index = DatumGetInt32(arg);

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	if (!cxsig_slot_attach(index, start.generation))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(cxsig_slot->database, start.role, 0);
}

/*
 * The session's settings. Statements here are few, known, and meant to walk indexes of large tables:
 * the plan must not depend on what statistics say of a queue that is empty one moment and long the
 * next. Bookkeeping waits for no standby.
 */
static void
dispatcher_configure(void)
{
	static const char *const settings[][2] = {
		{"application_name", "cxsig dispatcher"},
		{"search_path", "pg_catalog, pg_temp"},
		{"synchronous_commit", "local"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"lock_timeout", "500ms"},
		{"statement_timeout", "0"},
		{"jit", "off"},
		{"plan_cache_mode", "force_generic_plan"},
		{"enable_seqscan", "off"},
		{"enable_sort", "off"},
		{"enable_bitmapscan", "off"},
		{"enable_hashjoin", "off"},
		{"enable_mergejoin", "off"},
		{"enable_material", "off"},
		{"enable_memoize", "off"},
	};
	size_t i;

	for (i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_OVERRIDE);
}

static void
dispatcher_loop(WaitEventSet *set)
{
	MemoryContext scratch =
		AllocSetContextCreate(TopMemoryContext, "cxsig turn", ALLOCSET_DEFAULT_SIZES);

	while (!ShutdownRequestPending)
	{
		Turn turn = {cxsig_clock_now(), DT_NOEND, false};

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(scratch);
		turn_settings(&turn);
		turn_destinations(&turn);
		turn_read(&turn);
		turn_retries(&turn);
		turn_send(&turn);
		turn_write(&turn);
		turn_unload(&turn);
		turn_sync(&turn);
		cxsig_housekeeping(turn.now, &turn.wait_until, &turn.gone);
		MemoryContextReset(scratch);
		if (turn.gone)
		{
			ereport(LOG, (errmsg("cxsig dispatcher ends: the extension was dropped")));
			proc_exit(0);
		}
		turn_look_again(&turn);
		turn_wait(&turn, set);
	}
}

static void
turn_settings(Turn *turn)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	cxsig_sender_forget_connections();
	reload_wanted = true;
}

/* Destinations that were made, changed, paused or dropped. */
static void
turn_destinations(Turn *turn)
{
	if (pg_atomic_exchange_u32(&cxsig_slot->reload, 0) != 0)
	{
		reload_wanted = true;
		cxsig_housekeeping_hurry();
	}
	if (turn->now >= next_reload)
		reload_wanted = true;
	if (reload_wanted && turn->now >= not_before)
	{
		bool brought_in;

		if (!cxsig_registry_reload(&brought_in, &turn->gone))
		{
			turn_failed(turn);
			return;
		}
		reload_wanted = false;
		if (brought_in)
			poll_wanted = true;
		next_reload = TimestampTzPlusMilliseconds(
			turn->now, cxsig_registry_waits() ? RELOAD_WAITING_MS : RELOAD_MS);
	}
	turn->wait_until = Min(turn->wait_until, next_reload);
}

/* The outbox: after a commit, when there was more, and now and then. */
static void
turn_read(Turn *turn)
{
	if (pg_atomic_exchange_u32(&cxsig_slot->wake, 0) != 0 || turn->now >= next_poll)
		poll_wanted = true;
	if (turn->now >= not_before &&
		(cxsig_feed_is_hungry() || (poll_wanted && cxsig_feed_has_room())))
	{
		if (!cxsig_feed_poll(&turn->gone))
		{
			turn_failed(turn);
			return;
		}
		poll_wanted = false;
		sync_read = sync_seen != 0;
		next_poll = TimestampTzPlusMilliseconds(turn->now, cxsig_poll_interval);
		if (cxsig_feed_is_hungry())
			turn->wait_until = turn->now;
	}
	turn->wait_until = Min(turn->wait_until, Max(next_poll, turn->now + 1000));
}

/*
 * Outages that are over, lanes that are due: what waits to be written is written first, since the
 * table must be true.
 */
static void
turn_retries(Turn *turn)
{
	dlist_iter iter;

	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);
		TimestampTz next;

		if (destination->draining || turn->now < not_before)
			continue;
		if (!cxsig_catch_up(destination, &turn->gone))
		{
			turn_failed(turn);
			return;
		}
		if (cxsig_breaker_allows(destination, turn->now) == 0)
			continue;
		next = cxsig_lanes_wake_due(destination->lanes, turn->now);
		turn->wait_until = Min(turn->wait_until, next);
		if (dlist_is_empty(&destination->loading) || cxsig_destination_room(destination) == 0)
			continue;
		if (!cxsig_receipt_flush(NIL, &turn->gone) || !cxsig_retry_load(destination, &turn->gone))
		{
			turn_failed(turn);
			return;
		}
		if (!dlist_is_empty(&destination->loading))
			turn->wait_until = turn->now;
	}
}

/* Tokens; answers in, requests out. */
static void
turn_send(Turn *turn)
{
	dlist_iter iter;

	if (turn->now >= not_before && !cxsig_token_turn(turn->now, &turn->gone))
		turn_failed(turn);
	do
	{
		turn->now = cxsig_clock_now();
		dlist_foreach (iter, &cxsig_destinations)
		{
			CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

			if (destination->draining || destination->catch_up || !cxsig_guarded_usable())
				continue;
			cxsig_sender_start(destination, cxsig_registry_count(), turn->now);
			turn->wait_until = Min(turn->wait_until, cxsig_breaker_next(destination, turn->now));
		}
	} while (
		cxsig_sender_drive() > 0 && cxsig_receipt_pending() < RECEIPTS_AT_ONCE &&
		!cxsig_feed_is_hungry() &&
		!(cxsig_feed_has_room() && (poll_wanted || pg_atomic_read_u32(&cxsig_slot->wake) != 0)));
}

/* Receipts, in company, and checkpoints. */
static void
turn_write(Turn *turn)
{
	TimestampTz due = TimestampTzPlusMilliseconds(turn->now, -cxsig_receipt_delay);
	List *checkpoints = NIL;
	bool flush =
		cxsig_receipt_pending() >= RECEIPTS_AT_ONCE || cxsig_receipt_oldest() <= due ||
		(sync_seen != 0 && cxsig_receipt_pending() > 0 && cxsig_registry_nothing_to_send());

	if (turn->now >= next_checkpoint)
	{
		checkpoints = cxsig_registry_checkpoints();
		next_checkpoint = TimestampTzPlusMilliseconds(turn->now, cxsig_checkpoint_interval);
	}
	if ((flush || checkpoints != NIL) && turn->now >= not_before)
	{
		if (!cxsig_receipt_flush(checkpoints, &turn->gone))
			turn_failed(turn);
	}
	if (cxsig_receipt_pending() > 0)
		turn->wait_until = Min(turn->wait_until, TimestampTzPlusMilliseconds(cxsig_receipt_oldest(),
																			 cxsig_receipt_delay));
	if (cxsig_registry_dirty())
		turn->wait_until = Min(turn->wait_until, next_checkpoint);
}

/*
 * Destinations that have drained: their receipts, then their place, then forget them. One whose
 * receiver hangs is not waited for.
 */
static void
turn_unload(Turn *turn)
{
	dlist_iter iter;

	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		if (!destination->draining || destination->in_flight == 0)
			continue;
		if (turn->now >= destination->drain_until)
			cxsig_sender_abort(destination);
		else
			turn->wait_until = Min(turn->wait_until, destination->drain_until);
	}
	if (!cxsig_registry_has_drained() || turn->now < not_before)
		return;
	if (!cxsig_receipt_flush(NIL, &turn->gone) ||
		!cxsig_receipt_flush(cxsig_registry_checkpoints(), &turn->gone) ||
		!cxsig_registry_unload(&turn->gone))
		turn_failed(turn);
	reload_wanted = true;
	turn->wait_until = turn->now;
}

/*
 * A session waits for the dispatcher to be idle: what was committed before it asked must have been
 * read and have its outcome.
 */
static void
turn_sync(Turn *turn)
{
	uint64 request = pg_atomic_read_u64(&cxsig_slot->sync_request);

	if (sync_seen != 0 && sync_read && !reload_wanted && cxsig_receipt_pending() == 0 &&
		cxsig_registry_is_idle() && cxsig_receipt_flush(cxsig_registry_checkpoints(), &turn->gone))
	{
		pg_atomic_write_u64(&cxsig_slot->sync_done, sync_seen);
		sync_seen = 0;
		cxsig_housekeeping_answer();
	}
	if (sync_seen == 0 && request > pg_atomic_read_u64(&cxsig_slot->sync_done))
	{
		sync_seen = request;
		sync_read = dlist_is_empty(&cxsig_destinations);
		reload_wanted = true;
		poll_wanted = true;
		turn->wait_until = turn->now;
	}
}

/* The database would not: leave it alone for a moment. */
static void
turn_failed(Turn *turn)
{
	not_before = TimestampTzPlusMilliseconds(turn->now, AFTER_FAILURE_MS);
	turn->wait_until = Min(turn->wait_until, not_before);
}

/*
 * A step makes work for those before it: an answer makes a lane wait or ready, a flush makes room.
 * Sleep over none of that.
 */
static void
turn_look_again(Turn *turn)
{
	dlist_iter iter;

	if (cxsig_feed_is_hungry() || (poll_wanted && cxsig_feed_has_room()))
		turn->wait_until = turn->now;
	turn->wait_until = Min(turn->wait_until, cxsig_token_due(turn->now));
	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		if (destination->draining)
			continue;
		if (destination->catch_up)
			turn->wait_until = turn->now;
		turn->wait_until = Min(turn->wait_until, cxsig_breaker_next(destination, turn->now));
		if (cxsig_breaker_allows(destination, turn->now) > 0)
		{
			turn->wait_until = Min(turn->wait_until, cxsig_lanes_next_due(destination->lanes));
			if (!dlist_is_empty(&destination->loading) && cxsig_destination_room(destination) > 0)
				turn->wait_until = turn->now;
		}
		if (cxsig_guarded_usable())
			turn->wait_until = Min(
				turn->wait_until, cxsig_sender_due(destination, cxsig_registry_count(), turn->now));
	}
}

static void
turn_wait(Turn *turn, WaitEventSet *set)
{
	WaitEvent event;
	TimestampTz now = cxsig_clock_now();
	long timeout = cxsig_poll_interval;
	long engine = cxsig_sender_timeout_ms();

	if (turn->now < not_before)
		turn->wait_until = Max(turn->wait_until, not_before);
	if (turn->wait_until <= now)
		timeout = 0;
	else if (turn->wait_until != DT_NOEND)
		timeout = Min(timeout, TimestampDifferenceMilliseconds(now, turn->wait_until));
	if (engine >= 0)
		timeout = Min(timeout, engine);
	(void) WaitEventSetWait(set, timeout, &event, 1, dispatcher_wait_event());
	ResetLatch(MyLatch);
}

/*
 * In order: nothing new goes out; answers are awaited for a moment; what is known is written, within
 * a limit: somebody may hold a table. With a task under way it ends within 2 s.
 */
static void
dispatcher_shutdown(void)
{
	TimestampTz end = TimestampTzPlusMilliseconds(cxsig_clock_now(), SHUTDOWN_GRACE_MS);
	bool gone = false;

	end = TimestampTzPlusMilliseconds(end, cxsig_token_grace_ms());
	while (cxsig_sender_in_flight() > 0 && cxsig_clock_now() < end)
	{
		(void) WaitLatchOrSocket(MyLatch, WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
								 cxsig_sender_fd(), 20, dispatcher_wait_event());
		(void) cxsig_sender_drive();
	}
	SetConfigOption("lock_timeout", "250ms", PGC_USERSET, PGC_S_OVERRIDE);
	end = TimestampTzPlusMilliseconds(cxsig_clock_now(), SHUTDOWN_WRITE_MS);
	while (!flush_all(&gone) && !gone && cxsig_clock_now() < end)
		(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50, dispatcher_wait_event());
	ereport(LOG, (errmsg("cxsig dispatcher stopped")));
}

/* Tokens that cannot be written do not keep receipts from being. */
static bool
flush_all(bool *gone)
{
	bool tokens = cxsig_token_flush(gone);

	return !*gone && cxsig_receipt_flush(NIL, gone) &&
		   cxsig_receipt_flush(cxsig_registry_checkpoints(), gone) && tokens;
}
