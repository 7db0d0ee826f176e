/*
 * statements.c
 *	  The SQL that records signals.
 *
 * Runs in every backend that ingests. Plans are saved per backend and planned again when a table
 * changes. Locks: those of the statements, in the order in which record.c runs them.
 *
 * Planner settings are set for the length of a call, not left to the session: a plan that is made
 * while the tables are empty, and kept, must not be one that reads tables from end to end, and
 * compiling these statements costs more than running them.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "ingest/statements.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* What the planner assumes about a set of rows; any size is best served by index lookups. */
#define ROWS_ESTIMATE 100

typedef struct RowsColumn
{
	const char *name;
	Oid type;			/* or */
	const char *domain; /* of cxsig */
} RowsColumn;

typedef struct RowsShape
{
	const char *name;
	int n_columns;
	const RowsColumn *columns;
} RowsShape;

typedef struct StatementText
{
	const char *sql;
	int expected;
} StatementText;

static const RowsColumn ticket_columns[] = {{"n", INT4OID}, {"ticket_id", 0, "ticket_id"}};

static const RowsColumn account_columns[] = {{"n", INT4OID}, {"account_id", 0, "account_id"}};

static const RowsColumn key_columns[] = {{"n", INT4OID},
										 {"source_system", 0, "name"},
										 {"idempotency_key", 0, "idempotency_key"},
										 {"event_id", UUIDOID},
										 {"recorded_at", TIMESTAMPTZOID},
										 {"version", INT8OID},
										 {"digest", BYTEAOID}};

/* Indexed by CxsigEventColumn. */
static const RowsColumn event_columns[CXSIG_EVENT_COLUMNS_COUNT] = {
	{"event_id", UUIDOID},
	{"event_type", TEXTOID},
	{"occurred_at", TIMESTAMPTZOID},
	{"recorded_at", TIMESTAMPTZOID},
	{"source_system", 0, "name"},
	{"ticket_id", 0, "ticket_id"},
	{"account_id", 0, "account_id"},
	{"version", INT8OID},
	{"idempotency_key", 0, "idempotency_key"},
	{"sentiment", TEXTOID},
	{"sentiment_start", TEXTOID},
	{"sentiment_end", TEXTOID},
	{"churn_risk", TEXTOID},
	{"churn_score", 0, "score"},
	{"effort", TEXTOID},
	{"effort_score", 0, "score"},
	{"confidence", 0, "score"},
	{"model", TEXTOID},
	{"canonical_tag", TEXTOID},
	{"driver", TEXTOID},
	{"raw_tags", TEXTARRAYOID},
	{"custom_metrics", JSONBOID},
	{"evidence_url", 0, "evidence_url"},
	{"quotes", TEXTARRAYOID},
	{"account", JSONBOID},
	{"corrects", UUIDOID},
	{"traceparent", TEXTOID},
	{"tracestate", TEXTOID},
	{"backfill", BOOLOID},
	{"stale", BOOLOID},
	{"ordinal", INT8OID},
	{"head_version", INT8OID},
	{"head_occurred_at", TIMESTAMPTZOID},
	{"head_event_id", UUIDOID},
	{"head_recorded_at", TIMESTAMPTZOID}};

static const RowsColumn unmapped_columns[] = {{"source_system", TEXTOID},
											  {"raw_tag", TEXTOID},
											  {"event_id", UUIDOID},
											  {"recorded_at", TIMESTAMPTZOID},
											  {"ticket_id", 0, "ticket_id"}};

static const RowsColumn violation_columns[] = {{"source_system", TEXTOID},
											   {"idempotency_key", TEXTOID},
											   {"event_id", UUIDOID},
											   {"input", JSONBOID},
											   {"detail", TEXTOID}};

static const RowsColumn reject_columns[] = {
	{"input", JSONBOID}, {"field", TEXTOID}, {"reason", TEXTOID}, {"hint", TEXTOID}};

/* Indexed by CxsigRows. */
static const RowsShape rows_shapes[CXSIG_ROWS_COUNT] = {
	{"cxsig_tickets", lengthof(ticket_columns), ticket_columns},
	{"cxsig_keys", lengthof(key_columns), key_columns},
	{"cxsig_accounts", lengthof(account_columns), account_columns},
	{"cxsig_events", lengthof(event_columns), event_columns},
	{"cxsig_unmapped", lengthof(unmapped_columns), unmapped_columns},
	{"cxsig_violations", lengthof(violation_columns), violation_columns},
	{"cxsig_rejects", lengthof(reject_columns), reject_columns}};

