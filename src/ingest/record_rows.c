/*
 * record_rows.c
 *	  Turns what record.c worked out into sets of rows, and runs the statements that write them.
 *
 * Runs in every backend that ingests, between cxsig_statements_open() and close(). Locks: those of
 * its inserts; record.c says in which order it is called.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "ingest/record_rows.h"
#include "ingest/statements.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A row of cxsig_events while it is put together. */
typedef struct EventRow
{
	Datum values[CXSIG_EVENT_COLUMNS_COUNT];
	bool nulls[CXSIG_EVENT_COLUMNS_COUNT];
} EventRow;

static Datum rows_text(CxsigString text);
static void row_set(EventRow *row, CxsigEventColumn column, Datum value);
static void row_set_text(EventRow *row, CxsigEventColumn column, CxsigString text);
static void row_set_label(EventRow *row, CxsigEventColumn column, const char *label);
static void row_set_score(EventRow *row, CxsigEventColumn column, double score);
static void row_set_list(EventRow *row, CxsigEventColumn column, const CxsigString *list, int n);
static void rows_put_event(CxsigRun *run, CxsigEntry *entry, TimestampTz *recorded_at);
static void rows_set_signal(EventRow *row, CxsigSignal *signal);
static void rows_set_head(EventRow *row, CxsigTicketState *state);
static void rows_write_unmapped(CxsigRun *run, CxsigEntry *entries, int n, TimestampTz recorded_at);
static int rows_compare_accounts(const void *a, const void *b);
static Datum rows_input(JsonbValue *input);

static Datum
rows_text(CxsigString text)
{
	return PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
}

void
cxsig_rows_fill_tickets(CxsigRun *run, const CxsigString *ids, int n)
{
	int i;

	cxsig_rows_begin(run, CXSIG_ROWS_TICKETS);
	for (i = 0; i < n; i++)
	{
		Datum values[2];
		bool nulls[2] = {false, false};

		values[0] = Int32GetDatum(i);
		values[1] = rows_text(ids[i]);
		cxsig_rows_put(run, CXSIG_ROWS_TICKETS, values, nulls);
		pfree(DatumGetPointer(values[1]));
	}
}

void
cxsig_rows_fill_keys(CxsigRun *run, CxsigEntry **entries, int n, TimestampTz recorded_at)
{
	int i;

	cxsig_rows_begin(run, CXSIG_ROWS_KEYS);
	for (i = 0; i < n; i++)
	{
		CxsigSignal *signal = entries[i]->signal;
		Datum values[7];
		bool nulls[7] = {false, false, false, false, false, false, false};
		CxsigString digest;

		digest.data = (const char *) signal->digest;
		digest.len = CXSIG_DIGEST_LENGTH;
		values[0] = Int32GetDatum(i);
		values[1] = rows_text(signal->source_system);
		values[2] = rows_text(signal->idempotency_key);
		values[3] = UUIDPGetDatum(&entries[i]->event_id);
		values[4] = TimestampTzGetDatum(recorded_at);
		values[5] = Int64GetDatum(entries[i]->version);
		values[6] = rows_text(digest);
		cxsig_rows_put(run, CXSIG_ROWS_KEYS, values, nulls);
		pfree(DatumGetPointer(values[1]));
		pfree(DatumGetPointer(values[2]));
		pfree(DatumGetPointer(values[6]));
	}
}

bool
cxsig_rows_write_events(CxsigRun *run, CxsigEntry *entries, int n, TimestampTz recorded_at)
{
	MemoryContext scratch;
	MemoryContext old;
	bool any = false;
	int i;

	for (i = 0; i < n && !any; i++)
		any = entries[i].written;
	if (!any)
		return false;

	cxsig_rows_begin(run, CXSIG_ROWS_EVENTS);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "cxsig rows", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(scratch);
	for (i = 0; i < n; i++)
	{
		if (!entries[i].written)
			continue;
		rows_put_event(run, &entries[i], &recorded_at);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);

	(void) cxsig_statement_run(CXSIG_INSERT_EVENTS);
	(void) cxsig_statement_run(CXSIG_INSERT_REVISIONS);
	(void) cxsig_statement_run(CXSIG_INSERT_OUTBOX);
	cxsig_rows_end(run, CXSIG_ROWS_EVENTS);
	rows_write_unmapped(run, entries, n, recorded_at);
	return true;
}

