/*
 * catch_up.c
 *	  One look at the heads of the tickets that wait in memory. Runs in dispatchers.
 *	  Locks: AccessShareLock on ticket_revision while looking.
 *
 * What is read from the log while a destination is behind is compared with its ticket's head right
 * away; what had been read before an outage is compared here, once, when it is over. So the outage
 * costs a request for each ticket, not for each event.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "dispatch/catch_up.h"
#include "dispatch/guarded.h"
#include "dispatch/receipt.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#define SQL_HEADS                                                                               \
	"select h.head_event_id from pg_catalog.unnest($1) with ordinality t (ticket_id, ordinal)"  \
	" left join lateral (select r.head_event_id from cxsig.ticket_revision r"                   \
	" where r.ticket_id operator(pg_catalog.=) (t.ticket_id collate \"C\") order by r.ordinal " \
	"desc limit 1) h"                                                                           \
	" on true order by t.ordinal"

/* The items looked at, and the heads of their tickets. */
typedef struct CatchUp
{
	CxsigItem **items;
	pg_uuid_t *heads;
	bool *known; /* is there a head? */
	int n;
	int capacity;
	MemoryContext context;
} CatchUp;

static void lane_collect(CxsigLane *lane, void *arg);
static void heads_read(void *arg);
static void supersede_old(CatchUp *look);

bool
cxsig_catch_up(CxsigDestination *destination, bool *gone)
{
	CatchUp look;
	CxsigGuarded result = CXSIG_DONE;

	if (!destination->catch_up)
		return true;
	memset(&look, 0, sizeof(look));
	look.context =
		AllocSetContextCreate(CurrentMemoryContext, "cxsig catch-up", ALLOCSET_DEFAULT_SIZES);
	look.capacity = Max(destination->held, 1);
	look.items = MemoryContextAlloc(look.context, look.capacity * sizeof(CxsigItem *));
	look.heads = MemoryContextAlloc(look.context, look.capacity * sizeof(pg_uuid_t));
	look.known = MemoryContextAllocZero(look.context, look.capacity * sizeof(bool));
	cxsig_lanes_each(destination->lanes, lane_collect, &look);
	if (look.n > 0)
		result = cxsig_guarded_run("cxsig: catching up", heads_read, &look);
	*gone = result == CXSIG_GONE_EXTENSION;
	if (result == CXSIG_DONE)
	{
		supersede_old(&look);
		destination->catch_up = false;
	}
	MemoryContextDelete(look.context);
	return result == CXSIG_DONE;
}

/* Of a lane with nothing in flight, what would yield to a newer revision. */
static void
lane_collect(CxsigLane *lane, void *arg)
{
	CatchUp *look = arg;
	dlist_iter iter;

	if (lane->state != CXSIG_LANE_READY)
		return;
	dlist_foreach (iter, &lane->queue)
	{
		CxsigItem *item = dlist_container(CxsigItem, node, iter.cur);

		if (!item->forced && cxsig_destination_yields(item))
		{
			Assert(look->n < look->capacity);
			look->items[look->n++] = item;
		}
	}
}

static void
heads_read(void *arg)
{
	CatchUp *look = arg;
	Oid types[] = {TEXTARRAYOID};
	Datum *tickets = palloc(look->n * sizeof(Datum));
	Datum values[1];
	int i;

	for (i = 0; i < look->n; i++)
		tickets[i] = CStringGetTextDatum(look->items[i]->ref->event->ticket_id);
	values[0] =
		PointerGetDatum(construct_array(tickets, look->n, TEXTOID, -1, false, TYPALIGN_INT));
	if (SPI_execute_with_args(SQL_HEADS, 1, types, values, NULL, true, 0) != SPI_OK_SELECT ||
		SPI_processed != (uint64) look->n)
		elog(ERROR, "could not read the heads of tickets");
	for (i = 0; i < look->n; i++)
	{
		bool isnull;
		Datum head = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		look->known[i] = !isnull;
		if (!isnull)
			look->heads[i] = *DatumGetUUIDP(head);
	}
}

/* The lanes they leave empty are forgotten. */
static void
supersede_old(CatchUp *look)
{
	int i;

	for (i = 0; i < look->n; i++)
	{
		CxsigItem *item = look->items[i];
		CxsigLane *lane = item->lane;

		if (!look->known[i] || memcmp(&look->heads[i], &item->ref->event->event_id, UUID_LEN) == 0)
			continue;
		cxsig_lane_remove(lane, item);
		cxsig_receipt_superseded(item, &look->heads[i], "a newer revision is known");
		if (lane->queued == 0 && lane->stored == 0)
			cxsig_lane_forget(lane->destination->lanes, lane);
		else if (lane->queued == 0)
			cxsig_lane_ready_to_loading(lane);
	}
}
