/*
 * lag.c
 *	  Watches how long live events wait. Runs in dispatchers; looks at their memory only, every few
 *	  seconds, but for the SLA target of a destination that may be behind, which is read from its
 *	  row.
 *
 * A destination is behind when its oldest live event has waited cxsig.behind_after longer than the
 * SLA target, and has caught up when none has waited longer than the target. The oldest is in
 * memory: what has not been read yet is newer. Events that wait in cxsig.retry are not in memory:
 * of the head of each such lane a note is kept here.
 *
 * A lane makes no progress when its head was first tried cxsig.stall_after ago, or has been in
 * flight for that long. While the breaker is open it is the destination that fails, and says so.
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "dispatch/guarded.h"
#include "dispatch/lag.h"
#include "dispatch/registry.h"
#include "dispatch/slot.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define LOOK_MS 5000

/* Below this, age says nothing: events are on their way. */
#define FRESH_MS 1000

#define SQL_TARGET                                \
	"select sla_target_ms from cxsig.destination" \
	" where destination_id operator(pg_catalog.=) $1"

/* The live event at the head of a lane that was tried, and waits. */
typedef struct LagHead
{
	uint64 lane;
	char status;
	int64 position;
	TimestampTz recorded_at;
	TimestampTz since; /* tried first, as far as this process knows */
	uint32 look;	   /* the last one that found it */
} LagHead;

#define SH_PREFIX headhash
#define SH_ELEMENT_TYPE LagHead
#define SH_KEY_TYPE uint64
#define SH_KEY lane
#define SH_HASH_KEY(table, key) murmurhash32((uint32) ((key) ^ ((key) >> 32)))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What is known of a destination; kept when it is unloaded, so that nothing is said twice. */
typedef struct LagState
{
	int id;
	headhash_hash *heads;
	bool said_behind;
	bool said_stalled;
	int target_ms;
	TimestampTz failed_at; /* the last look that found the breaker open */
} LagState;

/* What a look finds at a destination. */
typedef struct LagFound
{
	TimestampTz now;
	LagState *state;
	TimestampTz oldest; /* recorded_at, time of day; DT_NOEND: no live event waits */
	int stalled;
	uint64 stalled_lane;
	TimestampTz stalled_since; /* of the lane that has stood longest */
} LagFound;

/* All states, and what the look under way is after. */
static List *states = NIL;
static LagFound found;
static uint32 look_number = 0;
static TimestampTz next_look = 0;

static LagState *state_get(int id);
static bool look_at(CxsigDestination *destination, TimestampTz now, bool *gone);
static void look_at_lane(CxsigLane *lane, void *arg);
static void look_at_memory(CxsigLane *lane, const CxsigItem *head);
static void count_stalled(const CxsigLane *lane, TimestampTz since);
static void forget_gone_heads(LagState *state);
static bool is_behind(CxsigDestination *destination, bool *gone);
static long oldest_age_ms(void);
static bool read_target(LagState *state, bool *gone);
static void target_task(void *arg);
static void say_behind(const CxsigDestination *destination, bool behind);
static void say_stalled(const CxsigDestination *destination);
static int look_interval_ms(void);

static LagState *
state_get(int id)
{
	MemoryContext old;
	LagState *state;
	ListCell *cell;

	foreach (cell, states)
		if (((LagState *) lfirst(cell))->id == id)
			return lfirst(cell);
	old = MemoryContextSwitchTo(TopMemoryContext);
	state = palloc0(sizeof(LagState));
	state->id = id;
	state->heads = headhash_create(TopMemoryContext, 16, NULL);
	states = lappend(states, state);
	MemoryContextSwitchTo(old);
	return state;
}

void
cxsig_lag_waits(int destination_id, uint64 lane, int64 position, const CxsigEvent *event,
				bool backfill)
{
	LagState *state = state_get(destination_id);
	LagHead *head;
	bool known;

	if (backfill)
	{
		(void) headhash_delete(state->heads, lane);
		return;
	}
	head = headhash_insert(state->heads, lane, &known);
	if (!known || head->position != position)
		head->since = cxsig_clock_now();
	head->position = position;
	head->recorded_at = event->recorded_at;
	head->look = look_number;
}

void
cxsig_lag_look(TimestampTz now, TimestampTz *wait_until, bool *gone)
{
	CxsigSlotFigures *figures = &cxsig_slot->figures;
	uint32 failing = 0;
	uint32 behind = 0;
	uint32 stalled = 0;
	bool busy = false;
	dlist_iter iter;

	if (now >= next_look)
	{
		next_look = TimestampTzPlusMilliseconds(now, look_interval_ms());
		look_number++;
		dlist_foreach (iter, &cxsig_destinations)
		{
			CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

			if (destination->draining)
				continue;
			behind += look_at(destination, now, gone);
			failing += destination->breaker.state != CXSIG_BREAKER_CLOSED;
			stalled += found.stalled;
		}
		pg_atomic_write_u32(&figures->failing, failing);
		pg_atomic_write_u32(&figures->behind, behind);
		pg_atomic_write_u32(&figures->stalled_lanes, stalled);
	}
	dlist_foreach (iter, &cxsig_destinations)
		busy |= cxsig_lanes_count(dlist_container(CxsigDestination, node, iter.cur)->lanes) > 0;
	if (busy || pg_atomic_read_u32(&figures->behind) > 0 ||
		pg_atomic_read_u32(&figures->stalled_lanes) > 0)
		*wait_until = Min(*wait_until, next_look);
}