static int
rows_compare_accounts(const void *a, const void *b)
{
	const CxsigEntry *left = *(CxsigEntry *const *) a;
	const CxsigEntry *right = *(CxsigEntry *const *) b;

	return cxsig_string_compare(left->signal->account_id, right->signal->account_id);
}

/* Once per account, however many events it has. */
void
cxsig_rows_read_accounts(CxsigRun *run, CxsigEntry *entries, int n)
{
	CxsigEntry **sorted = palloc(sizeof(CxsigEntry *) * n);
	uint64 found;
	uint64 row;
	int count = 0;
	int i;

	for (i = 0; i < n; i++)
	{
		if (entries[i].written && entries[i].signal->account_id.data != NULL)
			sorted[count++] = &entries[i];
	}
	if (count == 0)
		return;
	qsort(sorted, count, sizeof(CxsigEntry *), rows_compare_accounts);
	cxsig_rows_begin(run, CXSIG_ROWS_ACCOUNTS);
	for (i = 0; i < count; i++)
	{
		Datum values[2];
		bool nulls[2] = {false, false};

		if (i > 0 && rows_compare_accounts(&sorted[i - 1], &sorted[i]) == 0)
			continue;
		values[0] = Int32GetDatum(i);
		values[1] = rows_text(sorted[i]->signal->account_id);
		cxsig_rows_put(run, CXSIG_ROWS_ACCOUNTS, values, nulls);
	}
	found = cxsig_statement_run(CXSIG_READ_ACCOUNTS);
	for (row = 0; row < found; row++)
	{
		bool isnull;
		int first = DatumGetInt32(
			SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull));
		Jsonb *account = DatumGetJsonbPCopy(
			SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2, &isnull));

		for (i = first; i < count && rows_compare_accounts(&sorted[first], &sorted[i]) == 0; i++)
			sorted[i]->account = account;
	}
	SPI_freetuptable(SPI_tuptable);
	cxsig_rows_end(run, CXSIG_ROWS_ACCOUNTS);
}

static void
row_set(EventRow *row, CxsigEventColumn column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

static void
row_set_text(EventRow *row, CxsigEventColumn column, CxsigString text)
{
	if (text.data != NULL)
		row_set(row, column, rows_text(text));
}

static void
row_set_label(EventRow *row, CxsigEventColumn column, const char *label)
{
	if (label != NULL)
		row_set(row, column, CStringGetTextDatum(label));
}

static void
row_set_score(EventRow *row, CxsigEventColumn column, double score)
{
	if (!isnan(score))
		row_set(row, column, Float8GetDatum(score));
}

static void
row_set_list(EventRow *row, CxsigEventColumn column, const CxsigString *list, int n)
{
	Datum *elements;
	int i;

	if (n == 0)
		return;
	elements = palloc(sizeof(Datum) * n);
	for (i = 0; i < n; i++)
		elements[i] = rows_text(list[i]);
	row_set(row, column,
			PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT)));
}

