/*
 * import.c
 *	  The triggers of the view cxsig.signal_import: rows of a COPY or INSERT become signals.
 *
 * Runs in the backend of the caller. The row trigger collects rows, and ingests them as one batch
 * whenever enough have come together; the statement trigger ingests the rest and says what became
 * of them. Takes the locks of record.c, no other.
 *
 * What a statement has collected hangs on the memory of its (sub)transaction, so an error leaves
 * nothing behind; a statement inside another one's subtransaction collects on its own.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "ingest/ingest.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define IMPORT_CHUNK 10000

typedef struct ImportState
{
	struct ImportState *outer;
	SubTransactionId subtransaction;
	MemoryContext context;	 /* of this struct */
	MemoryContext collected; /* of the rows; reset after each chunk */
	MemoryContextCallback forget;
	JsonbValue *inputs;
	int n;
	uint64 total;
	uint64 counts[CXSIG_OUTCOMES];
} ImportState;

/* The innermost statement that is collecting. */
static ImportState *import_states = NULL;

static TriggerData *import_trigger(FunctionCallInfo fcinfo, bool row);
static ImportState *import_find(void);
static ImportState *import_begin(void);
static void import_forget(void *state);
static JsonbValue import_read_row(HeapTuple tuple, TupleDesc desc);
static void import_flush(ImportState *state);

PG_FUNCTION_INFO_V1(cxsig_import_row);
PG_FUNCTION_INFO_V1(cxsig_import_end);

/* INSTEAD OF INSERT, for each row */
Datum
cxsig_import_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = import_trigger(fcinfo, true);
	ImportState *state = import_find();
	MemoryContext old;

	if (state == NULL)
		state = import_begin();
	old = MemoryContextSwitchTo(state->collected);
	if (state->inputs == NULL)
		state->inputs = palloc(sizeof(JsonbValue) * IMPORT_CHUNK);
	state->inputs[state->n++] =
		import_read_row(trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation));
	MemoryContextSwitchTo(old);
	if (state->n == IMPORT_CHUNK)
		import_flush(state);
	return PointerGetDatum(trigger->tg_trigtuple);
}

/* AFTER INSERT, for the statement */
Datum
cxsig_import_end(PG_FUNCTION_ARGS)
{
	ImportState *state;

	(void) import_trigger(fcinfo, false);
	state = import_find();
	if (state == NULL)
		return PointerGetDatum(NULL);
	import_flush(state);
	ereport(NOTICE,
			(errmsg("signal_import: %llu rows: %llu inserted, %llu duplicate, %llu conflict, "
					"%llu stale, %llu quarantined",
					(unsigned long long) state->total,
					(unsigned long long) state->counts[CXSIG_INSERTED],
					(unsigned long long) state->counts[CXSIG_DUPLICATE],
					(unsigned long long) state->counts[CXSIG_CONFLICT],
					(unsigned long long) state->counts[CXSIG_STALE],
					(unsigned long long) state->counts[CXSIG_QUARANTINED]),
			 state->counts[CXSIG_QUARANTINED] > 0
				 ? errhint("See cxsig.quarantined for what was refused and why.")
				 : 0));
	MemoryContextDelete(state->context);
	return PointerGetDatum(NULL);
}

static TriggerData *
import_trigger(FunctionCallInfo fcinfo, bool row)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		(row ? !(TRIGGER_FIRED_INSTEAD(trigger->tg_event) &&
				 TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
			 : !TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event)))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("this function can only be called as a trigger of "
							   "cxsig.signal_import")));
	return trigger;
}

/* The state of the statement that runs at this level; NULL before its first row. */
static ImportState *
import_find(void)
{
	if (import_states != NULL && import_states->subtransaction == GetCurrentSubTransactionId())
		return import_states;
	return NULL;
}

static ImportState *
import_begin(void)
{
	MemoryContext context =
		AllocSetContextCreate(CurTransactionContext, "cxsig import", ALLOCSET_SMALL_SIZES);
	ImportState *state = MemoryContextAllocZero(context, sizeof(ImportState));

	state->context = context;
	state->collected = AllocSetContextCreate(context, "cxsig import rows", ALLOCSET_DEFAULT_SIZES);
	state->subtransaction = GetCurrentSubTransactionId();
	state->forget.func = import_forget;
	state->forget.arg = state;
	MemoryContextRegisterResetCallback(context, &state->forget);
	state->outer = import_states;
	import_states = state;
	return state;
}

/* Memory goes, by the end of the statement or of its transaction. */
static void
import_forget(void *state)
{
	ImportState **link = &import_states;

	while (*link != NULL && *link != state)
		link = &(*link)->outer;
	if (*link != NULL)
		*link = (*link)->outer;
}

/* The row as an input: columns are fields; what is null or empty is absent. */
static JsonbValue
import_read_row(HeapTuple tuple, TupleDesc desc)
{
	JsonbParseState *parse = NULL;
	JsonbValue input;
	int i;

	(void) pushJsonbValue(&parse, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < desc->natts; i++)
	{
		JsonbValue part;
		bool isnull;
		char *content;
		Datum column = heap_getattr(tuple, i + 1, desc, &isnull);

		if (isnull)
			continue;
		content = TextDatumGetCString(column);
		if (cxsig_scan_trim(cxsig_string(content)).len == 0)
			continue;
		part.type = jbvString;
		part.val.string.val = NameStr(TupleDescAttr(desc, i)->attname);
		part.val.string.len = strlen(part.val.string.val);
		(void) pushJsonbValue(&parse, WJB_KEY, &part);
		part.val.string.val = content;
		part.val.string.len = strlen(content);
		(void) pushJsonbValue(&parse, WJB_VALUE, &part);
	}
	JsonbToJsonbValue(JsonbValueToJsonb(pushJsonbValue(&parse, WJB_END_OBJECT, NULL)), &input);
	return input;
}

/* Ingest what was collected, count what became of it, and start again. */
static void
import_flush(ImportState *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->collected);
	CxsigResult *results = palloc(sizeof(CxsigResult) * (state->n + 1));
	int i;

	cxsig_ingest_inputs(state->inputs, state->n, CXSIG_ON_ERROR_QUARANTINE, true, results);
	for (i = 0; i < state->n; i++)
		state->counts[results[i].outcome]++;
	state->total += state->n;
	state->n = 0;
	state->inputs = NULL;
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->collected);
}
