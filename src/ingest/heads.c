/*
 * heads.c
 *	  Reads the newest event of tickets back into signals.
 *
 * Runs in the backend of the caller, which holds the row locks of the tickets, so that what is read
 * is the newest until its transaction ends. Takes ACCESS SHARE on the tables it reads.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "ingest/emit.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Columns of heads_query, from 1. */
enum
{
	HEAD_EVENT_ID = 1,
	HEAD_EVENT_TYPE,
	HEAD_VERSION,
	HEAD_TAG_GIVEN,
	HEAD_OCCURRED_AT,
	HEAD_SOURCE_SYSTEM,
	HEAD_TICKET_ID,
	HEAD_ACCOUNT_ID,
	HEAD_EVIDENCE_URL,
	HEAD_SENTIMENT,
	HEAD_SENTIMENT_START,
	HEAD_SENTIMENT_END,
	HEAD_CHURN_RISK,
	HEAD_CHURN_SCORE,
	HEAD_EFFORT,
	HEAD_EFFORT_SCORE,
	HEAD_CONFIDENCE,
	HEAD_MODEL,
	HEAD_CANONICAL_TAG,
	HEAD_DRIVER,
	HEAD_RAW_TAGS,
	HEAD_CUSTOM_METRICS,
	HEAD_QUOTES,
	HEAD_BACKFILL
};

/*
 * Was the canonical tag given by the producer? The first raw tag that had a mapping when the event
 * was recorded (else it would be in unmapped_tag) decides: where its mapping has not changed since,
 * it must have given that tag. Where it has changed, the tag is taken for a derived one.
 */
static const char heads_query[] =
	"select e.event_id, e.event_type::pg_catalog.text, e.version, "
	"e.canonical_tag is not null and e.event_type operator(pg_catalog.<>) 'signal.remapped' "
	"and coalesce((select case when m.mapped_at operator(pg_catalog.<=) e.recorded_at "
	"then m.canonical_tag operator(pg_catalog.<>) e.canonical_tag else false end "
	"from pg_catalog.unnest(e.raw_tags) with ordinality x (tag, n) "
	"left join lateral (select g.canonical_tag, g.mapped_at from cxsig.tag_mapping g "
	"where g.raw_tag operator(pg_catalog.=) cxsig.fold(x.tag) "
	"and g.source_system operator(pg_catalog.=) any (array[e.source_system, '*']) "
	"order by g.source_system operator(pg_catalog.=) '*' limit 1) m on true "
	"where not exists (select from cxsig.unmapped_tag u "
	"where u.source_system operator(pg_catalog.=) e.source_system "
	"and u.raw_tag operator(pg_catalog.=) cxsig.fold(x.tag) "
	"and u.recorded_at operator(pg_catalog.=) e.recorded_at "
	"and u.event_id operator(pg_catalog.=) e.event_id) order by x.n limit 1), true), "
	"e.occurred_at, e.source_system::pg_catalog.text, e.ticket_id::pg_catalog.text, "
	"e.account_id::pg_catalog.text, e.evidence_url::pg_catalog.text, "
	"e.sentiment::pg_catalog.text, e.sentiment_start::pg_catalog.text, "
	"e.sentiment_end::pg_catalog.text, e.churn_risk::pg_catalog.text, "
	"e.churn_score::pg_catalog.float8, e.effort::pg_catalog.text, "
	"e.effort_score::pg_catalog.float8, e.confidence::pg_catalog.float8, e.model, "
	"e.canonical_tag, e.driver, e.raw_tags, e.custom_metrics, e.quotes, e.backfill "
	"from pg_catalog.unnest($1) with ordinality t (ticket_id, n) "
	"cross join lateral (select r.head_event_id, r.head_recorded_at from cxsig.ticket_revision r "
	"where r.ticket_id operator(pg_catalog.=) t.ticket_id order by r.ordinal desc limit 1) h "
	"join cxsig.event e on e.event_id operator(pg_catalog.=) h.head_event_id "
	"and e.recorded_at operator(pg_catalog.=) h.head_recorded_at order by t.n";

static void head_fill(CxsigHead *head, HeapTuple tuple, TupleDesc desc);
static void head_fill_signal(CxsigSignal *signal, HeapTuple tuple, TupleDesc desc);
static char *head_text(HeapTuple tuple, TupleDesc desc, int column);
static CxsigString head_string(HeapTuple tuple, TupleDesc desc, int column);
static double head_score(HeapTuple tuple, TupleDesc desc, int column);
static CxsigString *head_list(HeapTuple tuple, TupleDesc desc, int column, int *n);

