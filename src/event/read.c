/*
 * read.c
 *	  One row of cxsig.event, copied out of its tuple into a CxsigEvent.
 *
 * Runs in the dispatcher for every event it sends, and in backends that look at one. Touches no
 * table, but a value stored out of line is fetched from its TOAST table, so a snapshot must be
 * active. Takes no lock of its own.
 *
 * An event outlives the transaction it was read in, and there are as many in memory as the windows
 * allow: each is one chunk, sized in a first pass over the row and filled in a second.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "event/event.h"
#include "utils/timestamp.h"

/* Columns of CXSIG_EVENT_COLUMNS, counted from 0. */
enum
{
	COLUMN_EVENT_ID = 0,
	COLUMN_SCHEMA_VERSION = 2,
	COLUMN_OCCURRED_AT = 3,
	COLUMN_RECORDED_AT = 4,
	COLUMN_VERSION = 8,
	COLUMN_CHURN_SCORE = 14,
	COLUMN_EFFORT_SCORE = 16,
	COLUMN_CONFIDENCE = 17,
	COLUMN_CORRECTS = 26,
	COLUMN_BACKFILL = 29,
	COLUMN_STALE = 30
};

/* Where each text column goes. */
typedef struct TextColumn
{
	int column;
	size_t offset;
} TextColumn;

static const TextColumn text_columns[] = {
	{1, offsetof(CxsigEvent, event_type)},		 {5, offsetof(CxsigEvent, source_system)},
	{6, offsetof(CxsigEvent, ticket_id)},		 {7, offsetof(CxsigEvent, account_id)},
	{9, offsetof(CxsigEvent, idempotency_key)},	 {10, offsetof(CxsigEvent, sentiment)},
	{11, offsetof(CxsigEvent, sentiment_start)}, {12, offsetof(CxsigEvent, sentiment_end)},
	{13, offsetof(CxsigEvent, churn_risk)},		 {15, offsetof(CxsigEvent, effort)},
	{18, offsetof(CxsigEvent, model)},			 {19, offsetof(CxsigEvent, canonical_tag)},
	{20, offsetof(CxsigEvent, driver)},			 {21, offsetof(CxsigEvent, raw_tags)},
	{22, offsetof(CxsigEvent, custom_metrics)},	 {23, offsetof(CxsigEvent, evidence_url)},
	{24, offsetof(CxsigEvent, quotes)},			 {25, offsetof(CxsigEvent, account)},
	{27, offsetof(CxsigEvent, traceparent)},	 {28, offsetof(CxsigEvent, tracestate)}};

/* Columns of the widest row that is taken apart on the stack. */
#define STACK_COLUMNS 64

static CxsigEvent *copy_event(Datum *values, const bool *nulls);
static double double_or_nan(Datum value, bool is_null);

CxsigEvent *
cxsig_event_read(HeapTuple tuple, TupleDesc desc, int first_column)
{
	Datum stack_values[STACK_COLUMNS];
	bool stack_nulls[STACK_COLUMNS];
	Datum *values = stack_values;
	bool *nulls = stack_nulls;
	CxsigEvent *event;

	if (first_column < 1 || first_column - 1 + CXSIG_EVENT_NCOLUMNS > desc->natts)
		elog(ERROR, "row has %d columns, an event needs %d from column %d on", desc->natts,
			 CXSIG_EVENT_NCOLUMNS, first_column);
	if (desc->natts > STACK_COLUMNS)
	{
		values = palloc(desc->natts * sizeof(Datum));
		nulls = palloc(desc->natts * sizeof(bool));
	}
	heap_deform_tuple(tuple, desc, values, nulls);
	event = copy_event(values + first_column - 1, nulls + first_column - 1);
	if (values != stack_values)
	{
		pfree(values);
		pfree(nulls);
	}
	return event;
}

/* The event as one chunk. Replaces text values by their detoasted form on the way. */
static CxsigEvent *
copy_event(Datum *values, const bool *nulls)
{
	bool detoasted[lengthof(text_columns)] = {false};
	size_t size = sizeof(CxsigEvent);
	CxsigEvent *event;
	char *at;

	for (size_t i = 0; i < lengthof(text_columns); i++)
	{
		int column = text_columns[i].column;
		struct varlena *packed;

		if (nulls[column])
			continue;
		packed = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(values[column]));
		detoasted[i] = (Pointer) packed != DatumGetPointer(values[column]);
		values[column] = PointerGetDatum(packed);
		size += VARSIZE_ANY_EXHDR(packed) + 1;
	}

	event = palloc(size);
	at = (char *) (event + 1);
	for (size_t i = 0; i < lengthof(text_columns); i++)
	{
		int column = text_columns[i].column;
		char **field = (char **) ((char *) event + text_columns[i].offset);
		struct varlena *packed = (struct varlena *) DatumGetPointer(values[column]);
		size_t len;

		if (nulls[column])
		{
			*field = NULL;
			continue;
		}
		len = VARSIZE_ANY_EXHDR(packed);
		memcpy(at, VARDATA_ANY(packed), len);
		at[len] = '\0';
		*field = at;
		at += len + 1;
		if (detoasted[i])
			pfree(packed);
	}

	event->event_id = *DatumGetUUIDP(values[COLUMN_EVENT_ID]);
	event->schema_version = DatumGetInt32(values[COLUMN_SCHEMA_VERSION]);
	event->occurred_at = DatumGetTimestampTz(values[COLUMN_OCCURRED_AT]);
	event->recorded_at = DatumGetTimestampTz(values[COLUMN_RECORDED_AT]);
	event->version = DatumGetInt64(values[COLUMN_VERSION]);
	event->churn_score = double_or_nan(values[COLUMN_CHURN_SCORE], nulls[COLUMN_CHURN_SCORE]);
	event->effort_score = double_or_nan(values[COLUMN_EFFORT_SCORE], nulls[COLUMN_EFFORT_SCORE]);
	event->confidence = double_or_nan(values[COLUMN_CONFIDENCE], nulls[COLUMN_CONFIDENCE]);
	event->has_corrects = !nulls[COLUMN_CORRECTS];
	if (event->has_corrects)
		event->corrects = *DatumGetUUIDP(values[COLUMN_CORRECTS]);
	event->backfill = DatumGetBool(values[COLUMN_BACKFILL]);
	event->stale = DatumGetBool(values[COLUMN_STALE]);
	return event;
}

/* A float8 column, NaN for null. */
static double
double_or_nan(Datum value, bool is_null)
{
	return is_null ? NAN : DatumGetFloat8(value);
}
