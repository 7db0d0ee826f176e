/*
 * record.c
 *	  Records signals: who comes first under a key, which revision of its ticket it is, and then the
 *	  rows of the log and the outbox.
 *
 * Runs in the backend of the caller, in its transaction. Locks, in this order, for a batch as for a
 * single signal: the ticket rows by ticket_id, the keys by (source_system, idempotency_key), both
 * in "C" order; positions are drawn last. Batches therefore wait for each other, but never in a
 * circle. While the ticket's row is held nobody else adds to its revisions, so versions have no
 * gaps, and position order is commit order within the ticket.
 *
 * Everything is read with the latest snapshot: under REPEATABLE READ too, the last revision is the
 * one that was committed last, as it is for a foreign key.
 */
#include "postgres.h"

#include "base/partition.h"
#include "base/wake.h"
#include "event/event.h"
#include "executor/spi.h"
#include "ingest/record.h"
#include "ingest/record_rows.h"
#include "ingest/statements.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* One call of cxsig_record. */
typedef struct RecordBatch
{
	CxsigRun run;
	int n;
	CxsigEntry *entries; /* in the order of the input */
	CxsigEntry **by_key; /* the first of each key, in key order */
	int n_keys;
	CxsigTicket *tickets; /* in order of ticket_id */
	int n_tickets;
	TimestampTz recorded_at;
} RecordBatch;

static void record_prepare(RecordBatch *batch, CxsigSignal *signals, int n, CxsigResult *results);
static void record_group_tickets(RecordBatch *batch, CxsigEntry **sorted);
static void record_group_keys(RecordBatch *batch, CxsigEntry **sorted);
static int record_compare_tickets(const void *a, const void *b);
static int record_compare_keys(const void *a, const void *b);
static void record_lock_and_read(RecordBatch *batch);
static void record_read_heads(RecordBatch *batch);
static void record_find_taken(RecordBatch *batch, bool claimed);
static void record_assign(RecordBatch *batch);
static void record_assign_one(CxsigEntry *entry, TimestampTz recorded_at);
static void record_claim_keys(RecordBatch *batch);
static void record_lose_keys(RecordBatch *batch);
static void record_answer(RecordBatch *batch, MemoryContext context);
static void record_answer_repeat(CxsigEntry *entry);

void
cxsig_record(CxsigSignal *signals, int n, CxsigResult *results)
{
	MemoryContext caller = CurrentMemoryContext;
	RecordBatch batch;

	if (n == 0)
		return;
	cxsig_statements_open(&batch.run);
	cxsig_partition_lock_defaults();
	record_prepare(&batch, signals, n, results);
	record_lock_and_read(&batch);
	/* a lone signal learns by trying whether its key is taken; see record_claim_keys */
	if (n > 1)
		record_find_taken(&batch, false);
	record_assign(&batch);
	record_claim_keys(&batch);
	record_answer(&batch, caller);
	cxsig_rows_read_accounts(&batch.run, batch.entries, n);
	if (cxsig_rows_write_events(&batch.run, batch.entries, n, batch.recorded_at))
		cxsig_wake_on_commit();
	cxsig_rows_write_violations(&batch.run, batch.entries, n);
	cxsig_statements_close(&batch.run);
}

void
cxsig_record_lock(const CxsigString *ids, int n)
{
	CxsigRun run;

	cxsig_statements_open(&run);
	cxsig_rows_fill_tickets(&run, ids, n);
	(void) cxsig_statement_run(CXSIG_LOCK_TICKETS);
	cxsig_rows_end(&run, CXSIG_ROWS_TICKETS);
	cxsig_statements_close(&run);
}

void
cxsig_record_rejects(const CxsigReject *rejects, int n)
{
	CxsigRun run;

	if (n == 0)
		return;
	cxsig_statements_open(&run);
	cxsig_rows_write_rejects(&run, rejects, n);
	cxsig_statements_close(&run);
}

