/*
 * checkpoint.c
 *	  Checkpoints: written beside the receipts, read when a destination is loaded.
 *
 * Runs in dispatchers, inside guarded tasks. A checkpoint is written before the receipts of its own
 * transaction are settled, so it says too little rather than too much: what lies beyond it and has
 * a receipt is looked up at the start.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "base/clock.h"
#include "catalog/pg_type.h"
#include "dispatch/checkpoint.h"
#include "dispatch/standing.h"
#include "dispatch/feed.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#define SQL_WRITE                                                                               \
	"insert into cxsig.checkpoint (destination_id, written_at, low, high, doubt, backfill_low," \
	" backfill_high, backfill_doubt, filtered, floor, system_identifier, database_oid,"         \
	" holding, holding_until, quota_used, quota_limit, quota_at, quota_resets_at)"              \
	" values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
#define SQL_READ                                                                    \
	"select written_at, low, doubt, backfill_low, backfill_doubt, filtered, floor," \
	" quota_used, quota_limit, quota_at, quota_resets_at"                           \
	" from cxsig.checkpoint where destination_id operator(pg_catalog.=) $1"         \
	" order by written_at desc limit 1"
/*
 * What has its outcome, or is in retry: at or above low of its stream ($2, $3), or come with a
 * transaction in doubt ($4) below that.
 */
#define SQL_SEEN_ABOVE(table)                                                             \
	"select position from cxsig." table " where destination_id operator(pg_catalog.=) $1" \
	" and position operator(pg_catalog.>=) least($2, $3)"                                 \
	" and position operator(pg_catalog.>=) case when backfill then $3 else $2 end"
#define SQL_SEEN_IN_DOUBT(table)                                 \
	"select t.position from cxsig._log o join cxsig." table " t" \
	" on t.destination_id operator(pg_catalog.=) $1"             \
	" and t.position operator(pg_catalog.=) o.position"          \
	" where o.txid operator(pg_catalog.=) any ($4)"              \
	" and o.position operator(pg_catalog.<) greatest($2, $3)"
#define SQL_SEEN                                                      \
	SQL_SEEN_ABOVE("delivery")                                        \
	" union " SQL_SEEN_IN_DOUBT("delivery") " union " SQL_SEEN_ABOVE( \
		"retry") " union " SQL_SEEN_IN_DOUBT("retry")
#define SQL_LANES                                                \
	"select lane, pg_catalog.count(*),"                          \
	" pg_catalog.max(next_attempt_at), pg_catalog.bool_or(held)" \
	" from cxsig.retry where destination_id operator(pg_catalog.=) $1 group by lane"

#define N_WRITTEN 18

/* A checkpoint as read. */
typedef struct CxsigRestored
{
	int64 low[CXSIG_STREAMS];
	CxsigXids doubts[CXSIG_STREAMS];
	int64 filtered;
} CxsigRestored;

/* Plan and scratch set, kept for the life of the process. */
static SPIPlanPtr write_plan = NULL;
static CxsigXids scratch_doubts = {NULL, 0, 0};

static bool place_differs(const CxsigCursor *cursor);
static void checkpoint_write_one(CxsigDestination *destination);
static void checkpoint_read(CxsigDestination *destination, CxsigRestored *restored);

static void restore_seen(CxsigDestination *destination, const CxsigRestored *from);
static void restore_lanes(CxsigDestination *destination);
static void doubts_from_array(CxsigXids *doubts, Datum array);
static void checkpoint_execute(const char *sql, int n, Oid *types, Datum *values);

bool
cxsig_checkpoint_wanted(const CxsigDestination *destination)
{
	return place_differs(&destination->cursors[CXSIG_LIVE]) ||
		   place_differs(&destination->cursors[CXSIG_BACKFILL]) ||
		   cxsig_standing_differs(destination);
}

