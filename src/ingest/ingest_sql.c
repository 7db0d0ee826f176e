/*
 * ingest_sql.c
 *	  cxsig.ingest and cxsig.ingest_batch, and the way in that they share with the import view.
 *
 * Runs in the backend of the caller, as the owner of the extension (SECURITY DEFINER). Takes the
 * locks of record.c, no other.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ingest/ingest.h"
#include "ingest/taxonomy.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

static CxsigOnError ingest_on_error(FunctionCallInfo fcinfo, int argument);
static Jsonb *ingest_argument(FunctionCallInfo fcinfo, int argument, const char *name);
static JsonbValue *ingest_elements(Jsonb *array, int *n);
static Datum ingest_outcome(Oid type, CxsigOutcome outcome);

PG_FUNCTION_INFO_V1(cxsig_ingest);
PG_FUNCTION_INFO_V1(cxsig_ingest_batch);
PG_FUNCTION_INFO_V1(cxsig_fold);

/* ingest(event jsonb, on_error text) returns ingest_result */
Datum
cxsig_ingest(PG_FUNCTION_ARGS)
{
	JsonbValue input;
	CxsigResult result;
	CxsigOnError on_error = ingest_on_error(fcinfo, 1);
	TupleDesc desc;

	JsonbToJsonbValue(ingest_argument(fcinfo, 0, "event"), &input);
	/* a scalar is kept inside an array of one; taken out, it can be told from an array */
	if (input.type == jbvBinary && JsonContainerIsScalar(input.val.binary.data))
		(void) JsonbExtractScalar(input.val.binary.data, &input);
	cxsig_ingest_inputs(&input, 1, on_error, false, &result);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(cxsig_result_row(&result, desc));
}

/* ingest_batch(events jsonb, on_error text) returns setof ingest_result */
Datum
cxsig_ingest_batch(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	CxsigOnError on_error = ingest_on_error(fcinfo, 1);
	JsonbValue *inputs;
	CxsigResult *results;
	int n;
	int i;

	inputs = ingest_elements(ingest_argument(fcinfo, 0, "events"), &n);
	InitMaterializedSRF(fcinfo, 0);
	results = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(CxsigResult) * (Size) (n + 1));
	cxsig_ingest_inputs(inputs, n, on_error, true, results);
	for (i = 0; i < n; i++)
	{
		Datum values[4];
		bool nulls[4];

		cxsig_result_values(&results[i], set->setDesc, values, nulls);
		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* fold(text): how raw tags and values are compared. */
Datum
cxsig_fold(PG_FUNCTION_ARGS)
{
	text *input = PG_GETARG_TEXT_PP(0);
	CxsigString given;
	CxsigString folded;

	given.data = VARDATA_ANY(input);
	given.len = VARSIZE_ANY_EXHDR(input);
	folded = cxsig_scan_fold(given);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(folded.data, folded.len));
}

static CxsigOnError
ingest_on_error(FunctionCallInfo fcinfo, int argument)
{
	char *given = PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));

	if (given != NULL && strcmp(given, "raise") == 0)
		return CXSIG_ON_ERROR_RAISE;
	if (given != NULL && strcmp(given, "quarantine") == 0)
		return CXSIG_ON_ERROR_QUARANTINE;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					given != NULL
						? errmsg("on_error has value \"%s\"", cxsig_scan_cut(cxsig_string(given)))
						: errmsg("on_error is null"),
					errhint("Allowed are \"raise\" and \"quarantine\".")));
}

static Jsonb *
ingest_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s is null", name),
						errhint("Give the signal as a JSON object, or an array of them to "
								"cxsig.ingest_batch().")));
	return PG_GETARG_JSONB_P(argument);
}

static JsonbValue *
ingest_elements(Jsonb *array, int *n)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue element;
	JsonbValue *inputs;

	if (!JB_ROOT_IS_ARRAY(array) || JB_ROOT_IS_SCALAR(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("events is not a JSON array"),
				 errhint("Give an array of objects, or one object to cxsig.ingest().")));
	inputs = MemoryContextAllocHuge(CurrentMemoryContext,
									sizeof(JsonbValue) * (Size) (JB_ROOT_COUNT(array) + 1));
	*n = 0;
	iterator = JsonbIteratorInit(&array->root);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			inputs[(*n)++] = element;
	}
	return inputs;
}

void
cxsig_ingest_inputs(JsonbValue *inputs, int n, CxsigOnError on_error, bool batch,
					CxsigResult *results)
{
	CxsigSignal *signals =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(CxsigSignal) * (Size) (n + 1));
	CxsigReject *rejects = NULL;
	TimestampTz now = GetCurrentTimestamp();
	int n_signals = 0;
	int n_rejects = 0;
	int i;

	cxsig_taxonomy_refresh();
	for (i = 0; i < n; i++)
	{
		CxsigProblem problem;

		CHECK_FOR_INTERRUPTS();
		if (cxsig_signal_read(&inputs[i], now, &signals[n_signals], &problem))
		{
			signals[n_signals++].place = i;
			continue;
		}
		if (on_error == CXSIG_ON_ERROR_RAISE)
			cxsig_problem_raise(&problem, batch ? i + 1 : 0);
		if (rejects == NULL)
			rejects =
				MemoryContextAllocHuge(CurrentMemoryContext, sizeof(CxsigReject) * (Size) (n - i));
		rejects[n_rejects].input = &inputs[i];
		rejects[n_rejects++].problem = problem;
		memset(&results[i], 0, sizeof(CxsigResult));
		results[i].outcome = CXSIG_QUARANTINED;
		results[i].detail = problem.reason;
	}
	cxsig_record(signals, n_signals, results);
	cxsig_record_rejects(rejects, n_rejects);
}

Datum
cxsig_result_row(const CxsigResult *result, TupleDesc desc)
{
	Datum values[4];
	bool nulls[4];

	cxsig_result_values(result, desc, values, nulls);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

void
cxsig_result_values(const CxsigResult *result, TupleDesc desc, Datum *values, bool *nulls)
{
	memset(nulls, false, sizeof(bool) * 4);
	values[0] = UUIDPGetDatum(&result->event_id);
	nulls[0] = !result->has_event;
	values[1] = ingest_outcome(TupleDescAttr(desc, 1)->atttypid, result->outcome);
	values[2] = Int64GetDatum(result->version);
	nulls[2] = result->version == 0;
	nulls[3] = result->detail == NULL;
	if (!nulls[3])
		values[3] = CStringGetTextDatum(result->detail);
}

static Datum
ingest_outcome(Oid type, CxsigOutcome outcome)
{
	const char *label = cxsig_outcome_label(outcome);
	HeapTuple tuple;
	Oid value;

	tuple = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), CStringGetDatum(label));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cxsig.ingest_outcome has no label \"%s\"", label);
	value = ((Form_pg_enum) GETSTRUCT(tuple))->oid;
	ReleaseSysCache(tuple);
	return ObjectIdGetDatum(value);
}
