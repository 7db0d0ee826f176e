/*
 * retry.c
 *	  Lanes come back from cxsig.retry in position order, a page of each at a time.
 *
 * Runs in dispatchers. Only the destination's owner writes its rows of cxsig.retry, apart from
 * release_lane(), so what is read here is what was written.
 * Locks: AccessShareLock on retry and event while reading.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "dispatch/feed_read.h"
#include "dispatch/guarded.h"
#include "dispatch/lag.h"
#include "dispatch/receipt.h"
#include "dispatch/retry.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define LANES_AT_ONCE 64
/* With history = latest a page is folded into one event as it is read, so it may be longer. */
#define ROWS_PER_LANE 16
#define ROWS_PER_LANE_LATEST 256

/*
 * A lane is held if one of its rows is, which need not be the first: rows of another stream or
 * transaction may come to lie before it.
 */
#define SQL_LOAD                                                                               \
	"select r.lane, r.position, r.forced, r.attempt, r.strikes, g.held, "                      \
	"r.backfill, " CXSIG_HEAD_COLUMN(                                                          \
		"$4") ", " CXSIG_EVENT_COLUMNS                                                         \
			  " from pg_catalog.unnest($2) as l (lane) cross join lateral"                     \
			  " (select pg_catalog.bool_or(held) as held from cxsig.retry h"                   \
			  " where h.destination_id operator(pg_catalog.=) $1"                              \
			  " and h.lane operator(pg_catalog.=) l.lane) g cross join lateral"                \
			  " (select * from cxsig.retry r where r.destination_id operator(pg_catalog.=) $1" \
			  " and r.lane operator(pg_catalog.=) l.lane order by r.position limit $3) r"      \
			  " join cxsig.event e on e.event_id operator(pg_catalog.=) r.event_id"            \
			  " and e.recorded_at operator(pg_catalog.=) r.recorded_at"                        \
			  " order by r.lane, r.position"
#define N_COLUMNS 8

typedef struct RetryRow
{
	uint64 lane;
	CxsigFeedRow row;
	bool backfill;
	int attempt;
	int strikes;
	bool held; /* the lane is */
} RetryRow;

/* What a load asks for and gets. */
typedef struct RetryLoad
{
	CxsigDestination *destination;
	CxsigLane *lanes[LANES_AT_ONCE];
	int n_lanes;
	int per_lane;
	MemoryContext context; /* of the rows, not of their events */
	RetryRow *rows;
	int n_rows;
} RetryLoad;

/* Plan, kept for the life of the process; and where events read back live. */
static SPIPlanPtr load_plan = NULL;
static MemoryContext event_context = NULL;

static void retry_choose(RetryLoad *load);
static void retry_read(void *arg);
static void retry_read_row(RetryLoad *load, HeapTuple tuple, TupleDesc desc);
static void retry_restore_lane(RetryLoad *load, CxsigLane *lane);

bool
cxsig_retry_load(CxsigDestination *destination, bool *gone)
{
	RetryLoad load;
	CxsigGuarded result;
	int i;

	Assert(cxsig_receipt_pending() == 0);
	memset(&load, 0, sizeof(load));
	load.destination = destination;
	load.per_lane = destination->latest ? ROWS_PER_LANE_LATEST : ROWS_PER_LANE;
	retry_choose(&load);
	if (load.n_lanes == 0)
		return true;
	if (event_context == NULL)
		event_context = AllocSetContextCreate(TopMemoryContext, "cxsig events read back",
											  ALLOCSET_DEFAULT_SIZES);
	load.context =
		AllocSetContextCreate(CurrentMemoryContext, "cxsig retry load", ALLOCSET_DEFAULT_SIZES);
	result = cxsig_guarded_run("cxsig: reading back retries", retry_read, &load);
	*gone = result == CXSIG_GONE_EXTENSION;
	if (result == CXSIG_DONE)
		for (i = 0; i < load.n_lanes; i++)
			retry_restore_lane(&load, load.lanes[i]);
	for (i = 0; i < load.n_rows; i++)
		cxsig_event_ref_release(load.rows[i].row.ref);
	MemoryContextDelete(load.context);
	return result == CXSIG_DONE;
}

