/*
 * alert_state.c
 *	  Open alerts in memory, and their rows in cxsig.alert. Runs in dispatchers; reads and writes inside
 *	  guarded tasks. Locks: RowExclusiveLock on alert while writing.
 */
#include "postgres.h"

#include "base/staging.h"
#include "catalog/pg_type.h"
#include "dispatch/alert.h"
#include "dispatch/alert_state.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

static const struct
{
	const char *name;
	Oid type;
} columns[] = {
	{"destination_id", INT4OID},
	{"position", INT8OID},
	{"key", TEXTOID},
	{"condition", TEXTOID},
	{"event_id", UUIDOID},
	{"last_event_id", UUIDOID},
	{"ticket_id", TEXTOID},
	{"account_id", TEXTOID},
	{"occurred_at", TIMESTAMPTZOID},
	{"recorded_at", TIMESTAMPTZOID},
	{"last_sent_at", TIMESTAMPTZOID},
	{"last_signal_at", TIMESTAMPTZOID},
	{"folded", INT8OID},
	{"folded_in_all", INT8OID},
	{"resolved_at", TIMESTAMPTZOID},
	{"resolved_by", UUIDOID},
	{"tickets", TEXTARRAYOID},
	{"ticket_positions", INT8ARRAYOID},
};

#define N_COLUMNS lengthof(columns)

#define SQL_COLUMNS                                                                 \
	"destination_id, position, key, condition, event_id, last_event_id, ticket_id," \
	" account_id, occurred_at, recorded_at, last_sent_at, last_signal_at, folded,"  \
	" folded_in_all, resolved_at, resolved_by, tickets, ticket_positions"
#define SQL_READ                                      \
	"select " SQL_COLUMNS " from cxsig.alert"         \
	" where destination_id operator(pg_catalog.=) $1" \
	" and condition operator(pg_catalog.=) $2 and resolved_at is null"
/* Tickets that have not changed come as null. */
#define SQL_WRITE                                                                           \
	"insert into cxsig.alert as a (" SQL_COLUMNS ") select " SQL_COLUMNS " from alerts"     \
	" on conflict (destination_id, position) do update"                                     \
	" set last_event_id = excluded.last_event_id, last_sent_at = excluded.last_sent_at,"    \
	" last_signal_at = excluded.last_signal_at, folded = excluded.folded,"                  \
	" folded_in_all = excluded.folded_in_all, resolved_at = excluded.resolved_at,"          \
	" resolved_by = excluded.resolved_by, tickets = coalesce(excluded.tickets, a.tickets)," \
	" ticket_positions = coalesce(excluded.ticket_positions, a.ticket_positions)"

/* Alerts that have changed since they were written, their number, and the memory of all. */
static dlist_head changed = DLIST_STATIC_INIT(changed);
static int n_changed = 0;
static MemoryContext alert_context = NULL;

/* The shape of the staging relation, and a plan; kept for the life of the process. */
static TupleDesc staging_desc = NULL;
static SPIPlanPtr write_plan = NULL;

static CxsigAlertState *read_row(HeapTuple row, TupleDesc desc);
static void read_tickets(CxsigAlertState *state, Datum tickets, Datum positions);
static void write_row(CxsigStaging *staging, const CxsigAlertState *state);
static void write_tickets(const CxsigAlertState *state, Datum *tickets, Datum *positions);
static void prepare_write(void);

CxsigAlertState *
cxsig_alert_state_create(void)
{
	if (alert_context == NULL)
		alert_context =
			AllocSetContextCreate(TopMemoryContext, "cxsig alerts", ALLOCSET_DEFAULT_SIZES);
	return MemoryContextAllocZero(alert_context, sizeof(CxsigAlertState));
}

void
cxsig_alert_state_free(CxsigAlertState *state)
{
	if (state->dirty)
	{
		dlist_delete(&state->node);
		n_changed--;
	}
	for (int i = 0; i < state->n_tickets; i++)
		pfree(state->tickets[i].ticket_id);
	if (state->tickets != NULL)
		pfree(state->tickets);
	pfree(state->key);
	pfree(state->condition);
	pfree(state->ticket_id);
	if (state->account_id != NULL)
		pfree(state->account_id);
	pfree(state);
}

