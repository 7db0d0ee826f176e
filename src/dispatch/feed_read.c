/*
 * feed_read.c
 *	  The statements that read the outbox. Runs in dispatchers, inside the guarded task of a poll.
 *	  Locks: AccessShareLock on outbox, remnant, event and ticket_revision.
 *
 * What a partition moved into the remnant holds is read only by a feed that has to: one that is
 * below it, or one that may have been waiting for a transaction that wrote there.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "dispatch/feed_read.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"
#include "utils/xid8.h"

#define READ_COLUMNS(heads)                                                        \
	"o.position, o.txid, o.destination_id, o.forced, " CXSIG_HEAD_COLUMN("(" heads \
																		 " or e.stale)") ", "
#define READ_N_COLUMNS 5
#define READ_EVENT                                  \
	" e.event_id operator(pg_catalog.=) o.event_id" \
	" and e.recorded_at operator(pg_catalog.=) o.recorded_at"
#define READ_PAGE(limit) " order by o.position limit " limit

/* Rows of a table above $1, in order: by its index on (stream, position). */
#define READ_ABOVE(table, stream, limit)                                                   \
	"select o.* from cxsig." table " o where o.stream operator(pg_catalog.=) '" stream "'" \
	" and o.position operator(pg_catalog.>) $1" READ_PAGE(limit)

/*
 * Rows of a table that the transactions $1 wrote: one transaction at a time, so that it is by its
 * index on (txid, position) whatever the planner thinks of a list of them.
 */
#define READ_OF(table, stream, limit)                                                   \
	"select o.* from pg_catalog.unnest($1) x (txid) cross join lateral"                 \
	" (select o.* from cxsig." table " o where o.txid operator(pg_catalog.=) x.txid"    \
	" and o.stream operator(pg_catalog.=) '" stream "'"                                 \
	" and o.position operator(pg_catalog.>) $2 and o.position operator(pg_catalog.<=) " \
	"$3" READ_PAGE(limit) ") o" READ_PAGE(limit)

/* The rows first, a page at most, and then each its event, by its own index. */
#define READ_EVENTS(heads, rows, limit)                                     \
	"select " READ_COLUMNS(heads) CXSIG_EVENT_COLUMNS                       \
		" from (" rows ") o"                                                \
		" cross join lateral (select * from cxsig.event e where" READ_EVENT \
		" limit 1) e" READ_PAGE(limit)

/* READ is READ_ABOVE or READ_OF; heads and limit are parameters. */
#define READ_OUTBOX(read, stream, heads, limit) \
	READ_EVENTS(heads, read("outbox", stream, limit), limit)
#define READ_BOTH(read, stream, heads, limit)                                                 \
	READ_EVENTS(                                                                              \
		heads,                                                                                \
		"(" read("outbox", stream, limit) ") union all (" read("remnant", stream, limit) ")", \
		limit)

/* By stream; and whether the remnant is read too. */
static const char *const main_sql[CXSIG_STREAMS][2] = {
	{READ_OUTBOX(READ_ABOVE, "live", "$3", "$2"), READ_BOTH(READ_ABOVE, "live", "$3", "$2")},
	{READ_OUTBOX(READ_ABOVE, "backfill", "$3", "$2"),
	 READ_BOTH(READ_ABOVE, "backfill", "$3", "$2")},
};
static const char *const drain_sql[CXSIG_STREAMS][2] = {
	{READ_OUTBOX(READ_OF, "live", "$5", "$4"), READ_BOTH(READ_OF, "live", "$5", "$4")},
	{READ_OUTBOX(READ_OF, "backfill", "$5", "$4"), READ_BOTH(READ_OF, "backfill", "$5", "$4")},
};

#define SQL_REACH "select last_value from cxsig.remnant_position"

/* Plans, kept for the life of the process; and where events live. */
static SPIPlanPtr main_plans[CXSIG_STREAMS][2] = {{NULL}};
static SPIPlanPtr drain_plans[CXSIG_STREAMS][2] = {{NULL}};
static SPIPlanPtr reach_plan = NULL;
static MemoryContext event_context = NULL;

/* How far the remnant reached when the poll under way began. */
static int64 reach = 0;

static void read_reach(void);
static SPIPlanPtr read_prepare(const char *sql, int n, Oid *types);
static void read_execute(SPIPlanPtr plan, Datum *arguments, CxsigFeedPage *page);
static void read_row(HeapTuple tuple, TupleDesc desc, CxsigFeedRow *row);

