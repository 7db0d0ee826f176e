/*
 * receipt_write.c
 *	  Writes gathered outcomes: a guarded task, a handful of statements whatever their number.
 *	  Runs in dispatchers, inside the transaction that receipt.c begins.
 */
#include "postgres.h"

#include "base/staging.h"
#include "catalog/pg_type.h"
#include "dispatch/alert.h"
#include "dispatch/checkpoint.h"
#include "dispatch/destination.h"
#include "dispatch/receipt_write.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Columns of the staging relation: final outcomes and retries alike. */
static const struct
{
	const char *name;
	Oid type;
} columns[] = {
	{"destination_id", INT4OID},
	{"position", INT8OID},
	{"event_id", UUIDOID},
	{"ticket_id", TEXTOID},
	{"kind", INT4OID},
	{"attempt", INT4OID},
	{"http_status", INT4OID},
	{"remote_id", TEXTOID},
	{"detail", TEXTOID},
	{"superseded_by", UUIDOID},
	{"occurred_at", TIMESTAMPTZOID},
	{"recorded_at", TIMESTAMPTZOID},
	{"sent_at", TIMESTAMPTZOID},
	{"finished_at", TIMESTAMPTZOID},
	{"backfill", BOOLOID},
	{"stored", BOOLOID},
	{"lane", INT8OID},
	{"forced", BOOLOID},
	{"strikes", INT4OID},
	{"due", TIMESTAMPTZOID},
	{"held", BOOLOID},
};

#define N_COLUMNS lengthof(columns)

/* kind as a number in SQL: the order of CxsigReceiptKind. */
#define SQL_DELIVERY                                                                               \
	"insert into cxsig.delivery (destination_id, position, event_id, ticket_id, outcome, attempt," \
	" http_status, remote_id, detail, superseded_by, occurred_at, recorded_at, sent_at,"           \
	" finished_at, backfill)"                                                                      \
	" select destination_id, position, event_id, ticket_id,"                                       \
	" (array['delivered', 'superseded', 'dead', 'folded'])[kind operator(pg_catalog.+) 1]"         \
	"::cxsig.delivery_outcome, attempt, http_status, remote_id, detail, superseded_by,"            \
	" occurred_at, recorded_at, sent_at, finished_at, backfill"                                    \
	" from receipts where kind operator(pg_catalog.<) 4"
#define SQL_DEAD                                                                                 \
	"insert into cxsig.dead_letter (destination_id, position, event_id, recorded_at, ticket_id," \
	" attempt, http_status, reason, died_at)"                                                    \
	" select destination_id, position, event_id, recorded_at, ticket_id, attempt, http_status,"  \
	" detail, finished_at from receipts where kind operator(pg_catalog.=) 2"
#define SQL_UNSTORE                                                 \
	"delete from cxsig.retry r using receipts s"                    \
	" where s.stored and s.kind operator(pg_catalog.<) 4"           \
	" and r.destination_id operator(pg_catalog.=) s.destination_id" \
	" and r.position operator(pg_catalog.=) s.position"
#define SQL_RETRY                                                                                \
	"insert into cxsig.retry as r (destination_id, position, event_id, recorded_at, lane, "      \
	"backfill, forced,"                                                                          \
	" attempt, strikes, next_attempt_at, held, last_status, last_error)"                         \
	" select destination_id, position, event_id, recorded_at, lane, backfill, forced, attempt, " \
	"strikes, "                                                                                  \
	"due,"                                                                                       \
	" held, http_status, detail from receipts"                                                   \
	" where kind operator(pg_catalog.=) 4"                                                       \
	" or (kind operator(pg_catalog.=) 5 and not stored)"                                         \
	" on conflict (destination_id, position) do update set attempt = excluded.attempt,"          \
	" strikes = excluded.strikes, next_attempt_at = excluded.next_attempt_at,"                   \
	" held = excluded.held, last_status = excluded.last_status, last_error = excluded.last_error"

/* The shape of the staging relation, and plans; kept for the life of the process. */
static TupleDesc staging_desc = NULL;
static SPIPlanPtr delivery_plan = NULL;
static SPIPlanPtr dead_plan = NULL;
static SPIPlanPtr unstore_plan = NULL;
static SPIPlanPtr retry_plan = NULL;

static CxsigStaging *write_stage(const CxsigReceipts *receipts);
static void write_row(CxsigStaging *staging, const CxsigReceipt *receipt);
static void write_run(SPIPlanPtr *plan, const char *sql, int expected);

