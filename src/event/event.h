/*
 * event.h
 *	  The canonical event in C: one row of cxsig.event, read once and rendered for any destination.
 *
 * Reading, rendering and mapping run in any backend and in the dispatcher. They touch no table:
 * the caller selects CXSIG_EVENT_COLUMNS and hands over the tuple.
 */
#ifndef CXSIG_EVENT_H
#define CXSIG_EVENT_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/jsonpath.h"
#include "utils/uuid.h"

/*
 * The select list that cxsig_event_read understands, of the table or alias e. Everything that is
 * not a timestamp, uuid, number or boolean is text, so that one detoasted copy is all it takes.
 */
#define CXSIG_EVENT_COLUMNS                                                                       \
	"e.event_id, e.event_type::pg_catalog.text, e.schema_version, e.occurred_at, e.recorded_at, " \
	"e.source_system::pg_catalog.text, e.ticket_id::pg_catalog.text, "                            \
	"e.account_id::pg_catalog.text, e.version, e.idempotency_key::pg_catalog.text, "              \
	"e.sentiment::pg_catalog.text, e.sentiment_start::pg_catalog.text, "                          \
	"e.sentiment_end::pg_catalog.text, e.churn_risk::pg_catalog.text, "                           \
	"e.churn_score::pg_catalog.float8, e.effort::pg_catalog.text, "                               \
	"e.effort_score::pg_catalog.float8, e.confidence::pg_catalog.float8, e.model, "               \
	"e.canonical_tag, e.driver, pg_catalog.array_to_json(e.raw_tags)::pg_catalog.text, "          \
	"e.custom_metrics::pg_catalog.text, e.evidence_url::pg_catalog.text, "                        \
	"pg_catalog.array_to_json(e.quotes)::pg_catalog.text, e.account::pg_catalog.text, "           \
	"e.corrects, e.traceparent, e.tracestate, e.backfill, e.stale"
#define CXSIG_EVENT_NCOLUMNS 31

/* A canonical event. Strings are NUL-terminated, NULL where the column is null. */
typedef struct CxsigEvent
{
	pg_uuid_t event_id;
	char *event_type;
	int schema_version;
	TimestampTz occurred_at;
	TimestampTz recorded_at;
	char *source_system;
	char *ticket_id;
	char *account_id;
	int64 version;
	char *idempotency_key;
	char *sentiment;
	char *sentiment_start;
	char *sentiment_end;
	char *churn_risk;
	double churn_score; /* NaN where null */
	char *effort;
	double effort_score; /* NaN where null */
	double confidence;	 /* NaN where null */
	char *model;
	char *canonical_tag;
	char *driver;
	char *raw_tags;		  /* JSON array text */
	char *custom_metrics; /* JSON object text */
	char *evidence_url;
	char *quotes;  /* JSON array text */
	char *account; /* JSON object text */
	bool has_corrects;
	pg_uuid_t corrects;
	char *traceparent;
	char *tracestate;
	bool backfill;
	bool stale;
} CxsigEvent;

typedef enum CxsigProjection
{
	CXSIG_PROJECTION_CRM,
	CXSIG_PROJECTION_BI,
	CXSIG_PROJECTION_OPS
} CxsigProjection;

/* A mapping template and a filter made ready: see mapping.c and filter.c. */
typedef struct CxsigMapping CxsigMapping;
typedef struct CxsigFilter CxsigFilter;

/*
 * What a destination sends of an event, made ready once per configuration: a projection, or
 * a mapping where that is not NULL; and the filter, NULL for every event.
 */
typedef struct CxsigView
{
	CxsigProjection projection;
	CxsigMapping *mapping;
	CxsigFilter *filter;
} CxsigView;

/*
 * Read an event from a tuple whose columns first_column.. are CXSIG_EVENT_COLUMNS. The event is
 * ONE palloc'd chunk in the current context, strings included: pfree() frees all of it.
 */
extern CxsigEvent *cxsig_event_read(HeapTuple tuple, TupleDesc desc, int first_column);

/*
 * The event of that id, in the current context, or NULL. In a backend: connects to SPI, and needs the
 * right to read cxsig.event.
 */
extern CxsigEvent *cxsig_event_find(const pg_uuid_t *id);

/* "crm", "bi", "ops" to the enum; ERROR invalid_parameter_value naming "projection" otherwise. */
extern CxsigProjection cxsig_projection_parse(const char *name);

/*
 * Make a template ready in the current context. String leaves starting with "$" are jsonpath into
 * the canonical event, every other leaf is taken as it stands ("$$x" stands for the string "$x").
 * ERROR naming the key of a leaf whose jsonpath does not parse.
 */
extern CxsigMapping *cxsig_mapping_prepare(Jsonb *template);

/*
 * Make a filter ready in the current context. A predicate such as $.churn_risk == "high" lets an
 * event pass where it is true; any other path, where it finds something. ERROR where it names a
 * variable: there are none.
 */
extern CxsigFilter *cxsig_filter_prepare(JsonPath *path);

/*
 * Append the JSON object that the view makes of the event: the bytes that are sent as data. The
 * same event and view always give the same bytes. Uses scratch memory in the current context.
 */
extern void cxsig_event_render(const CxsigView *view, const CxsigEvent *event, StringInfo out);

/*
 * Does the view's filter let the event pass? A path that fails on this event does not match. Leaves
 * no memory behind.
 */
extern bool cxsig_event_matches(const CxsigView *view, const CxsigEvent *event);

/* Append a timestamp as RFC 3339 in UTC with microseconds, without quotes. */
extern void cxsig_append_timestamp(StringInfo out, TimestampTz at);

/* Append a uuid in its usual form, without quotes. */
extern void cxsig_append_uuid(StringInfo out, const pg_uuid_t *uuid);

/* A new UUIDv7 for the given time; ids made by one backend ascend. */
extern pg_uuid_t cxsig_uuid_v7(TimestampTz at);

#endif