char *
cxsig_alert_state_string(const char *string)
{
	return string == NULL ? NULL : MemoryContextStrdup(alert_context, string);
}

void
cxsig_alert_state_add_ticket(CxsigAlertState *state, const char *ticket_id, int64 position)
{
	int i = cxsig_alert_state_find_ticket(state, ticket_id);

	if (i < 0 && state->n_tickets == CXSIG_ALERT_TICKETS)
		return;
	state->tickets_changed = true;
	if (i >= 0)
	{
		state->tickets[i].position = Max(state->tickets[i].position, position);
		return;
	}
	if (state->n_tickets == state->capacity)
	{
		state->capacity = Max(state->capacity * 2, 1);
		state->tickets =
			state->tickets == NULL
				? MemoryContextAlloc(alert_context, state->capacity * sizeof(CxsigAlertTicket))
				: repalloc(state->tickets, state->capacity * sizeof(CxsigAlertTicket));
	}
	state->tickets[state->n_tickets].ticket_id = cxsig_alert_state_string(ticket_id);
	state->tickets[state->n_tickets++].position = position;
}

int
cxsig_alert_state_find_ticket(const CxsigAlertState *state, const char *ticket_id)
{
	for (int i = 0; i < state->n_tickets; i++)
	{
		if (strcmp(state->tickets[i].ticket_id, ticket_id) == 0)
			return i;
	}
	return -1;
}

void
cxsig_alert_state_remove_ticket(CxsigAlertState *state, int i)
{
	pfree(state->tickets[i].ticket_id);
	state->tickets[i] = state->tickets[--state->n_tickets];
	state->tickets_changed = true;
}

void
cxsig_alert_state_touch(CxsigAlertState *state)
{
	if (state->dirty)
		return;
	state->dirty = true;
	dlist_push_tail(&changed, &state->node);
	n_changed++;
}

void
cxsig_alert_state_read(const CxsigDestination *destination, const char *condition,
					   void (*take)(CxsigAlertState *state, void *arg), void *arg)
{
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(destination->id), CStringGetTextDatum(condition)};

	if (SPI_execute_with_args(SQL_READ, lengthof(types), types, values, NULL, true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read alerts");
	for (uint64 i = 0; i < SPI_processed; i++)
		take(read_row(SPI_tuptable->vals[i], SPI_tuptable->tupdesc), arg);
}

static CxsigAlertState *
read_row(HeapTuple row, TupleDesc desc)
{
	CxsigAlertState *state = cxsig_alert_state_create();
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS];
	int i = 0;

	heap_deform_tuple(row, desc, values, nulls);
	state->destination_id = DatumGetInt32(values[i++]);
	state->position = DatumGetInt64(values[i++]);
	state->key = cxsig_alert_state_string(TextDatumGetCString(values[i++]));
	state->condition = cxsig_alert_state_string(TextDatumGetCString(values[i++]));
	state->event_id = *DatumGetUUIDP(values[i++]);
	state->last_event_id = *DatumGetUUIDP(values[i++]);
	state->ticket_id = cxsig_alert_state_string(TextDatumGetCString(values[i++]));
	if (!nulls[i])
		state->account_id = cxsig_alert_state_string(TextDatumGetCString(values[i]));
	i++;
	state->occurred_at = DatumGetTimestampTz(values[i++]);
	state->recorded_at = DatumGetTimestampTz(values[i++]);
	state->last_sent_at = DatumGetTimestampTz(values[i++]);
	state->last_signal_at = DatumGetTimestampTz(values[i++]);
	state->folded = DatumGetInt64(values[i++]);
	state->folded_in_all = DatumGetInt64(values[i++]);
	i += 2; /* it is open */
	read_tickets(state, values[i], values[i + 1]);
	return state;
}