void
cxsig_feed_read_begin(CxsigXids *running)
{
	Oid outbox = get_relname_relid("outbox", get_namespace_oid("cxsig", false));

	LockRelationOid(outbox, AccessShareLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	cxsig_xids_running(running, GetActiveSnapshot());
	read_reach();
	if (event_context == NULL)
		event_context =
			AllocSetContextCreate(TopMemoryContext, "cxsig events", ALLOCSET_DEFAULT_SIZES);
}

void
cxsig_feed_read_end(void)
{
	PopActiveSnapshot();
}

/* A sequence: it tells what was set last, whatever the snapshot, and the lock keeps it so. */
static void
read_reach(void)
{
	bool isnull;

	if (reach_plan == NULL)
		reach_plan = read_prepare(SQL_REACH, 0, NULL);
	if (SPI_execute_plan(reach_plan, NULL, NULL, true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read how far the remnant reaches");
	reach = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
}

int64
cxsig_feed_read_reach(void)
{
	return reach;
}

void
cxsig_feed_read_main(CxsigStream stream, int64 high, bool heads, int limit, CxsigFeedPage *page)
{
	Datum arguments[] = {Int64GetDatum(high), Int64GetDatum(limit), BoolGetDatum(heads)};
	int both = high < reach;

	if (main_plans[stream][both] == NULL)
	{
		Oid types[] = {INT8OID, INT8OID, BOOLOID};

		main_plans[stream][both] = read_prepare(main_sql[stream][both], lengthof(types), types);
	}
	page->limit = limit;
	read_execute(main_plans[stream][both], arguments, page);
}

void
cxsig_feed_read_drain(CxsigStream stream, const CxsigXids *xids, int64 cursor, int64 high,
					  bool both, bool heads, int limit, CxsigFeedPage *page)
{
	Datum arguments[] = {cxsig_xids_array(xids), Int64GetDatum(cursor), Int64GetDatum(high),
						 Int64GetDatum(limit), BoolGetDatum(heads)};

	if (drain_plans[stream][both] == NULL)
	{
		Oid types[] = {XID8ARRAYOID, INT8OID, INT8OID, INT8OID, BOOLOID};

		drain_plans[stream][both] = read_prepare(drain_sql[stream][both], lengthof(types), types);
	}
	page->limit = limit;
	read_execute(drain_plans[stream][both], arguments, page);
}

static SPIPlanPtr
read_prepare(const char *sql, int n, Oid *types)
{
	MemoryContext caller = CurrentMemoryContext;
	SPIPlanPtr plan = SPI_prepare(sql, n, types);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare a feed's statement: %s", SPI_result_code_string(SPI_result));
	/* SPI leaves its own context behind, whose end the rows would not outlive. */
	MemoryContextSwitchTo(caller);
	return plan;
}

static void
read_execute(SPIPlanPtr plan, Datum *arguments, CxsigFeedPage *page)
{
	MemoryContext caller = CurrentMemoryContext;
	int code = SPI_execute_plan(plan, arguments, NULL, true, 0);
	TupleDesc desc;
	uint64 i;

	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not read the outbox: %s", SPI_result_code_string(code));
	desc = SPI_tuptable->tupdesc;
	page->read = true;
	page->rows = MemoryContextAlloc(caller, Max(SPI_processed, 1) * sizeof(CxsigFeedRow));
	for (i = 0; i < SPI_processed; i++)
	{
		read_row(SPI_tuptable->vals[i], desc, &page->rows[page->n]);
		page->n++;
	}
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(caller);
}

static void
read_row(HeapTuple tuple, TupleDesc desc, CxsigFeedRow *row)
{
	MemoryContext old = MemoryContextSwitchTo(event_context);
	CxsigEvent *event = cxsig_event_read(tuple, desc, READ_N_COLUMNS + 1);
	Datum head;
	bool isnull;

	row->position = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
	row->xid = DatumGetFullTransactionId(SPI_getbinval(tuple, desc, 2, &isnull));
	row->destination_id = DatumGetInt32(SPI_getbinval(tuple, desc, 3, &isnull));
	if (isnull)
		row->destination_id = 0;
	row->forced = DatumGetBool(SPI_getbinval(tuple, desc, 4, &isnull));
	head = SPI_getbinval(tuple, desc, 5, &isnull);
	cxsig_feed_row_take_head(row, event, head, isnull);
	row->ref = cxsig_event_ref_create(event);
	MemoryContextSwitchTo(old);
}

void
cxsig_feed_row_take_head(CxsigFeedRow *row, const CxsigEvent *event, Datum head, bool isnull)
{
	row->has_newer = !isnull && memcmp(DatumGetUUIDP(head), &event->event_id, UUID_LEN) != 0;
	if (row->has_newer)
		row->newer = *DatumGetUUIDP(head);
}

bool
cxsig_feed_page_ended(const CxsigFeedPage *page)
{
	return page->read && page->n < page->limit;
}

void
cxsig_feed_page_release(CxsigFeedPage *page)
{
	int i;

	for (i = 0; i < page->n; i++)
		cxsig_event_ref_release(page->rows[i].ref);
	memset(page, 0, sizeof(*page));
}
