/*
 * validate.h
 *	  What the files that validate share: signal.c drives, validate_fields.c and validate_lists.c
 *	  hold a function per kind of field.
 */
#ifndef CXSIG_VALIDATE_H
#define CXSIG_VALIDATE_H

#include "ingest/signal.h"

typedef struct CxsigReading CxsigReading;

/* How a field is read. member: where in CxsigSignal it goes; limit: characters at most. */
typedef struct CxsigFieldRule
{
	const char *name;
	bool (*read)(CxsigReading *reading, JsonbValue *value);
	Size member;
	int limit;
} CxsigFieldRule;

/* An input while it is read. */
struct CxsigReading
{
	CxsigSignal *signal;
	CxsigProblem *problem;
	const CxsigFieldRule *rule;
	TimestampTz now;
};

/* A reader answers false after it has called this; it returns false to make that one line. */
extern bool cxsig_reading_refuse(CxsigReading *reading, int sqlstate, char *reason, char *hint);

/* Refuse with 'field "x" has value "..."'. */
extern bool cxsig_reading_refuse_value(CxsigReading *reading, int sqlstate, CxsigString value,
									   char *hint);

/* A scalar as trimmed text; false (refused) where it is an array or an object. */
extern bool cxsig_reading_text(CxsigReading *reading, JsonbValue *value, CxsigString *text);

/* A scalar as text, whatever it is; false where it is an array, an object or null. */
extern bool cxsig_scalar_text(const JsonbValue *value, CxsigString *text);

/* Kinds of fields. Each answers false after refusing. */
extern bool cxsig_read_text(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_name(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_canonical_tag(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_event_type(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_sentiment(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_churn_risk(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_effort(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_score(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_confidence(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_occurred_at(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_evidence_url(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_version(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_schema_version(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_backfill(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_traceparent(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_tracestate(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_raw_tags(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_quotes(CxsigReading *reading, JsonbValue *value);
extern bool cxsig_read_custom_metrics(CxsigReading *reading, JsonbValue *value);

/* The level that a score stands for. */
extern const char *cxsig_churn_level(double score);
extern const char *cxsig_effort_level(double score);

#endif
