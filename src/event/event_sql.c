/*
 * event_sql.c
 *	  The SQL functions that show an event, event_json() and preview(), and the one that tries a
 *	  filter on a row, for statements over many events.
 *
 * Run in the backend of whoever asks, the first two as SECURITY DEFINER: readers hold no privilege on
 * cxsig.event. They read that table with the caller's snapshot, and take its AccessShareLock as any
 * query does.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "event/event.h"
#include "event/path.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(cxsig_event_json);
PG_FUNCTION_INFO_V1(cxsig_preview);
PG_FUNCTION_INFO_V1(cxsig_row_matches);

/* How far an event's recorded_at may lie from the time in its id where nothing odd happened. */
#define ID_MARGIN USECS_PER_MINUTE

/* A filter made ready, kept from row to row of a statement; and the path it was made of. */
typedef struct RowFilter
{
	CxsigView view;
	JsonPath *path;
} RowFilter;

/* Saved plans of this backend: by id and time, which looks into a partition or two, and by id. */
static SPIPlanPtr narrow_plan = NULL;
static SPIPlanPtr wide_plan = NULL;

static CxsigEvent *run_find(SPIPlanPtr plan, Datum *args, MemoryContext context);
static SPIPlanPtr prepare_find(const char *condition, int n_args);
static TimestampTz time_of_id(const pg_uuid_t *id);
static void prepare_view(FunctionCallInfo fcinfo, CxsigView *view);
static const CxsigView *row_filter(FmgrInfo *function, JsonPath *path);

Datum
cxsig_event_json(PG_FUNCTION_ARGS)
{
	CxsigEvent *event = cxsig_event_find(PG_GETARG_UUID_P(0));

	if (event == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(cxsig_event_to_jsonb(event, CXSIG_ALL_MEMBERS));
}

Datum
cxsig_preview(PG_FUNCTION_ARGS)
{
	CxsigView view;
	CxsigEvent *event;
	StringInfoData out;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("event_id is null")));
	prepare_view(fcinfo, &view);
	event = cxsig_event_find(PG_GETARG_UUID_P(0));
	if (event == NULL)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("event_id \"%s\" is not in the log",
							   DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(0)))),
						errhint("Its partition may have been dropped by retention: see the "
								"setting cxsig.event_retention.")));
	if (!cxsig_event_matches(&view, event))
		PG_RETURN_NULL();
	initStringInfo(&out);
	cxsig_event_render(&view, event, &out);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data)));
}

/* The view that preview's arguments after the first describe: projection, mapping, filter. */
static void
prepare_view(FunctionCallInfo fcinfo, CxsigView *view)
{
	memset(view, 0, sizeof(*view));
	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("projection is null"),
						errhint("A projection is \"crm\", \"bi\" or \"ops\".")));
	view->projection = cxsig_projection_parse(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (!PG_ARGISNULL(2))
		view->mapping = cxsig_mapping_prepare(PG_GETARG_JSONB_P(2));
	if (!PG_ARGISNULL(3))
		view->filter = cxsig_filter_prepare(PG_GETARG_JSONPATH_P(3));
}

/*
 * cxsig._row_matches(event record, filter jsonpath): does the filter let the event pass whose
 * CXSIG_EVENT_COLUMNS make up the row? Null for a row of nulls, once the filter has been found sound.
 */
Datum
cxsig_row_matches(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	const CxsigView *view = row_filter(fcinfo->flinfo, PG_GETARG_JSONPATH_P(1));
	HeapTupleData tuple;
	TupleDesc desc;
	CxsigEvent *event;

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	tuple.t_data = header;
	if (heap_attisnull(&tuple, 1, NULL))
		PG_RETURN_NULL();
	desc =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	event = cxsig_event_read(&tuple, desc, 1);
	ReleaseTupleDesc(desc);
	PG_RETURN_BOOL(cxsig_event_matches(view, event));
}

/* The filter made ready once a statement, or again where the next row brings another. */
static const CxsigView *
row_filter(FmgrInfo *function, JsonPath *path)
{
	RowFilter *kept = function->fn_extra;
	MemoryContext before;

	if (kept != NULL && VARSIZE(kept->path) == VARSIZE(path) &&
		memcmp(kept->path, path, VARSIZE(path)) == 0)
		return &kept->view;
	before = MemoryContextSwitchTo(function->fn_mcxt);
	kept = palloc0(sizeof(RowFilter));
	kept->path = palloc(VARSIZE(path));
	memcpy(kept->path, path, VARSIZE(path));
	kept->view.filter = cxsig_filter_prepare(path);
	MemoryContextSwitchTo(before);
	function->fn_extra = kept;
	return &kept->view;
}

CxsigEvent *
cxsig_event_find(const pg_uuid_t *id)
{
	MemoryContext context = CurrentMemoryContext;
	CxsigEvent *event;
	Datum args[3];
	TimestampTz at = time_of_id(id);

	args[0] = UUIDPGetDatum(id);
	args[1] = TimestampTzGetDatum(at - ID_MARGIN);
	args[2] = TimestampTzGetDatum(at + ID_MARGIN);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (narrow_plan == NULL)
		narrow_plan = prepare_find("e.recorded_at operator(pg_catalog.>=) $2"
								   " and e.recorded_at operator(pg_catalog.<=) $3",
								   3);
	event = run_find(narrow_plan, args, context);
	if (event == NULL)
	{
		if (wide_plan == NULL)
			wide_plan = prepare_find("true", 1);
		event = run_find(wide_plan, args, context);
	}
	SPI_finish();
	return event;
}

/* Run one of the plans; the event lands in the given context, NULL where there is none. */
static CxsigEvent *
run_find(SPIPlanPtr plan, Datum *args, MemoryContext context)
{
	MemoryContext before;
	CxsigEvent *event;

	if (SPI_execute_plan(plan, args, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look up an event");
	if (SPI_processed == 0)
		return NULL;
	before = MemoryContextSwitchTo(context);
	event = cxsig_event_read(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	MemoryContextSwitchTo(before);
	return event;
}

/* A saved plan over cxsig.event e for $1, the id, and a further condition on $2 and $3. */
static SPIPlanPtr
prepare_find(const char *condition, int n_args)
{
	Oid types[3] = {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	char *query = psprintf("select " CXSIG_EVENT_COLUMNS
						   " from cxsig.event e where e.event_id operator(pg_catalog.=) $1"
						   " and %s",
						   condition);
	SPIPlanPtr plan = SPI_prepare(query, n_args, types);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare the lookup of an event");
	return plan;
}

/* The time in a UUIDv7; of any other id something that is a valid timestamp. */
static TimestampTz
time_of_id(const pg_uuid_t *id)
{
	int64 ms = 0;

	for (int i = 0; i < 6; i++)
		ms = (ms << 8) | id->data[i];
	return ms * 1000 - (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}