/* Indexed by CxsigStatement. */
static const StatementText statement_texts[CXSIG_STATEMENT_COUNT] = {
	/* an update that is never made locks the row all the same, and needs no second statement */
	{"insert into cxsig.ticket (ticket_id) select i.ticket_id from cxsig_tickets i "
	 "on conflict (ticket_id) do update set first_seen_at = excluded.first_seen_at where false",
	 SPI_OK_INSERT},
	{"select i.n, r.ordinal, r.version, r.head_version, r.head_occurred_at, r.head_event_id, "
	 "r.head_recorded_at from cxsig_tickets i cross join lateral (select t.ordinal, t.version, "
	 "t.head_version, t.head_occurred_at, t.head_event_id, t.head_recorded_at "
	 "from cxsig.ticket_revision t where t.ticket_id operator(pg_catalog.=) i.ticket_id "
	 "order by t.ordinal desc limit 1) r",
	 SPI_OK_SELECT},
	{"select i.n, p.event_id, p.version, p.digest from cxsig_keys i join cxsig.processed_key p "
	 "on p.source_system operator(pg_catalog.=) i.source_system "
	 "and p.idempotency_key operator(pg_catalog.=) i.idempotency_key",
	 SPI_OK_SELECT},
	{"insert into cxsig.processed_key (source_system, idempotency_key, event_id, recorded_at, "
	 "version, digest) select i.source_system, i.idempotency_key, i.event_id, i.recorded_at, "
	 "i.version, i.digest from cxsig_keys i on conflict (source_system, idempotency_key) do "
	 "nothing",
	 SPI_OK_INSERT},
	{"update cxsig.processed_key p set version = i.version from cxsig_keys i "
	 "where p.source_system operator(pg_catalog.=) i.source_system "
	 "and p.idempotency_key operator(pg_catalog.=) i.idempotency_key "
	 "and p.event_id operator(pg_catalog.=) i.event_id "
	 "and p.version operator(pg_catalog.<>) i.version",
	 SPI_OK_UPDATE},
	{"select i.n, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('name', a.name, "
	 "'plan', a.plan, 'owner', a.owner, "
	 "'crm_ids', case when a.crm_ids operator(pg_catalog.<>) '{}' then a.crm_ids end, "
	 "'custom', case when a.custom operator(pg_catalog.<>) '{}' then a.custom end)) "
	 "from cxsig_accounts i join cxsig.account a "
	 "on a.account_id operator(pg_catalog.=) i.account_id",
	 SPI_OK_SELECT},
	{"insert into cxsig.event (event_id, event_type, occurred_at, recorded_at, source_system, "
	 "ticket_id, account_id, version, idempotency_key, sentiment, sentiment_start, sentiment_end, "
	 "churn_risk, churn_score, effort, effort_score, confidence, model, canonical_tag, driver, "
	 "raw_tags, custom_metrics, evidence_url, quotes, account, corrects, traceparent, tracestate, "
	 "backfill, stale) select i.event_id, i.event_type::cxsig.event_type, i.occurred_at, "
	 "i.recorded_at, i.source_system, i.ticket_id, i.account_id, i.version, i.idempotency_key, "
	 "i.sentiment::cxsig.sentiment, i.sentiment_start::cxsig.sentiment, "
	 "i.sentiment_end::cxsig.sentiment, i.churn_risk::cxsig.churn_risk, i.churn_score, "
	 "i.effort::cxsig.effort, i.effort_score, i.confidence, i.model, i.canonical_tag, i.driver, "
	 "i.raw_tags, i.custom_metrics, i.evidence_url, i.quotes, i.account, i.corrects, "
	 "i.traceparent, i.tracestate, i.backfill, i.stale from cxsig_events i",
	 SPI_OK_INSERT},
	{"insert into cxsig.ticket_revision (ticket_id, ordinal, version, event_id, recorded_at, "
	 "head_version, head_occurred_at, head_event_id, head_recorded_at) select i.ticket_id, "
	 "i.ordinal, i.version, i.event_id, i.recorded_at, i.head_version, i.head_occurred_at, "
	 "i.head_event_id, i.head_recorded_at from cxsig_events i",
	 SPI_OK_INSERT},
	{"insert into cxsig.outbox (event_id, recorded_at, ticket_id, stream) select i.event_id, "
	 "i.recorded_at, i.ticket_id, case when i.backfill then 'backfill'::cxsig.stream "
	 "else 'live'::cxsig.stream end from cxsig_events i",
	 SPI_OK_INSERT},
	{"insert into cxsig.unmapped_tag (source_system, raw_tag, event_id, recorded_at, ticket_id) "
	 "select i.source_system, i.raw_tag, i.event_id, i.recorded_at, i.ticket_id "
	 "from cxsig_unmapped i",
	 SPI_OK_INSERT},
	{"insert into cxsig.contract_violation (kind, source_system, idempotency_key, event_id, input, "
	 "detail) select 'key_conflict', i.source_system, i.idempotency_key, i.event_id, i.input, "
	 "i.detail from cxsig_violations i",
	 SPI_OK_INSERT},
	{"insert into cxsig.quarantine (input, field, reason, hint) select i.input, i.field, i.reason, "
	 "i.hint from cxsig_rejects i",
	 SPI_OK_INSERT}};

