/*
 * housekeeping.c
 *	  Partitions made ahead and dropped, figures shown in shared memory, lag watched.
 *
 * Runs in dispatchers. cxsig.maintain() runs in the first dispatcher of a database only; it takes
 * its locks under a short timeout and tries again later.
 */
#include "postgres.h"

#include "base/settings.h"
#include "dispatch/guarded.h"
#include "dispatch/housekeeping.h"
#include "dispatch/lag.h"
#include "dispatch/registry.h"
#include "dispatch/sender.h"
#include "dispatch/share.h"
#include "dispatch/slot.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAINTAIN_MS 30000
#define FIGURES_MS 1000

/* When the next is due. */
static TimestampTz next_maintain = 0;
static TimestampTz next_figures = 0;

static bool is_first(void);
static void maintain(void *arg);
static void show_figures(TimestampTz now);

void
cxsig_housekeeping(TimestampTz now, TimestampTz *wait_until, bool *gone)
{
	pg_atomic_fetch_add_u64(&cxsig_slot->figures.turns, 1);
	if (is_first())
	{
		if (now >= next_maintain && !*gone)
		{
			*gone = cxsig_guarded_run("cxsig: maintaining partitions", maintain, NULL) ==
					CXSIG_GONE_EXTENSION;
			next_maintain = TimestampTzPlusMilliseconds(now, MAINTAIN_MS);
		}
		*wait_until = Min(*wait_until, next_maintain);
	}
	if (now >= next_figures)
	{
		show_figures(now);
		next_figures = TimestampTzPlusMilliseconds(now, FIGURES_MS);
	}
	/* The watchdog takes a dispatcher that shows nothing for long for one that hangs. */
	*wait_until = Min(*wait_until, TimestampTzPlusMilliseconds(now, cxsig_watchdog_timeout * 250));
	if (!*gone)
		cxsig_lag_look(now, wait_until, gone);
}

/* The first of the dispatchers that share this database's destinations. */
static bool
is_first(void)
{
	CxsigShare share;

	cxsig_share_read(&share);
	return share.n > 0 && share.ordinals[0] == cxsig_slot->ordinal;
}

void
cxsig_housekeeping_hurry(void)
{
	next_maintain = 0;
}

void
cxsig_housekeeping_answer(void)
{
	ConditionVariableBroadcast(&cxsig_shared->sync_changed);
}

static void
maintain(void *arg)
{
	int code = SPI_execute("select cxsig.maintain()", false, 0);

	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not maintain partitions: %s", SPI_result_code_string(code));
}

static void
show_figures(TimestampTz now)
{
	CxsigSlotFigures *figures = &cxsig_slot->figures;
	dlist_iter iter;
	int destinations = 0;
	int lanes = 0;
	int held = 0;

	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		destinations++;
		lanes += cxsig_lanes_count(destination->lanes);
		held += destination->held;
	}
	pg_atomic_write_u32(&figures->destinations, destinations);
	pg_atomic_write_u32(&figures->lanes, lanes);
	pg_atomic_write_u32(&figures->held, held);
	pg_atomic_write_u32(&figures->in_flight, cxsig_sender_in_flight());
	pg_atomic_write_u64(&figures->last_turn, (uint64) GetCurrentTimestamp());
	pg_atomic_write_u64(&figures->memory, MemoryContextMemAllocated(TopMemoryContext, true));
}
