/*
 * verify.c
 *	  cxsig._read_back(): what a remote holds of events that it should hold, compared with them. The
 *	  part of cxsig.verify() that talks to the remote.
 *
 * Runs in ordinary backends, with the rights of verify(). It reads the destination, its secrets, its
 * token and the events; AccessShareLock on the tables. One request is out at a time, and the caller's
 * transaction stays open meanwhile. Where the remote asks for it, it is waited, within bounds; once it
 * does not answer in spite of that, what is left is not asked for.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "transport/exchange.h"
#include "transport/target.h"
#include "transport/token_obtain.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Events in memory at a time. */
#define PAGE_SIZE 1000

/* How often a request is sent, and how long a remote may ask to be left alone in between. */
#define MAX_TRIES 5
#define FIRST_WAIT_MS 1000
#define MAX_WAIT_MS (2 * 60 * 1000)

/* More records than this take a while, and the caller is told how far it is. */
#define NOTICE_EVERY 10000

#define N_COLUMNS 8

#define SQL_EVENTS                                                                   \
	"select " CXSIG_EVENT_COLUMNS                                                    \
	" from rows from (pg_catalog.unnest($1), pg_catalog.unnest($2)) with ordinality" \
	" i (event_id, recorded_at, n)"                                                  \
	" join cxsig.event e on e.event_id operator(pg_catalog.=) i.event_id"            \
	" and e.recorded_at operator(pg_catalog.=) i.recorded_at order by i.n"

/* A call of _read_back(). */
typedef struct ReadBack
{
	CxsigTarget *target;
	MemoryContext context; /* as long as the call */
	ReturnSetInfo *rows;
	Datum *ids;
	Datum *times;
	int n;
	int done;
	char gave_up[sizeof(((CxsigRecord *) NULL)->detail)]; /* why the rest is not asked for, or "" */
} ReadBack;

/* One request, and the answer's meaning. */
typedef struct ReadBackChunk
{
	CxsigTransport *transport;
	const CxsigAttempt *attempts;
	CxsigRecord *records;
	int n;
	int status;
	int64 retry_after_ms;
} ReadBackChunk;

PG_FUNCTION_INFO_V1(cxsig_read_back);

CXSIG_DEFINE_WAIT_EVENT(read_back_wait_event, "CxsigReadBack")

static CxsigTarget *target_of(const char *name);
static Datum *elements(ArrayType *array, Oid type, int *n);
static void read_page(ReadBack *call, int first);
static CxsigAttempt *read_events(ReadBack *call, int first, int *n);
static int read_chunk(ReadBack *call, const CxsigAttempt *attempts, int n, CxsigRecord *records);
static bool ask(ReadBack *call, ReadBackChunk *chunk);
static bool get_token(ReadBack *call, bool refused);
static void take_answer(const CxsigResponse *response, void *arg);
static bool is_passing(int status);
static void pause_ms(int64 ms);
static void put_record(ReadBack *call, const CxsigEvent *event, const CxsigRecord *record);
static void tell_progress(const ReadBack *call, int n);

/*
 * _read_back(destination, event_ids, recorded_at) returns setof _verdict: those that are not as they
 * should be, or of which nothing is known. Without any ids it only finds out whether it could ask.
 */
Datum
cxsig_read_back(PG_FUNCTION_ARGS)
{
	ReadBack call = {target_of(text_to_cstring(PG_GETARG_TEXT_PP(0))), CurrentMemoryContext};
	MemoryContext page;
	int n_times;

	InitMaterializedSRF(fcinfo, 0);
	call.rows = (ReturnSetInfo *) fcinfo->resultinfo;
	call.ids = elements(PG_GETARG_ARRAYTYPE_P(1), UUIDOID, &call.n);
	call.times = elements(PG_GETARG_ARRAYTYPE_P(2), TIMESTAMPTZOID, &n_times);
	if (n_times != call.n)
		elog(ERROR, "there are %d ids and %d times", call.n, n_times);
	if (call.n == 0)
		return (Datum) 0;
	(void) get_token(&call, false);
	page = AllocSetContextCreate(call.context, "cxsig read back", ALLOCSET_DEFAULT_SIZES);
	for (int first = 0; first < call.n; first += PAGE_SIZE)
	{
		MemoryContextSwitchTo(page);
		read_page(&call, first);
		MemoryContextSwitchTo(call.context);
		MemoryContextReset(page);
	}
	return (Datum) 0;
}