/* Look at a destination, and say what has changed; is it behind? */
static bool
look_at(CxsigDestination *destination, TimestampTz now, bool *gone)
{
	LagState *state = state_get(destination->id);
	bool behind;

	memset(&found, 0, sizeof(found));
	found.now = now;
	found.state = state;
	found.oldest = DT_NOEND;
	cxsig_lanes_each(destination->lanes, look_at_lane, NULL);
	forget_gone_heads(state);
	behind = is_behind(destination, gone);
	if (destination->breaker.state != CXSIG_BREAKER_CLOSED)
	{
		state->failed_at = now;
		found.stalled = 0;
		return behind;
	}
	if (behind != state->said_behind)
		say_behind(destination, behind);
	if ((found.stalled > 0) != state->said_stalled)
		say_stalled(destination);
	return behind;
}

static void
look_at_lane(CxsigLane *lane, void *arg)
{
	CxsigItem *first = cxsig_lane_head(lane);
	LagHead *head = NULL;

	if (found.state->heads->members > 0)
		head = headhash_lookup(found.state->heads, lane->key);
	if (first != NULL)
		look_at_memory(lane, first);
	if (head == NULL)
		return;
	if (first != NULL && first->position != head->position)
	{
		(void) headhash_delete(found.state->heads, lane->key);
		return;
	}
	head->look = look_number;
	found.oldest = Min(found.oldest, head->recorded_at);
	count_stalled(lane, head->since);
}

/* A lane whose events are in memory: its first live one, and how long its head is in flight. */
static void
look_at_memory(CxsigLane *lane, const CxsigItem *head)
{
	dlist_iter iter;

	dlist_foreach (iter, &lane->queue)
	{
		const CxsigItem *item = dlist_container(CxsigItem, node, iter.cur);

		if (item->backfill || item->repair)
			continue;
		found.oldest = Min(found.oldest, item->ref->event->recorded_at);
		break;
	}
	/* One that was tried before is known by its note, and counted there. */
	if (lane->state == CXSIG_LANE_SENDING && head->attempt == 1 && !head->backfill)
		count_stalled(lane, cxsig_clock_from_wall(head->sent_at));
}

static void
count_stalled(const CxsigLane *lane, TimestampTz since)
{
	/* In an outage nobody tried. */
	since = Max(since, found.state->failed_at);
	if (!TimestampDifferenceExceeds(since, found.now, cxsig_stall_after * 1000))
		return;
	if (found.stalled++ == 0 || since < found.stalled_since)
	{
		found.stalled_lane = lane->key;
		found.stalled_since = since;
	}
}

/* Notes of lanes that are no more. */
static void
forget_gone_heads(LagState *state)
{
	headhash_iterator iterator;
	LagHead *head;

	headhash_start_iterate(state->heads, &iterator);
	while ((head = headhash_iterate(state->heads, &iterator)) != NULL)
		if (head->look != look_number)
			(void) headhash_delete(state->heads, head->lane);
}

static bool
is_behind(CxsigDestination *destination, bool *gone)
{
	LagState *state = found.state;
	int64 age = oldest_age_ms();

	if (state->said_behind)
		return age > Max(state->target_ms, FRESH_MS);
	if (age <= cxsig_behind_after * INT64CONST(1000) || !read_target(state, gone))
		return false;
	return age > state->target_ms + cxsig_behind_after * INT64CONST(1000);
}

static long
oldest_age_ms(void)
{
	if (found.oldest == DT_NOEND)
		return 0;
	return TimestampDifferenceMilliseconds(found.oldest, GetCurrentTimestamp());
}

static bool
read_target(LagState *state, bool *gone)
{
	CxsigGuarded result = cxsig_guarded_run("cxsig: reading SLA targets", target_task, state);

	*gone |= result == CXSIG_GONE_EXTENSION;
	return result == CXSIG_DONE;
}

static void
target_task(void *arg)
{
	LagState *state = arg;
	Oid types[] = {INT4OID};
	Datum id = Int32GetDatum(state->id);
	bool isnull;

	if (SPI_execute_with_args(SQL_TARGET, 1, types, &id, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read an SLA target");
	if (SPI_processed == 1)
		state->target_ms =
			DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static void
say_behind(const CxsigDestination *destination, bool behind)
{
	found.state->said_behind = behind;
	if (behind)
		ereport(LOG,
				(errmsg("cxsig destination \"%s\" is behind: its oldest event has waited %ld s",
						destination->name, oldest_age_ms() / 1000),
				 errdetail("Its SLA target is %d ms.", found.state->target_ms),
				 errhint("See cxsig.destination_status and cxsig.consumer_lag.")));
	else
		ereport(LOG, (errmsg("cxsig destination \"%s\" has caught up", destination->name)));
}

static void
say_stalled(const CxsigDestination *destination)
{
	found.state->said_stalled = found.stalled > 0;
	if (found.stalled > 0)
		ereport(LOG,
				(errmsg("cxsig destination \"%s\": no progress in %d lane%s", destination->name,
						found.stalled, found.stalled == 1 ? "" : "s"),
				 errdetail("Lane " INT64_FORMAT " has stood for %ld s.", (int64) found.stalled_lane,
						   TimestampDifferenceMilliseconds(found.stalled_since, found.now) / 1000),
				 errhint("See cxsig.blocked_lanes.")));
	else
		ereport(LOG, (errmsg("cxsig destination \"%s\": all lanes make progress again",
							 destination->name)));
}

/* Often enough for the settings, and no more. */
static int
look_interval_ms(void)
{
	return Min(LOOK_MS, Min(cxsig_behind_after, cxsig_stall_after) * 500);
}
