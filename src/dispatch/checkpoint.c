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
#include "catalog/pg_type.h"
#include "dispatch/checkpoint.h"
#include "dispatch/feed.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#define SQL_WRITE                                                                                  \
	"insert into cxsig.checkpoint (destination_id, low, high, doubt, filtered, system_identifier," \
	" database_oid) values ($1, $2, $3, $4, $5, $6, $7)"
#define SQL_READ                                        \
	"select low, doubt, filtered from cxsig.checkpoint" \
	" where destination_id operator(pg_catalog.=) $1 order by written_at desc limit 1"
/* What has its outcome at or above low, or came with a transaction in doubt. */
#define SQL_SEEN                                                                              \
	"select position from cxsig.delivery"                                                     \
	" where destination_id operator(pg_catalog.=) $1 and position operator(pg_catalog.>=) $2" \
	" union all select d.position from cxsig.outbox o join cxsig.delivery d"                  \
	" on d.destination_id operator(pg_catalog.=) $1"                                          \
	" and d.position operator(pg_catalog.=) o.position"                                       \
	" where o.txid operator(pg_catalog.=) any ($3) and o.position operator(pg_catalog.<) $2"  \
	" union all select position from cxsig.retry"                                             \
	" where destination_id operator(pg_catalog.=) $1 and position operator(pg_catalog.>=) $2" \
	" union all select r.position from cxsig.outbox o join cxsig.retry r"                     \
	" on r.destination_id operator(pg_catalog.=) $1"                                          \
	" and r.position operator(pg_catalog.=) o.position"                                       \
	" where o.txid operator(pg_catalog.=) any ($3) and o.position operator(pg_catalog.<) $2"
#define SQL_LANES                                                    \
	"select lane, pg_catalog.count(*),"                              \
	" (pg_catalog.array_agg(next_attempt_at order by position))[1]," \
	" (pg_catalog.array_agg(held order by position))[1]"             \
	" from cxsig.retry where destination_id operator(pg_catalog.=) $1 group by lane"

/* Plan and scratch set, kept for the life of the process. */
static SPIPlanPtr write_plan = NULL;
static CxsigXids scratch_doubts = {NULL, 0, 0};

static void restore_seen(CxsigDestination *destination, int64 low, Datum doubts);
static void restore_lanes(CxsigDestination *destination);
static void doubts_from_array(CxsigXids *doubts, Datum array);
static void checkpoint_execute(const char *sql, int n, Oid *types, Datum *values);

bool
cxsig_checkpoint_wanted(const CxsigDestination *destination)
{
	if (destination->written_low != cxsig_progress_low(destination->progress) ||
		destination->written_high != cxsig_progress_high(destination->progress) ||
		destination->written_filtered != cxsig_progress_filtered(destination->progress))
		return true;
	cxsig_feed_doubts(destination, &scratch_doubts);
	return destination->written_doubts != scratch_doubts.n;
}

void
cxsig_checkpoint_write(const CxsigReceipts *receipts)
{
	ListCell *cell;

	if (receipts->checkpoints != NIL && write_plan == NULL)
	{
		Oid types[] = {INT4OID, INT8OID, INT8OID, XID8ARRAYOID, INT8OID, INT8OID, OIDOID};
		SPIPlanPtr plan = SPI_prepare(SQL_WRITE, lengthof(types), types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the checkpoint statement: %s",
				 SPI_result_code_string(SPI_result));
		write_plan = plan;
	}
	foreach (cell, receipts->checkpoints)
	{
		CxsigDestination *destination = lfirst(cell);
		Datum values[7];

		cxsig_feed_doubts(destination, &scratch_doubts);
		destination->writing_low = cxsig_progress_low(destination->progress);
		destination->writing_filtered = cxsig_progress_filtered(destination->progress);
		destination->writing_doubts = scratch_doubts.n;
		values[0] = Int32GetDatum(destination->id);
		values[1] = Int64GetDatum(cxsig_progress_low(destination->progress));
		values[2] = Int64GetDatum(cxsig_progress_high(destination->progress));
		values[3] = cxsig_xids_array(&scratch_doubts);
		values[4] = Int64GetDatum(cxsig_progress_filtered(destination->progress));
		values[5] = Int64GetDatum((int64) GetSystemIdentifier());
		values[6] = ObjectIdGetDatum(MyDatabaseId);
		if (SPI_execute_plan(write_plan, values, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not write a checkpoint");
	}
}

void
cxsig_checkpoint_written(List *destinations)
{
	ListCell *cell;

	foreach (cell, destinations)
	{
		CxsigDestination *destination = lfirst(cell);

		destination->written_doubts = destination->writing_doubts;
		destination->written_low = destination->writing_low;
		destination->written_high = cxsig_progress_high(destination->progress);
		destination->written_filtered = destination->writing_filtered;
	}
}

void
cxsig_checkpoint_restore(CxsigDestination *destination)
{
	Oid types[] = {INT4OID};
	Datum id = Int32GetDatum(destination->id);
	int64 low = 1;
	int64 filtered = 0;
	CxsigXids doubts = {NULL, 0, 0};
	MemoryContext old;
	bool isnull;

	checkpoint_execute(SQL_READ, 1, types, &id);
	if (SPI_processed > 0)
	{
		HeapTuple row = SPI_tuptable->vals[0];
		TupleDesc desc = SPI_tuptable->tupdesc;

		low = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
		filtered = DatumGetInt64(SPI_getbinval(row, desc, 3, &isnull));
		doubts_from_array(&doubts, SPI_getbinval(row, desc, 2, &isnull));
	}
	/* SPI leaves its own context behind. */
	old = MemoryContextSwitchTo(destination->context);
	destination->progress = cxsig_progress_create(low, filtered);
	MemoryContextSwitchTo(old);
	restore_seen(destination, low, cxsig_xids_array(&doubts));
	restore_lanes(destination);
	cxsig_feed_start(destination, low - 1, &doubts);
	cxsig_xids_free(&doubts);
}

static void
restore_seen(CxsigDestination *destination, int64 low, Datum doubts)
{
	Oid types[] = {INT4OID, INT8OID, XID8ARRAYOID};
	Datum values[] = {Int32GetDatum(destination->id), Int64GetDatum(low), doubts};
	uint64 i;
	bool isnull;

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
								  no_due ? GetCurrentTimestamp() : DatumGetTimestampTz(due),
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