static bool
place_differs(const CxsigCursor *cursor)
{
	CxsigPlace place;

	/* each turn asks: what is in doubt is put together only where the rest is the same */
	if (cursor->written.low != cxsig_progress_low(cursor->progress) ||
		cursor->written.high != cxsig_progress_high(cursor->progress))
		return true;
	cxsig_cursor_place(cursor, &place);
	return memcmp(&place, &cursor->written, sizeof(place)) != 0;
}

void
cxsig_checkpoint_write(const CxsigReceipts *receipts)
{
	ListCell *cell;

	if (receipts->checkpoints != NIL && write_plan == NULL)
	{
		Oid types[N_WRITTEN] = {
			INT4OID, TIMESTAMPTZOID, INT8OID, INT8OID, XID8ARRAYOID,   INT8OID,
			INT8OID, XID8ARRAYOID,	 INT8OID, INT8OID, INT8OID,		   OIDOID,
			TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID};
		SPIPlanPtr plan = SPI_prepare(SQL_WRITE, lengthof(types), types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the checkpoint statement: %s",
				 SPI_result_code_string(SPI_result));
		write_plan = plan;
	}
	foreach (cell, receipts->checkpoints)
		checkpoint_write_one(lfirst(cell));
}

static void
checkpoint_write_one(CxsigDestination *destination)
{
	Datum values[N_WRITTEN];
	char nulls[N_WRITTEN];
	Datum *value = values;
	int64 filtered = 0;
	int i;

	/* The newest row counts: a clock set back must not make an old one of this. */
	destination->checkpoint_at = Max(GetCurrentTimestamp(), destination->checkpoint_at + 1);
	*value++ = Int32GetDatum(destination->id);
	*value++ = TimestampTzGetDatum(destination->checkpoint_at);
	for (i = 0; i < CXSIG_STREAMS; i++)
	{
		CxsigCursor *cursor = &destination->cursors[i];

		cxsig_cursor_place(cursor, &cursor->writing);
		cxsig_cursor_doubts(cursor, &scratch_doubts);
		*value++ = Int64GetDatum(cursor->writing.low);
		*value++ = Int64GetDatum(cursor->writing.high);
		*value++ = cxsig_xids_array(&scratch_doubts);
		filtered += cursor->writing.filtered;
	}
	*value++ = Int64GetDatum(filtered);
	*value++ = Int64GetDatum(destination->floor);
	*value++ = Int64GetDatum((int64) GetSystemIdentifier());
	*value++ = ObjectIdGetDatum(MyDatabaseId);
	memset(nulls, ' ', sizeof(nulls));
	cxsig_standing_write(destination, value, nulls + (value - values));
	Assert(value + CXSIG_STANDING_COLUMNS == values + N_WRITTEN);
	if (SPI_execute_plan(write_plan, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write a checkpoint");
}

void
cxsig_checkpoint_written(List *destinations)
{
	ListCell *cell;
	int i;

	foreach (cell, destinations)
	{
		CxsigDestination *destination = lfirst(cell);

		for (i = 0; i < CXSIG_STREAMS; i++)
			destination->cursors[i].written = destination->cursors[i].writing;
		destination->standing_written = destination->standing_writing;
	}
}

void
cxsig_checkpoint_restore(CxsigDestination *destination)
{
	CxsigRestored restored;
	int i;

	checkpoint_read(destination, &restored);
	restore_seen(destination, &restored);
	restore_lanes(destination);
	for (i = 0; i < CXSIG_STREAMS; i++)
	{
		CxsigCursor *cursor = &destination->cursors[i];

		cxsig_cursor_start(cursor, restored.low[i], i == CXSIG_LIVE ? restored.filtered : 0);
		cxsig_feed_start(cursor, restored.low[i] - 1, &restored.doubts[i]);
		cxsig_xids_free(&restored.doubts[i]);
	}
}

static void
checkpoint_read(CxsigDestination *destination, CxsigRestored *restored)
{
	Oid types[] = {INT4OID};
	Datum id = Int32GetDatum(destination->id);
	HeapTuple row;
	TupleDesc desc;
	bool isnull;

	memset(restored, 0, sizeof(*restored));
	checkpoint_execute(SQL_READ, 1, types, &id);
	if (SPI_processed == 0)
	{
		restored->low[CXSIG_LIVE] = restored->low[CXSIG_BACKFILL] = 1;
		return;
	}
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	destination->checkpoint_at = DatumGetTimestampTz(SPI_getbinval(row, desc, 1, &isnull));
	restored->low[CXSIG_LIVE] = DatumGetInt64(SPI_getbinval(row, desc, 2, &isnull));
	doubts_from_array(&restored->doubts[CXSIG_LIVE], SPI_getbinval(row, desc, 3, &isnull));
	restored->low[CXSIG_BACKFILL] = DatumGetInt64(SPI_getbinval(row, desc, 4, &isnull));
	doubts_from_array(&restored->doubts[CXSIG_BACKFILL], SPI_getbinval(row, desc, 5, &isnull));
	restored->filtered = DatumGetInt64(SPI_getbinval(row, desc, 6, &isnull));
	destination->floor = DatumGetInt64(SPI_getbinval(row, desc, 7, &isnull));
	cxsig_standing_restore(destination, row, desc, 8);
}

static void
restore_seen(CxsigDestination *destination, const CxsigRestored *from)
{
	Oid types[] = {INT4OID, INT8OID, INT8OID, XID8ARRAYOID};
	CxsigXids doubts = {NULL, 0, 0};
	Datum values[lengthof(types)];
	uint64 i;
	int j;
	bool isnull;

	cxsig_xids_copy(&doubts, &from->doubts[CXSIG_LIVE]);
	for (j = 0; j < from->doubts[CXSIG_BACKFILL].n; j++)
		cxsig_xids_add(&doubts, from->doubts[CXSIG_BACKFILL].xids[j]);
	values[0] = Int32GetDatum(destination->id);
	values[1] = Int64GetDatum(from->low[CXSIG_LIVE]);
	values[2] = Int64GetDatum(from->low[CXSIG_BACKFILL]);
	values[3] = cxsig_xids_array(&doubts);
	cxsig_xids_free(&doubts);
	checkpoint_execute(SQL_SEEN, lengthof(types), types, values);
	for (i = 0; i < SPI_processed; i++)
		cxsig_destination_mark_seen(
			destination,
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)));
}