static void
rows_put_event(CxsigRun *run, CxsigEntry *entry, TimestampTz *recorded_at)
{
	CxsigSignal *signal = entry->signal;
	EventRow row;
	const char *type = signal->event_type;

	CHECK_FOR_INTERRUPTS();
	memset(row.nulls, true, sizeof(row.nulls));
	if (type == NULL)
		type = entry->after.ordinal == 1 ? "signal.created" : "signal.updated";
	row_set(&row, CXSIG_COLUMN_EVENT_ID, UUIDPGetDatum(&entry->event_id));
	row_set_label(&row, CXSIG_COLUMN_EVENT_TYPE, type);
	row_set(&row, CXSIG_COLUMN_RECORDED_AT, TimestampTzGetDatum(*recorded_at));
	row_set(&row, CXSIG_COLUMN_VERSION, Int64GetDatum(entry->version));
	row_set(&row, CXSIG_COLUMN_STALE, BoolGetDatum(entry->stale));
	if (entry->account != NULL)
		row_set(&row, CXSIG_COLUMN_ACCOUNT, JsonbPGetDatum(entry->account));
	rows_set_signal(&row, signal);
	rows_set_head(&row, &entry->after);
	cxsig_rows_put(run, CXSIG_ROWS_EVENTS, row.values, row.nulls);
}

/* What the producer said and the taxonomy made of it. */
static void
rows_set_signal(EventRow *row, CxsigSignal *signal)
{
	row_set(row, CXSIG_COLUMN_OCCURRED_AT, TimestampTzGetDatum(signal->occurred_at));
	row_set_text(row, CXSIG_COLUMN_SOURCE_SYSTEM, signal->source_system);
	row_set_text(row, CXSIG_COLUMN_TICKET_ID, signal->ticket_id);
	row_set_text(row, CXSIG_COLUMN_ACCOUNT_ID, signal->account_id);
	row_set_text(row, CXSIG_COLUMN_IDEMPOTENCY_KEY, signal->idempotency_key);
	row_set_label(row, CXSIG_COLUMN_SENTIMENT, signal->sentiment);
	row_set_label(row, CXSIG_COLUMN_SENTIMENT_START, signal->sentiment_start);
	row_set_label(row, CXSIG_COLUMN_SENTIMENT_END, signal->sentiment_end);
	row_set_label(row, CXSIG_COLUMN_CHURN_RISK, signal->churn_risk);
	row_set_score(row, CXSIG_COLUMN_CHURN_SCORE, signal->churn_score);
	row_set_label(row, CXSIG_COLUMN_EFFORT, signal->effort);
	row_set_score(row, CXSIG_COLUMN_EFFORT_SCORE, signal->effort_score);
	row_set_score(row, CXSIG_COLUMN_CONFIDENCE, signal->confidence);
	row_set_text(row, CXSIG_COLUMN_MODEL, signal->model);
	row_set_text(row, CXSIG_COLUMN_CANONICAL_TAG, signal->canonical_tag);
	row_set_text(row, CXSIG_COLUMN_DRIVER, signal->driver);
	row_set_list(row, CXSIG_COLUMN_RAW_TAGS, signal->raw_tags, signal->n_raw_tags);
	if (signal->custom_metrics != NULL)
		row_set(row, CXSIG_COLUMN_CUSTOM_METRICS, JsonbPGetDatum(signal->custom_metrics));
	row_set_text(row, CXSIG_COLUMN_EVIDENCE_URL, signal->evidence_url);
	row_set_list(row, CXSIG_COLUMN_QUOTES, signal->quotes, signal->n_quotes);
	if (signal->corrects_set)
		row_set(row, CXSIG_COLUMN_CORRECTS, UUIDPGetDatum(&signal->corrects));
	row_set_text(row, CXSIG_COLUMN_TRACEPARENT, signal->traceparent);
	row_set_text(row, CXSIG_COLUMN_TRACESTATE, signal->tracestate);
	row_set(row, CXSIG_COLUMN_BACKFILL, BoolGetDatum(signal->backfill));
}

static void
rows_set_head(EventRow *row, CxsigTicketState *state)
{
	row_set(row, CXSIG_COLUMN_ORDINAL, Int64GetDatum(state->ordinal));
	if (!state->has_head)
		return;
	row_set(row, CXSIG_COLUMN_HEAD_VERSION, Int64GetDatum(state->head_version));
	row_set(row, CXSIG_COLUMN_HEAD_OCCURRED_AT, TimestampTzGetDatum(state->head_occurred_at));
	row_set(row, CXSIG_COLUMN_HEAD_EVENT_ID, UUIDPGetDatum(&state->head_event_id));
	row_set(row, CXSIG_COLUMN_HEAD_RECORDED_AT, TimestampTzGetDatum(state->head_recorded_at));
}