/* Entries for the signals, grouped by ticket and by key. */
static void
record_prepare(RecordBatch *batch, CxsigSignal *signals, int n, CxsigResult *results)
{
	CxsigEntry **sorted = palloc(sizeof(CxsigEntry *) * n);
	int i;

	batch->n = n;
	batch->entries = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(CxsigEntry) * (Size) n,
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	batch->by_key = palloc(sizeof(CxsigEntry *) * n);
	batch->tickets = MemoryContextAllocExtended(
		CurrentMemoryContext, sizeof(CxsigTicket) * (Size) n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (i = 0; i < n; i++)
	{
		batch->entries[i].signal = &signals[i];
		batch->entries[i].result = &results[signals[i].place];
		batch->entries[i].index = i;
		sorted[i] = &batch->entries[i];
	}
	qsort(sorted, n, sizeof(CxsigEntry *), record_compare_tickets);
	record_group_tickets(batch, sorted);
	qsort(sorted, n, sizeof(CxsigEntry *), record_compare_keys);
	record_group_keys(batch, sorted);
	pfree(sorted);
}

static void
record_group_tickets(RecordBatch *batch, CxsigEntry **sorted)
{
	CxsigTicket *ticket = NULL;
	int i;

	batch->n_tickets = 0;
	for (i = 0; i < batch->n; i++)
	{
		CxsigString id = sorted[i]->signal->ticket_id;

		if (ticket == NULL || !cxsig_string_equal(ticket->ticket_id, id))
		{
			ticket = &batch->tickets[batch->n_tickets++];
			ticket->ticket_id = id;
		}
		sorted[i]->ticket = ticket;
	}
}

static void
record_group_keys(RecordBatch *batch, CxsigEntry **sorted)
{
	CxsigEntry *first = NULL;
	int i;

	batch->n_keys = 0;
	for (i = 0; i < batch->n; i++)
	{
		CxsigSignal *signal = sorted[i]->signal;

		if (first == NULL ||
			!cxsig_string_equal(first->signal->idempotency_key, signal->idempotency_key) ||
			!cxsig_string_equal(first->signal->source_system, signal->source_system))
		{
			first = sorted[i];
			batch->by_key[batch->n_keys++] = first;
		}
		sorted[i]->first = first;
	}
}

static int
record_compare_tickets(const void *a, const void *b)
{
	const CxsigEntry *left = *(CxsigEntry *const *) a;
	const CxsigEntry *right = *(CxsigEntry *const *) b;
	int order;

	order = cxsig_string_compare(left->signal->ticket_id, right->signal->ticket_id);
	return order != 0 ? order : left->index - right->index;
}

static int
record_compare_keys(const void *a, const void *b)
{
	const CxsigEntry *left = *(CxsigEntry *const *) a;
	const CxsigEntry *right = *(CxsigEntry *const *) b;
	int order;

	order = cxsig_string_compare(left->signal->source_system, right->signal->source_system);
	if (order == 0)
		order = cxsig_string_compare(left->signal->idempotency_key, right->signal->idempotency_key);
	return order != 0 ? order : left->index - right->index;
}

static void
record_lock_and_read(RecordBatch *batch)
{
	CxsigString *ids = palloc(sizeof(CxsigString) * batch->n_tickets);
	int i;

	for (i = 0; i < batch->n_tickets; i++)
		ids[i] = batch->tickets[i].ticket_id;
	cxsig_rows_fill_tickets(&batch->run, ids, batch->n_tickets);
	/* rows inserted are tickets that were new: where all were, there is nothing to read */
	if (cxsig_statement_run(CXSIG_LOCK_TICKETS) < (uint64) batch->n_tickets)
		record_read_heads(batch);
	cxsig_rows_end(&batch->run, CXSIG_ROWS_TICKETS);
	batch->recorded_at = GetCurrentTimestamp();
}

static void
record_read_heads(RecordBatch *batch)
{
	uint64 rows = cxsig_statement_run(CXSIG_READ_HEADS);
	uint64 row;

	for (row = 0; row < rows; row++)
	{
		HeapTuple tuple = SPI_tuptable->vals[row];
		TupleDesc desc = SPI_tuptable->tupdesc;
		CxsigTicketState *state;
		bool isnull;
		Datum head;

		state = &batch->tickets[DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull))].before;
		state->ordinal = DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull));
		state->version = DatumGetInt64(SPI_getbinval(tuple, desc, 3, &isnull));
		head = SPI_getbinval(tuple, desc, 6, &isnull);
		if (isnull)
			continue;
		state->has_head = true;
		state->head_event_id = *DatumGetUUIDP(head);
		state->head_version = DatumGetInt64(SPI_getbinval(tuple, desc, 4, &isnull));
		state->head_occurred_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 5, &isnull));
		state->head_recorded_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 7, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Which keys belong to an event that is not ours? claimed: by now each belongs to somebody. */
static void
record_find_taken(RecordBatch *batch, bool claimed)
{
	uint64 rows;
	uint64 row;

	cxsig_rows_fill_keys(&batch->run, batch->by_key, batch->n_keys, batch->recorded_at);
	rows = cxsig_statement_run(CXSIG_FIND_KEYS);
	for (row = 0; row < rows; row++)
	{
		HeapTuple tuple = SPI_tuptable->vals[row];
		TupleDesc desc = SPI_tuptable->tupdesc;
		CxsigEntry *entry;
		bytea *digest;
		bool isnull;
		pg_uuid_t *kept;

		entry = batch->by_key[DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull))];
		kept = DatumGetUUIDP(SPI_getbinval(tuple, desc, 2, &isnull));
		if (entry->assigned && memcmp(kept, &entry->event_id, sizeof(pg_uuid_t)) == 0)
			continue;
		digest = DatumGetByteaPP(SPI_getbinval(tuple, desc, 4, &isnull));
		entry->lost = true;
		entry->event_id = *kept;
		entry->version = DatumGetInt64(SPI_getbinval(tuple, desc, 3, &isnull));
		memset(entry->kept_digest, 0, CXSIG_DIGEST_LENGTH);
		memcpy(entry->kept_digest, VARDATA_ANY(digest),
			   Min(VARSIZE_ANY_EXHDR(digest), CXSIG_DIGEST_LENGTH));
	}
	SPI_freetuptable(SPI_tuptable);
	cxsig_rows_end(&batch->run, CXSIG_ROWS_KEYS);

	if (claimed && rows < (uint64) batch->n_keys)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("an idempotency key was removed while it was being looked at"),
						errhint("Retry the transaction.")));
}