void
cxsig_receipt_write(void *arg)
{
	CxsigReceipts *receipts = arg;
	int retries = receipts->by_kind[CXSIG_RECEIPT_RETRY] + receipts->by_kind[CXSIG_RECEIPT_BEHIND];

	if (receipts->n > 0)
	{
		CxsigStaging *staging = write_stage(receipts);

		if (receipts->n > retries)
			write_run(&delivery_plan, SQL_DELIVERY, SPI_OK_INSERT);
		if (receipts->by_kind[CXSIG_RECEIPT_DEAD] > 0)
			write_run(&dead_plan, SQL_DEAD, SPI_OK_INSERT);
		if (receipts->n_stored > 0)
			write_run(&unstore_plan, SQL_UNSTORE, SPI_OK_DELETE);
		if (retries > 0)
			write_run(&retry_plan, SQL_RETRY, SPI_OK_INSERT);
		cxsig_staging_end(staging);
	}
	cxsig_alerts_write();
	cxsig_checkpoint_write(receipts);
}

static CxsigStaging *
write_stage(const CxsigReceipts *receipts)
{
	CxsigStaging *staging;
	int i;

	if (staging_desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc desc = CreateTemplateTupleDesc(N_COLUMNS);

		for (i = 0; i < (int) N_COLUMNS; i++)
			TupleDescInitEntry(desc, i + 1, columns[i].name, columns[i].type, -1, 0);
		staging_desc = desc;
		MemoryContextSwitchTo(old);
	}
	staging = cxsig_staging_begin("receipts", staging_desc, receipts->n);
	for (i = 0; i < receipts->n; i++)
		write_row(staging, &receipts->items[i]);
	return staging;
}

static Datum
text_or_null(const char *string, bool *isnull)
{
	*isnull = string == NULL;
	return string == NULL ? (Datum) 0 : CStringGetTextDatum(string);
}

static void
write_row(CxsigStaging *staging, const CxsigReceipt *receipt)
{
	const CxsigItem *item = receipt->item;
	const CxsigEvent *event = item->ref->event;
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS] = {false};
	int i = 0;

	values[i++] = Int32GetDatum(item->destination->id);
	values[i++] = Int64GetDatum(item->position);
	values[i++] = UUIDPGetDatum(&event->event_id);
	values[i++] = CStringGetTextDatum(event->ticket_id);
	values[i++] = Int32GetDatum(receipt->kind);
	values[i++] = Int32GetDatum(item->attempt);
	nulls[i] = receipt->status == 0;
	values[i++] = Int32GetDatum(receipt->status);
	values[i] = text_or_null(receipt->remote_id, &nulls[i]);
	i++;
	values[i] = text_or_null(receipt->detail, &nulls[i]);
	i++;
	nulls[i] = !receipt->has_other;
	values[i++] = UUIDPGetDatum(&receipt->other);
	values[i++] = TimestampTzGetDatum(event->occurred_at);
	values[i++] = TimestampTzGetDatum(event->recorded_at);
	nulls[i] = item->sent_at == 0;
	values[i++] = TimestampTzGetDatum(item->sent_at);
	values[i++] = TimestampTzGetDatum(receipt->finished_at);
	values[i++] = BoolGetDatum(item->backfill);
	values[i++] = BoolGetDatum(item->stored);
	values[i++] = Int64GetDatum((int64) receipt->lane);
	values[i++] = BoolGetDatum(item->forced);
	values[i++] = Int32GetDatum(item->strikes);
	nulls[i] = receipt->kind != CXSIG_RECEIPT_RETRY || receipt->held;
	values[i++] = TimestampTzGetDatum(receipt->due);
	values[i++] = BoolGetDatum(receipt->held);
	Assert(i == N_COLUMNS);
	cxsig_staging_put(staging, values, nulls);
}

/* Run a statement over the staging relation, preparing it at its first use. */
static void
write_run(SPIPlanPtr *plan, const char *sql, int expected)
{
	int code;

	if (*plan == NULL)
	{
		SPIPlanPtr prepared = SPI_prepare(sql, 0, NULL);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare a receipt statement: %s",
				 SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	code = SPI_execute_plan(*plan, NULL, NULL, false, 0);
	if (code != expected)
		elog(ERROR, "could not write receipts: %s", SPI_result_code_string(code));
}