static void
rows_write_unmapped(CxsigRun *run, CxsigEntry *entries, int n, TimestampTz recorded_at)
{
	bool any = false;
	int i;
	int tag;

	for (i = 0; i < n; i++)
	{
		for (tag = 0; entries[i].written && tag < entries[i].signal->n_unmapped; tag++)
		{
			Datum values[5];
			bool nulls[5] = {false, false, false, false, false};

			if (!any)
				cxsig_rows_begin(run, CXSIG_ROWS_UNMAPPED);
			any = true;
			values[0] = rows_text(entries[i].signal->source_system);
			values[1] = rows_text(entries[i].signal->unmapped[tag]);
			values[2] = UUIDPGetDatum(&entries[i].event_id);
			values[3] = TimestampTzGetDatum(recorded_at);
			values[4] = rows_text(entries[i].signal->ticket_id);
			cxsig_rows_put(run, CXSIG_ROWS_UNMAPPED, values, nulls);
		}
	}
	if (!any)
		return;
	(void) cxsig_statement_run(CXSIG_INSERT_UNMAPPED);
	cxsig_rows_end(run, CXSIG_ROWS_UNMAPPED);
}

/* An input as jsonb; an empty object for what cxsig made itself. */
static Datum
rows_input(JsonbValue *input)
{
	JsonbValue none;

	if (input != NULL)
		return JsonbPGetDatum(JsonbValueToJsonb(input));
	none.type = jbvObject;
	none.val.object.nPairs = 0;
	none.val.object.pairs = NULL;
	return JsonbPGetDatum(JsonbValueToJsonb(&none));
}

void
cxsig_rows_write_violations(CxsigRun *run, CxsigEntry *entries, int n)
{
	bool any = false;
	int i;

	for (i = 0; i < n; i++)
	{
		CxsigEntry *entry = &entries[i];
		Datum values[5];
		bool nulls[5] = {false, false, false, false, false};

		if (entry->written || entry->result->outcome != CXSIG_CONFLICT)
			continue;
		if (!any)
			cxsig_rows_begin(run, CXSIG_ROWS_VIOLATIONS);
		any = true;
		values[0] = rows_text(entry->signal->source_system);
		values[1] = rows_text(entry->signal->idempotency_key);
		values[2] = UUIDPGetDatum(&entry->result->event_id);
		values[3] = rows_input(entry->signal->input);
		values[4] = CStringGetTextDatum(entry->result->detail);
		cxsig_rows_put(run, CXSIG_ROWS_VIOLATIONS, values, nulls);
	}
	if (!any)
		return;
	(void) cxsig_statement_run(CXSIG_INSERT_VIOLATIONS);
	cxsig_rows_end(run, CXSIG_ROWS_VIOLATIONS);
}

void
cxsig_rows_write_rejects(CxsigRun *run, const CxsigReject *rejects, int n)
{
	int i;

	cxsig_rows_begin(run, CXSIG_ROWS_REJECTS);
	for (i = 0; i < n; i++)
	{
		const CxsigProblem *problem = &rejects[i].problem;
		Datum values[4] = {0, 0, 0, 0};
		bool nulls[4] = {false, false, false, false};

		values[0] = rows_input(rejects[i].input);
		nulls[1] = problem->field == NULL;
		if (!nulls[1])
			values[1] = CStringGetTextDatum(problem->field);
		values[2] = CStringGetTextDatum(problem->reason);
		nulls[3] = problem->hint == NULL;
		if (!nulls[3])
			values[3] = CStringGetTextDatum(problem->hint);
		cxsig_rows_put(run, CXSIG_ROWS_REJECTS, values, nulls);
	}
	(void) cxsig_statement_run(CXSIG_INSERT_REJECTS);
	cxsig_rows_end(run, CXSIG_ROWS_REJECTS);
}