/* Number the signals that came first under their key, in the order of the input. */
static void
record_assign(RecordBatch *batch)
{
	int i;

	for (i = 0; i < batch->n_tickets; i++)
		batch->tickets[i].state = batch->tickets[i].before;
	for (i = 0; i < batch->n; i++)
	{
		CxsigEntry *entry = &batch->entries[i];

		if (entry->first == entry && !entry->lost)
			record_assign_one(entry, batch->recorded_at);
	}
}

static void
record_assign_one(CxsigEntry *entry, TimestampTz recorded_at)
{
	CxsigTicketState *state = &entry->ticket->state;
	CxsigSignal *signal = entry->signal;

	if (!entry->assigned)
		entry->event_id = cxsig_uuid_v7(recorded_at);
	entry->assigned = true;
	entry->stale =
		state->has_head && (signal->occurred_at < state->head_occurred_at ||
							(signal->version_given && signal->version <= state->head_version));
	if (entry->stale)
		entry->known_at = state->head_occurred_at;
	entry->known_version = state->head_version;
	entry->version =
		signal->version_given ? signal->version : Max(state->version, state->head_version) + 1;
	state->ordinal++;
	state->version = entry->version;
	if (!entry->stale)
	{
		state->has_head = true;
		state->head_version = entry->version;
		state->head_occurred_at = signal->occurred_at;
		state->head_event_id = entry->event_id;
		state->head_recorded_at = recorded_at;
	}
	entry->after = *state;
}

/*
 * Insert the keys. One that was free a moment ago can have been taken by a transaction that works
 * on another ticket: then its signal is a repeat after all, and those behind it move up.
 */
static void
record_claim_keys(RecordBatch *batch)
{
	CxsigEntry **winners = palloc(sizeof(CxsigEntry *) * batch->n_keys);
	uint64 inserted;
	int n = 0;
	int i;

	for (i = 0; i < batch->n_keys; i++)
	{
		if (!batch->by_key[i]->lost)
			winners[n++] = batch->by_key[i];
	}
	if (n == 0)
		return;
	cxsig_rows_fill_keys(&batch->run, winners, n, batch->recorded_at);
	inserted = cxsig_statement_run(CXSIG_INSERT_KEYS);
	cxsig_rows_end(&batch->run, CXSIG_ROWS_KEYS);
	pfree(winners);
	if (inserted < (uint64) n)
		record_lose_keys(batch);
}

static void
record_lose_keys(RecordBatch *batch)
{
	record_find_taken(batch, true);
	if (batch->n == 1)
		return;
	record_assign(batch);
	cxsig_rows_fill_keys(&batch->run, batch->by_key, batch->n_keys, batch->recorded_at);
	(void) cxsig_statement_run(CXSIG_CORRECT_KEYS);
	cxsig_rows_end(&batch->run, CXSIG_ROWS_KEYS);
}

static void
record_answer(RecordBatch *batch, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	int i;

	for (i = 0; i < batch->n; i++)
	{
		CxsigEntry *entry = &batch->entries[i];
		CxsigResult *result = entry->result;

		entry->written = entry->first == entry && !entry->lost;
		result->has_event = true;
		result->event_id = entry->first->event_id;
		result->version = entry->first->version;
		result->detail = NULL;
		if (!entry->written)
			record_answer_repeat(entry);
		else if (!entry->stale)
			result->outcome = CXSIG_INSERTED;
		else
		{
			result->outcome = CXSIG_STALE;
			if (entry->signal->occurred_at < entry->known_at)
				result->detail = psprintf("occurred before the newest signal of the ticket, which "
										  "is of %s",
										  cxsig_print_timestamp(entry->known_at).data);
			else
				result->detail =
					psprintf("version %lld is not above %lld, the newest of the ticket",
							 (long long) entry->version, (long long) entry->known_version);
		}
	}
	MemoryContextSwitchTo(old);
}

/* Same key as an earlier signal: with the same content or with another? */
static void
record_answer_repeat(CxsigEntry *entry)
{
	const uint8 *kept =
		entry->first->lost ? entry->first->kept_digest : entry->first->signal->digest;
	CxsigString key = entry->signal->idempotency_key;

	if (memcmp(kept, entry->signal->digest, CXSIG_DIGEST_LENGTH) == 0)
	{
		entry->result->outcome = CXSIG_DUPLICATE;
		return;
	}
	entry->result->outcome = CXSIG_CONFLICT;
	entry->result->detail = psprintf("key \"%s\" came before with other content; the first event "
									 "is kept",
									 cxsig_scan_cut(key));
}

const char *
cxsig_outcome_label(CxsigOutcome outcome)
{
	static const char *const labels[CXSIG_OUTCOMES] = {"inserted", "duplicate", "conflict", "stale",
													   "quarantined"};

	return labels[outcome];
}