static const char *const statement_settings[] = {"enable_seqscan", "enable_hashjoin",
												 "enable_mergejoin", "enable_bitmapscan", "jit"};

/* Kept as long as the extension stays the same one, which its types tell: they are in them. */
static Oid statement_identity = InvalidOid;
static SPIPlanPtr statement_plans[CXSIG_STATEMENT_COUNT];
static TupleDesc rows_descs[CXSIG_ROWS_COUNT];

static void statements_check_identity(void);
static Oid statement_find_type(const char *name);
static TupleDesc rows_desc(CxsigRows rows);
static SPIPlanPtr statement_plan(CxsigStatement statement);

void
cxsig_statements_open(CxsigRun *run)
{
	int i;

	statements_check_identity();
	SPI_connect();
	run->guc_level = NewGUCNestLevel();
	for (i = 0; i < (int) lengthof(statement_settings); i++)
		(void) set_config_option(statement_settings[i], "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

void
cxsig_statements_close(CxsigRun *run)
{
	AtEOXact_GUC(true, run->guc_level);
	SPI_finish();
}

/* After DROP and CREATE EXTENSION, start again. */
static void
statements_check_identity(void)
{
	Oid identity = statement_find_type("ticket_id");
	int i;

	if (identity == statement_identity)
		return;
	for (i = 0; i < CXSIG_STATEMENT_COUNT; i++)
	{
		if (statement_plans[i] != NULL)
			SPI_freeplan(statement_plans[i]);
		statement_plans[i] = NULL;
	}
	for (i = 0; i < CXSIG_ROWS_COUNT; i++)
	{
		if (rows_descs[i] != NULL)
			FreeTupleDesc(rows_descs[i]);
		rows_descs[i] = NULL;
	}
	statement_identity = identity;
}

static Oid
statement_find_type(const char *name)
{
	Oid type;

	type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(get_namespace_oid("cxsig", false)));
	if (!OidIsValid(type))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("type \"cxsig.%s\" does not exist", name),
						errhint("Create the extension again.")));
	return type;
}

static TupleDesc
rows_desc(CxsigRows rows)
{
	if (rows_descs[rows] == NULL)
	{
		const RowsShape *shape = &rows_shapes[rows];
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc desc = CreateTemplateTupleDesc(shape->n_columns);
		int i;

		for (i = 0; i < shape->n_columns; i++)
		{
			const RowsColumn *column = &shape->columns[i];
			Oid type = column->domain ? statement_find_type(column->domain) : column->type;

			TupleDescInitEntry(desc, i + 1, column->name, type, -1, 0);
		}
		rows_descs[rows] = desc;
		MemoryContextSwitchTo(old);
	}
	return rows_descs[rows];
}

void
cxsig_rows_begin(CxsigRun *run, CxsigRows rows)
{
	run->rows[rows] = cxsig_staging_begin(rows_shapes[rows].name, rows_desc(rows), ROWS_ESTIMATE);
}

void
cxsig_rows_put(CxsigRun *run, CxsigRows rows, Datum *values, bool *nulls)
{
	cxsig_staging_put(run->rows[rows], values, nulls);
}

void
cxsig_rows_end(CxsigRun *run, CxsigRows rows)
{
	cxsig_staging_end(run->rows[rows]);
	run->rows[rows] = NULL;
}

/* The saved plan; the set of rows it reads is registered. */
static SPIPlanPtr
statement_plan(CxsigStatement statement)
{
	if (statement_plans[statement] == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(statement_texts[statement].sql, 0, NULL);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare statement %d: %s", statement,
				 SPI_result_code_string(SPI_result));
		statement_plans[statement] = plan;
	}
	return statement_plans[statement];
}

uint64
cxsig_statement_run(CxsigStatement statement)
{
	int result;

	result = SPI_execute_snapshot(statement_plan(statement), NULL, NULL, GetLatestSnapshot(),
								  InvalidSnapshot, false, true, 0);
	if (result != statement_texts[statement].expected)
		elog(ERROR, "statement %d gave %s", statement, SPI_result_code_string(result));
	return SPI_processed;
}