/* As many lanes as there is room for, at least one where there is any room. */
static void
retry_choose(RetryLoad *load)
{
	int room = cxsig_destination_room(load->destination);
	dlist_iter iter;

	dlist_foreach (iter, &load->destination->loading)
	{
		CxsigLane *lane = dlist_container(CxsigLane, node, iter.cur);

		if (room <= 0 || load->n_lanes == LANES_AT_ONCE)
			return;
		load->lanes[load->n_lanes++] = lane;
		room -= Min(lane->stored, load->per_lane);
	}
}

static void
retry_read(void *arg)
{
	RetryLoad *load = arg;
	Datum keys[LANES_AT_ONCE];
	Datum arguments[4];
	uint64 i;
	int code;

	if (load_plan == NULL)
	{
		Oid types[] = {INT4OID, INT8ARRAYOID, INT8OID, BOOLOID};
		SPIPlanPtr plan = SPI_prepare(SQL_LOAD, lengthof(types), types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the retry statement: %s",
				 SPI_result_code_string(SPI_result));
		load_plan = plan;
	}
	for (i = 0; i < (uint64) load->n_lanes; i++)
		keys[i] = Int64GetDatum((int64) load->lanes[i]->key);
	arguments[0] = Int32GetDatum(load->destination->id);
	arguments[1] = PointerGetDatum(construct_array(keys, load->n_lanes, INT8OID, sizeof(int64),
												   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	arguments[2] = Int64GetDatum(load->per_lane);
	arguments[3] = BoolGetDatum(load->destination->latest);
	code = SPI_execute_plan(load_plan, arguments, NULL, true, 0);
	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not read back retries: %s", SPI_result_code_string(code));
	load->rows = MemoryContextAllocZero(load->context, Max(SPI_processed, 1) * sizeof(RetryRow));
	for (i = 0; i < SPI_processed; i++)
		retry_read_row(load, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
}

static void
retry_read_row(RetryLoad *load, HeapTuple tuple, TupleDesc desc)
{
	RetryRow *row = &load->rows[load->n_rows];
	MemoryContext old = MemoryContextSwitchTo(event_context);
	CxsigEvent *event = cxsig_event_read(tuple, desc, N_COLUMNS + 1);
	bool isnull;
	Datum head;

	row->lane = (uint64) DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
	row->row.position = DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull));
	row->row.forced = DatumGetBool(SPI_getbinval(tuple, desc, 3, &isnull));
	row->attempt = DatumGetInt32(SPI_getbinval(tuple, desc, 4, &isnull));
	row->strikes = DatumGetInt32(SPI_getbinval(tuple, desc, 5, &isnull));
	row->held = DatumGetBool(SPI_getbinval(tuple, desc, 6, &isnull));
	row->backfill = DatumGetBool(SPI_getbinval(tuple, desc, 7, &isnull));
	head = SPI_getbinval(tuple, desc, 8, &isnull);
	cxsig_feed_row_take_head(&row->row, event, head, isnull);
	row->row.ref = cxsig_event_ref_create(event);
	load->n_rows++;
	MemoryContextSwitchTo(old);
}

/* Queue what was read of a lane; one whose rows have all gone is forgotten, a held one waits on. */
static void
retry_restore_lane(RetryLoad *load, CxsigLane *lane)
{
	int n = 0;
	int i;

	for (i = 0; i < load->n_rows; i++)
	{
		RetryRow *row = &load->rows[i];

		if (row->lane != lane->key)
			continue;
		if (n == 0 && row->held)
		{
			cxsig_lag_waits(load->destination->id, lane->key, row->row.position,
							row->row.ref->event, row->backfill);
			cxsig_lane_loading_to_waiting(lane, DT_NOEND, true);
			return;
		}
		cxsig_destination_restore(lane, &row->row, row->backfill, row->attempt, row->strikes);
		n++;
	}
	if (n < load->per_lane)
		lane->stored = 0;
	else
		lane->stored = Max(lane->stored - n, 0);
	if (lane->queued > 0)
		cxsig_lane_loading_to_ready(lane);
	else if (lane->stored == 0)
		cxsig_lane_forget(load->destination->lanes, lane);
	/* else the whole page was superseded, and the next is read when that is written */
}
