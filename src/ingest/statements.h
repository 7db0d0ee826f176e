/*
 * statements.h
 *	  The SQL that records signals: saved set-based plans, and the sets of rows they read.
 *
 * A set of rows is a staging relation (base/staging.h). Rows come out in the order they were put in, which is how record.c takes
 * its locks and draws positions in the order it must.
 */
#ifndef CXSIG_STATEMENTS_H
#define CXSIG_STATEMENTS_H

#include "base/staging.h"

typedef enum CxsigRows
{
	CXSIG_ROWS_TICKETS,	   /* n, ticket_id */
	CXSIG_ROWS_KEYS,	   /* n, source_system, idempotency_key, event_id, recorded_at, version,
							* digest */
	CXSIG_ROWS_ACCOUNTS,   /* n, account_id */
	CXSIG_ROWS_EVENTS,	   /* see CxsigEventColumn */
	CXSIG_ROWS_UNMAPPED,   /* source_system, raw_tag, event_id, recorded_at, ticket_id */
	CXSIG_ROWS_VIOLATIONS, /* source_system, idempotency_key, event_id, input, detail */
	CXSIG_ROWS_REJECTS,	   /* input, field, reason, hint */
	CXSIG_ROWS_COUNT
} CxsigRows;

typedef enum CxsigEventColumn
{
	CXSIG_COLUMN_EVENT_ID,
	CXSIG_COLUMN_EVENT_TYPE,
	CXSIG_COLUMN_OCCURRED_AT,
	CXSIG_COLUMN_RECORDED_AT,
	CXSIG_COLUMN_SOURCE_SYSTEM,
	CXSIG_COLUMN_TICKET_ID,
	CXSIG_COLUMN_ACCOUNT_ID,
	CXSIG_COLUMN_VERSION,
	CXSIG_COLUMN_IDEMPOTENCY_KEY,
	CXSIG_COLUMN_SENTIMENT,
	CXSIG_COLUMN_SENTIMENT_START,
	CXSIG_COLUMN_SENTIMENT_END,
	CXSIG_COLUMN_CHURN_RISK,
	CXSIG_COLUMN_CHURN_SCORE,
	CXSIG_COLUMN_EFFORT,
	CXSIG_COLUMN_EFFORT_SCORE,
	CXSIG_COLUMN_CONFIDENCE,
	CXSIG_COLUMN_MODEL,
	CXSIG_COLUMN_CANONICAL_TAG,
	CXSIG_COLUMN_DRIVER,
	CXSIG_COLUMN_RAW_TAGS,
	CXSIG_COLUMN_CUSTOM_METRICS,
	CXSIG_COLUMN_EVIDENCE_URL,
	CXSIG_COLUMN_QUOTES,
	CXSIG_COLUMN_ACCOUNT,
	CXSIG_COLUMN_CORRECTS,
	CXSIG_COLUMN_TRACEPARENT,
	CXSIG_COLUMN_TRACESTATE,
	CXSIG_COLUMN_BACKFILL,
	CXSIG_COLUMN_STALE,
	CXSIG_COLUMN_ORDINAL,
	CXSIG_COLUMN_HEAD_VERSION,
	CXSIG_COLUMN_HEAD_OCCURRED_AT,
	CXSIG_COLUMN_HEAD_EVENT_ID,
	CXSIG_COLUMN_HEAD_RECORDED_AT,
	CXSIG_EVENT_COLUMNS_COUNT
} CxsigEventColumn;

typedef enum CxsigStatement
{
	CXSIG_LOCK_TICKETS,		/* tickets: insert what is missing, lock the rest, in order */
	CXSIG_READ_HEADS,		/* tickets -> n and the last ticket_revision */
	CXSIG_FIND_KEYS,		/* keys -> n, event_id, version, digest of those that are taken */
	CXSIG_INSERT_KEYS,		/* keys: those that are free */
	CXSIG_CORRECT_KEYS,		/* keys: give our own rows the version that is right now */
	CXSIG_READ_ACCOUNTS,	/* accounts -> n and what events carry of the account */
	CXSIG_INSERT_EVENTS,	/* events */
	CXSIG_INSERT_REVISIONS, /* events */
	CXSIG_INSERT_OUTBOX,	/* events: draws the positions, in the order of the rows */
	CXSIG_INSERT_UNMAPPED,
	CXSIG_INSERT_VIOLATIONS,
	CXSIG_INSERT_REJECTS,
	CXSIG_STATEMENT_COUNT
} CxsigStatement;

/* What is open between open and close. On the caller's stack: calls can nest, through triggers. */
typedef struct CxsigRun
{
	int guc_level;
	CxsigStaging *rows[CXSIG_ROWS_COUNT];
} CxsigRun;

/*
 * Columns of a set have the types of the columns they go to, domains included: their checks are not
 * made again in SQL, so what is put in must have passed the validation of signal.h.
 */

/* Connect to SPI, with planner settings that keep plans on their indexes. */
extern void cxsig_statements_open(CxsigRun *run);

/* Disconnect; what was palloc'd since is gone. Not needed after an error. */
extern void cxsig_statements_close(CxsigRun *run);

/* Start an empty set of rows; between open and close. */
extern void cxsig_rows_begin(CxsigRun *run, CxsigRows rows);

/* Add a row; columns as listed above. */
extern void cxsig_rows_put(CxsigRun *run, CxsigRows rows, Datum *values, bool *nulls);

/* Forget the set. */
extern void cxsig_rows_end(CxsigRun *run, CxsigRows rows);

/*
 * Run a statement over the set it reads, with the latest snapshot even where the transaction has an
 * older one; rows read are in SPI_tuptable. Returns rows read or written.
 */
extern uint64 cxsig_statement_run(CxsigStatement statement);

#endif