static void
read_tickets(CxsigAlertState *state, Datum tickets, Datum positions)
{
	Datum *ids;
	Datum *values;
	int n;
	int n_values;

	deconstruct_array(DatumGetArrayTypeP(tickets), TEXTOID, -1, false, TYPALIGN_INT, &ids, NULL,
					  &n);
	deconstruct_array(DatumGetArrayTypeP(positions), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &values, NULL, &n_values);
	for (int i = 0; i < Min(n, n_values); i++)
		cxsig_alert_state_add_ticket(state, TextDatumGetCString(ids[i]), DatumGetInt64(values[i]));
	state->tickets_changed = false;
}

void
cxsig_alerts_write(void)
{
	CxsigStaging *staging;
	dlist_iter iter;

	if (n_changed == 0)
		return;
	prepare_write();
	staging = cxsig_staging_begin("alerts", staging_desc, n_changed);
	dlist_foreach (iter, &changed)
		write_row(staging, dlist_container(CxsigAlertState, node, iter.cur));
	if (write_plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(SQL_WRITE, 0, NULL);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the alert statement: %s",
				 SPI_result_code_string(SPI_result));
		write_plan = plan;
	}
	if (SPI_execute_plan(write_plan, NULL, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write alerts");
	cxsig_staging_end(staging);
}

static void
prepare_write(void)
{
	MemoryContext old;
	TupleDesc desc;

	if (staging_desc != NULL)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	desc = CreateTemplateTupleDesc(N_COLUMNS);
	for (int i = 0; i < (int) N_COLUMNS; i++)
		TupleDescInitEntry(desc, i + 1, columns[i].name, columns[i].type, -1,
						   columns[i].type == TEXTARRAYOID || columns[i].type == INT8ARRAYOID);
	staging_desc = desc;
	MemoryContextSwitchTo(old);
}

static void
write_row(CxsigStaging *staging, const CxsigAlertState *state)
{
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS] = {false};
	int i = 0;

	values[i++] = Int32GetDatum(state->destination_id);
	values[i++] = Int64GetDatum(state->position);
	values[i++] = CStringGetTextDatum(state->key);
	values[i++] = CStringGetTextDatum(state->condition);
	values[i++] = UUIDPGetDatum(&state->event_id);
	values[i++] = UUIDPGetDatum(&state->last_event_id);
	values[i++] = CStringGetTextDatum(state->ticket_id);
	nulls[i] = state->account_id == NULL;
	values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(state->account_id);
	i++;
	values[i++] = TimestampTzGetDatum(state->occurred_at);
	values[i++] = TimestampTzGetDatum(state->recorded_at);
	values[i++] = TimestampTzGetDatum(state->last_sent_at);
	values[i++] = TimestampTzGetDatum(state->last_signal_at);
	values[i++] = Int64GetDatum(state->folded);
	values[i++] = Int64GetDatum(state->folded_in_all);
	nulls[i] = nulls[i + 1] = state->resolved_at == 0;
	values[i++] = TimestampTzGetDatum(state->resolved_at);
	values[i++] = UUIDPGetDatum(&state->resolved_by);
	nulls[i] = nulls[i + 1] = !state->tickets_changed;
	if (state->tickets_changed)
		write_tickets(state, &values[i], &values[i + 1]);
	cxsig_staging_put(staging, values, nulls);
}

static void
write_tickets(const CxsigAlertState *state, Datum *tickets, Datum *positions)
{
	Datum *ids = palloc(Max(state->n_tickets, 1) * sizeof(Datum));
	Datum *values = palloc(Max(state->n_tickets, 1) * sizeof(Datum));

	for (int i = 0; i < state->n_tickets; i++)
	{
		ids[i] = CStringGetTextDatum(state->tickets[i].ticket_id);
		values[i] = Int64GetDatum(state->tickets[i].position);
	}
	*tickets =
		PointerGetDatum(construct_array(ids, state->n_tickets, TEXTOID, -1, false, TYPALIGN_INT));
	*positions = PointerGetDatum(construct_array(values, state->n_tickets, INT8OID, sizeof(int64),
												 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

void
cxsig_alerts_written(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &changed)
	{
		CxsigAlertState *state = dlist_container(CxsigAlertState, node, iter.cur);

		dlist_delete(&state->node);
		n_changed--;
		state->dirty = false;
		state->tickets_changed = false;
		if (state->resolved_at != 0)
			cxsig_alert_state_free(state);
	}
}