static void
restore_lanes(CxsigDestination *destination)
{
	Oid types[] = {INT4OID};
	Datum id = Int32GetDatum(destination->id);
	uint64 i;

	checkpoint_execute(SQL_LANES, 1, types, &id);
	for (i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;
		bool no_due;
		CxsigLane *lane = cxsig_lane_get(
			destination->lanes, (uint64) DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull)));
		int stored = (int) DatumGetInt64(SPI_getbinval(row, desc, 2, &isnull));
		Datum due = SPI_getbinval(row, desc, 3, &no_due);

		destination->stored += stored;
		cxsig_lane_new_to_waiting(lane, stored,
								  no_due ? cxsig_clock_now()
										 : cxsig_clock_from_wall(DatumGetTimestampTz(due)),
								  DatumGetBool(SPI_getbinval(row, desc, 4, &isnull)));
	}
}

static void
doubts_from_array(CxsigXids *doubts, Datum array)
{
	Datum *values;
	int n;
	int i;

	deconstruct_array(DatumGetArrayTypeP(array), XID8OID, sizeof(FullTransactionId),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, NULL, &n);
	for (i = 0; i < n; i++)
		cxsig_xids_add(doubts, DatumGetFullTransactionId(values[i]));
}

static void
checkpoint_execute(const char *sql, int n, Oid *types, Datum *values)
{
	int code = SPI_execute_with_args(sql, n, types, values, NULL, true, 0);

	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not restore a destination: %s", SPI_result_code_string(code));
}
