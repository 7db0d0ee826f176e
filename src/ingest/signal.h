/*
 * signal.h
 *	  A signal as a producer gave it, validated: what every way in ends in, and what record.c writes.
 *
 * Strings of a signal live in the current context of whoever made it, or in its input: both must
 * outlive the signal. Nothing here writes a table.
 */
#ifndef CXSIG_SIGNAL_H
#define CXSIG_SIGNAL_H

#include "datatype/timestamp.h"
#include "ingest/scan.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#define CXSIG_DIGEST_LENGTH 32
#define CXSIG_SCHEMA_VERSION 1
#define CXSIG_KEY_MAX 255

/* Fields of an input, in the order jsonb keeps keys in: by length, then by bytes. */
typedef enum CxsigField
{
	CXSIG_MODEL,
	CXSIG_DRIVER,
	CXSIG_EFFORT,
	CXSIG_QUOTES,
	CXSIG_VERSION_GIVEN,
	CXSIG_BACKFILL,
	CXSIG_RAW_TAGS,
	CXSIG_SENTIMENT,
	CXSIG_TICKET_ID,
	CXSIG_ACCOUNT_ID,
	CXSIG_CHURN_RISK,
	CXSIG_CONFIDENCE,
	CXSIG_EVENT_TYPE,
	CXSIG_TRACESTATE,
	CXSIG_CHURN_SCORE,
	CXSIG_OCCURRED_AT,
	CXSIG_TRACEPARENT,
	CXSIG_EFFORT_SCORE,
	CXSIG_EVIDENCE_URL,
	CXSIG_CANONICAL_TAG,
	CXSIG_SENTIMENT_END,
	CXSIG_SOURCE_SYSTEM,
	CXSIG_CUSTOM_METRICS,
	CXSIG_SCHEMA_VERSION_GIVEN,
	CXSIG_IDEMPOTENCY_KEY,
	CXSIG_SENTIMENT_START,
	CXSIG_FIELDS
} CxsigField;

/* Levels are static labels of the enums, NULL where absent; scores are NaN where absent. */
typedef struct CxsigSignal
{
	int place;		   /* of its result, from 0 */
	JsonbValue *input; /* NULL for what cxsig makes itself */

	CxsigString source_system;
	CxsigString ticket_id;
	TimestampTz occurred_at;
	CxsigString evidence_url;
	CxsigString account_id;
	int64 version; /* 0 until record.c counts it, unless given */
	bool version_given;
	CxsigString idempotency_key;
	const char *event_type;
	const char *sentiment;
	const char *sentiment_start;
	const char *sentiment_end;
	const char *churn_risk;
	double churn_score;
	const char *effort;
	double effort_score;
	double confidence;
	CxsigString model;
	CxsigString canonical_tag;
	CxsigString driver;
	CxsigString *raw_tags;
	int n_raw_tags;
	Jsonb *custom_metrics;
	CxsigString *quotes;
	int n_quotes;
	CxsigString traceparent;
	CxsigString tracestate;
	bool backfill;
	bool corrects_set;
	pg_uuid_t corrects;

	CxsigString *unmapped; /* folded raw tags without a mapping, each once */
	int n_unmapped;
	uint8 digest[CXSIG_DIGEST_LENGTH];
} CxsigSignal;

/* What is wrong with an input. Strings are in the context that was current while reading it. */
typedef struct CxsigProblem
{
	int sqlstate;
	const char *field; /* NULL: the input as a whole */
	char *reason;	   /* goes behind "invalid signal: " */
	char *hint;		   /* what is allowed, a sentence; or NULL */
} CxsigProblem;

/*
 * Read one input: false with *problem filled where it is no valid signal; never raises for what a
 * producer may have written. The caller has called cxsig_taxonomy_refresh(). now: what a future
 * occurred_at is measured against.
 */
extern bool cxsig_signal_read(JsonbValue *input, TimestampTz now, CxsigSignal *signal,
							  CxsigProblem *problem);

/* Make the signal empty. */
extern void cxsig_signal_init(CxsigSignal *signal);

/* Raise the problem. element: place in a batch from 1, or 0. */
extern _Noreturn void cxsig_problem_raise(const CxsigProblem *problem, int element);

/*
 * SHA-256 over what the producer said, into signal->digest. It leaves out what cxsig assigns, what
 * the taxonomy derives, and how the signal travelled (trace context, backfill).
 */
extern void cxsig_signal_digest(CxsigSignal *signal);

/* The default idempotency key, in the current context: source, ticket and revision time. */
extern CxsigString cxsig_signal_default_key(const CxsigSignal *signal);

/*
 * Find canonical_tag and driver of a signal by its raw tags, unless it names them, and list the
 * tags without a mapping. Strings are copied into the current context.
 */
extern void cxsig_signal_resolve_tags(CxsigSignal *signal);

#endif