CxsigHead *
cxsig_heads_read(const CxsigString *ids, int n, int *found)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext spi;
	Oid type = TEXTARRAYOID;
	Datum *elements = palloc(sizeof(Datum) * n);
	Datum argument;
	CxsigHead *heads;
	SPIPlanPtr plan;
	uint64 row;
	int i;

	for (i = 0; i < n; i++)
		elements[i] = PointerGetDatum(cstring_to_text_with_len(ids[i].data, ids[i].len));
	argument = PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));

	SPI_connect();
	plan = SPI_prepare(heads_query, 1, &type);
	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
	if (SPI_execute_snapshot(plan, &argument, NULL, GetLatestSnapshot(), InvalidSnapshot, false,
							 false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the newest events");
	*found = (int) SPI_processed;
	spi = MemoryContextSwitchTo(caller);
	heads = palloc(sizeof(CxsigHead) * (*found + 1));
	for (row = 0; row < SPI_processed; row++)
		head_fill(&heads[row], SPI_tuptable->vals[row], SPI_tuptable->tupdesc);
	MemoryContextSwitchTo(spi);
	SPI_finish();
	return heads;
}

static void
head_fill(CxsigHead *head, HeapTuple tuple, TupleDesc desc)
{
	bool isnull;

	head->event_id = *DatumGetUUIDP(SPI_getbinval(tuple, desc, HEAD_EVENT_ID, &isnull));
	head->event_type = head_text(tuple, desc, HEAD_EVENT_TYPE);
	head->version = DatumGetInt64(SPI_getbinval(tuple, desc, HEAD_VERSION, &isnull));
	head->tag_given = DatumGetBool(SPI_getbinval(tuple, desc, HEAD_TAG_GIVEN, &isnull));
	head_fill_signal(&head->signal, tuple, desc);
}

static void
head_fill_signal(CxsigSignal *signal, HeapTuple tuple, TupleDesc desc)
{
	Datum value;
	bool isnull;

	cxsig_signal_init(signal);
	value = SPI_getbinval(tuple, desc, HEAD_OCCURRED_AT, &isnull);
	signal->occurred_at = DatumGetTimestampTz(value);
	signal->source_system = head_string(tuple, desc, HEAD_SOURCE_SYSTEM);
	signal->ticket_id = head_string(tuple, desc, HEAD_TICKET_ID);
	signal->account_id = head_string(tuple, desc, HEAD_ACCOUNT_ID);
	signal->evidence_url = head_string(tuple, desc, HEAD_EVIDENCE_URL);
	signal->sentiment = head_text(tuple, desc, HEAD_SENTIMENT);
	signal->sentiment_start = head_text(tuple, desc, HEAD_SENTIMENT_START);
	signal->sentiment_end = head_text(tuple, desc, HEAD_SENTIMENT_END);
	signal->churn_risk = head_text(tuple, desc, HEAD_CHURN_RISK);
	signal->churn_score = head_score(tuple, desc, HEAD_CHURN_SCORE);
	signal->effort = head_text(tuple, desc, HEAD_EFFORT);
	signal->effort_score = head_score(tuple, desc, HEAD_EFFORT_SCORE);
	signal->confidence = head_score(tuple, desc, HEAD_CONFIDENCE);
	signal->model = head_string(tuple, desc, HEAD_MODEL);
	signal->canonical_tag = head_string(tuple, desc, HEAD_CANONICAL_TAG);
	signal->driver = head_string(tuple, desc, HEAD_DRIVER);
	signal->raw_tags = head_list(tuple, desc, HEAD_RAW_TAGS, &signal->n_raw_tags);
	signal->quotes = head_list(tuple, desc, HEAD_QUOTES, &signal->n_quotes);
	value = SPI_getbinval(tuple, desc, HEAD_CUSTOM_METRICS, &isnull);
	if (!isnull)
		signal->custom_metrics = DatumGetJsonbPCopy(value);
	value = SPI_getbinval(tuple, desc, HEAD_BACKFILL, &isnull);
	signal->backfill = DatumGetBool(value);
}

static char *
head_text(HeapTuple tuple, TupleDesc desc, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(tuple, desc, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static CxsigString
head_string(HeapTuple tuple, TupleDesc desc, int column)
{
	return cxsig_string(head_text(tuple, desc, column));
}

static double
head_score(HeapTuple tuple, TupleDesc desc, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(tuple, desc, column, &isnull);

	return isnull ? NAN : DatumGetFloat8(value);
}

static CxsigString *
head_list(HeapTuple tuple, TupleDesc desc, int column, int *n)
{
	CxsigString *list;
	Datum *values;
	bool *nulls;
	bool isnull;
	Datum array = SPI_getbinval(tuple, desc, column, &isnull);
	int i;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls,
					  n);
	list = palloc(sizeof(CxsigString) * (*n + 1));
	for (i = 0; i < *n; i++)
		list[i] = cxsig_string(nulls[i] ? pstrdup("") : TextDatumGetCString(values[i]));
	return list;
}