static CxsigTarget *
target_of(const char *name)
{
	CxsigTarget *target = cxsig_target_read(name);
	const CxsigTransportOps *ops = cxsig_transport_lookup(target->transport_name);

	if (ops->build_fetch == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("transport \"%s\" of destination \"%.80s\" cannot read back what it "
							   "sent",
							   ops->name, target->name),
						errhint("The transports that can are: %s.",
								cxsig_transport_names(cxsig_transport_reads_back))));
	cxsig_target_prepare(target, true);
	return target;
}

static Datum *
elements(ArrayType *array, Oid type, int *n)
{
	Datum *values;

	if (type == UUIDOID)
		deconstruct_array(array, type, UUID_LEN, false, TYPALIGN_CHAR, &values, NULL, n);
	else
		deconstruct_array(array, type, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
						  &values, NULL, n);
	return values;
}

static void
read_page(ReadBack *call, int first)
{
	int n;
	CxsigAttempt *attempts = read_events(call, first, &n);
	CxsigRecord *records = palloc(sizeof(CxsigRecord) * Max(n, 1));

	for (int i = 0; i < n;)
	{
		int taken = read_chunk(call, attempts + i, n - i, records);

		for (int k = 0; k < taken; k++)
			put_record(call, attempts[i + k].event, &records[k]);
		i += taken;
		tell_progress(call, taken);
		call->done += taken;
	}
}

/* The page's events, in the current context. */
static CxsigAttempt *
read_events(ReadBack *call, int first, int *n)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext spi;
	int size = Min(call->n - first, PAGE_SIZE);
	Oid types[] = {UUIDARRAYOID, TIMESTAMPTZARRAYOID};
	Datum values[] = {
		PointerGetDatum(
			construct_array(call->ids + first, size, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR)),
		PointerGetDatum(construct_array(call->times + first, size, TIMESTAMPTZOID,
										sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE))};
	TimestampTz now = GetCurrentTimestamp();
	CxsigAttempt *attempts;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute_with_args(SQL_EVENTS, 2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read events");
	*n = (int) SPI_processed;
	spi = MemoryContextSwitchTo(context);
	attempts = palloc0(sizeof(CxsigAttempt) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		attempts[i].event = cxsig_event_read(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		attempts[i].attempt = 1;
		attempts[i].at = now;
	}
	MemoryContextSwitchTo(spi);
	SPI_finish();
	MemoryContextSwitchTo(context);
	return attempts;
}

/* As many of them as a request can ask for; the result is how many. */
static int
read_chunk(ReadBack *call, const CxsigAttempt *attempts, int n, CxsigRecord *records)
{
	ReadBackChunk chunk = {call->target->transport, attempts, records, n};
	bool answered = false;
	int64 wait_ms = FIRST_WAIT_MS;

	for (int try = 1; call->gave_up[0] == '\0'; try++, wait_ms *= 2)
	{
		answered = ask(call, &chunk);
		if (answered || call->gave_up[0] != '\0')
			break;
		if (chunk.retry_after_ms >= 0)
			wait_ms = Max(chunk.retry_after_ms, 1);
		if (try < MAX_TRIES && wait_ms <= MAX_WAIT_MS && is_passing(chunk.status))
			pause_ms(wait_ms);
		else
			snprintf(call->gave_up, sizeof(call->gave_up), "%s",
					 records[0].detail[0] != '\0' ? records[0].detail : "no answer");
	}
	for (int i = 0; i < chunk.n && !answered; i++)
	{
		memset(&records[i], 0, sizeof(records[i]));
		records[i].state = CXSIG_RECORD_UNKNOWN;
		strlcpy(records[i].detail, call->gave_up, sizeof(records[i].detail));
	}
	return chunk.n;
}

/* Send the request. False where the answer says nothing of the records, and may be another later. */
static bool
ask(ReadBack *call, ReadBackChunk *chunk)
{
	const CxsigTransportOps *ops = chunk->transport->ops;
	const struct CxsigCredential *credential = chunk->transport->credential;

	for (int with_token = 1; with_token <= 2; with_token++)
	{
		CxsigRequest request = {0};

		chunk->n = ops->build_fetch(chunk->transport, chunk->attempts, chunk->n, &request);
		cxsig_exchange(&request, &call->target->limits, take_answer, chunk);
		/* a token that has ended meanwhile: once more with the one there is now */
		if (chunk->status != 401 || credential == NULL || !get_token(call, true))
			break;
	}
	return !is_passing(chunk->status) && chunk->status != 401 && chunk->status != 403;
}

/* False, and all is given up, where there is none, or none but the one that was refused. */
static bool
get_token(ReadBack *call, bool refused)
{
	struct CxsigCredential *credential = call->target->transport->credential;
	const CxsigHttpLimits *limits = &call->target->limits;
	MemoryContext before = MemoryContextSwitchTo(call->context);
	const char *why =
		refused ? cxsig_token_replace(credential, limits) : cxsig_token_obtain(credential, limits);

	MemoryContextSwitchTo(before);
	if (why != NULL)
		snprintf(call->gave_up, sizeof(call->gave_up), "no token: %.480s", why);
	return why == NULL;
}

static void
take_answer(const CxsigResponse *response, void *arg)
{
	ReadBackChunk *chunk = arg;
	CxsigTransport *transport = chunk->transport;

	memset(chunk->records, 0, sizeof(CxsigRecord) * chunk->n);
	chunk->status = response->status;
	chunk->retry_after_ms = response->retry_after_ms;
	transport->ops->read_fetch(transport, chunk->attempts, chunk->n, response, chunk->records);
	for (int i = 0; i < chunk->n; i++)
	{
		CxsigRecord *record = &chunk->records[i];

		if (response->status == 0)
			strlcpy(record->detail, response->error, sizeof(record->detail));
		if (transport->credential != NULL)
			cxsig_credential_redact(transport->credential, record->detail);
	}
}

/* Is it an answer, or none, that a later one may not resemble? */
static bool
is_passing(int status)
{
	return status == 0 || status == 408 || status == 425 || status == 429 || status >= 500;
}

static void
pause_ms(int64 ms)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);

	for (;;)
	{
		long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);

		if (left <= 0)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left,
						 read_back_wait_event());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
put_record(ReadBack *call, const CxsigEvent *event, const CxsigRecord *record)
{
	static const char *const states[] = {"equal", "differs", "missing", "unknown"};
	Datum values[N_COLUMNS] = {0};
	bool nulls[N_COLUMNS] = {0};

	if (record->state == CXSIG_RECORD_EQUAL)
		return;
	values[0] = CStringGetTextDatum(event->ticket_id);
	values[1] = UUIDPGetDatum(&event->event_id);
	values[2] = TimestampTzGetDatum(event->recorded_at);
	values[3] = CStringGetTextDatum(states[record->state]);
	values[4] = CStringGetTextDatum(record->remote_id);
	nulls[4] = record->remote_id[0] == '\0';
	values[5] = BoolGetDatum(record->state != CXSIG_RECORD_UNKNOWN && !record->not_makeable);
	nulls[6] = record->state != CXSIG_RECORD_DIFFERS;
	if (!nulls[6])
		values[6] = DirectFunctionCall1(jsonb_in, CStringGetDatum(record->differences));
	values[7] = CStringGetTextDatum(record->detail);
	nulls[7] = record->detail[0] == '\0';
	tuplestore_putvalues(call->rows->setResult, call->rows->setDesc, values, nulls);
}

static void
tell_progress(const ReadBack *call, int n)
{
	int done = call->done + n;

	if (call->n > NOTICE_EVERY && done / NOTICE_EVERY > call->done / NOTICE_EVERY)
		ereport(NOTICE, (errmsg("verify: %d of %d records read back", done, call->n)));
}
