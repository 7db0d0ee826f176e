/*
 * emit.c
 *	  Events that cxsig makes itself from a ticket's newest event: retraction and remapping.
 *
 * Runs in the backend of the caller, as the owner of the extension (SECURITY DEFINER). Locks the
 * tickets first, in order, then reads their newest events, then records by the way that every
 * signal takes.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ingest/emit.h"
#include "ingest/ingest.h"
#include "ingest/taxonomy.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Tickets that are locked, read and remapped at a time. */
#define EMIT_CHUNK 10000

/* Tickets whose newest event carries the folded tag $1, of source $2 or of any ("*"). */
static const char remap_query[] =
	"select e.ticket_id::pg_catalog.text from cxsig.event e "
	"where e.raw_tags is not null "
	"and ($2 operator(pg_catalog.=) '*' or e.source_system operator(pg_catalog.=) $2) "
	"and exists (select from pg_catalog.unnest(e.raw_tags) x (tag) "
	"where cxsig.fold(x.tag) operator(pg_catalog.=) $1) "
	"and e.event_id operator(pg_catalog.=) (select r.head_event_id from cxsig.ticket_revision r "
	"where r.ticket_id operator(pg_catalog.=) e.ticket_id order by r.ordinal desc limit 1) "
	"order by e.ticket_id";

static _Noreturn void emit_unknown_ticket(CxsigString ticket);
static void retract_fill(CxsigSignal *signal, const CxsigHead *head, const char *reason);
static Jsonb *retract_metrics(const char *reason);
static CxsigString emit_key(const char *kind, const pg_uuid_t *head);
static CxsigString *remap_find(text *tag, text *source, int *n);
static int remap_chunk(const CxsigString *ids, int n, CxsigString tag);
static bool remap_fill(CxsigSignal *signal, const CxsigHead *head, CxsigString tag);

PG_FUNCTION_INFO_V1(cxsig_retract_signal);
PG_FUNCTION_INFO_V1(cxsig_remap);

/* retract_signal(ticket_id text, reason text) returns ingest_result */
Datum
cxsig_retract_signal(PG_FUNCTION_ARGS)
{
	char *reason = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	CxsigString ticket;
	CxsigHead *head;
	CxsigResult result;
	TupleDesc desc;
	int found;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("ticket_id is null"),
						errhint("Name the ticket whose signal is to be retracted.")));
	ticket = cxsig_string(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (ticket.len == 0 || cxsig_scan_length(ticket) > 128)
		emit_unknown_ticket(ticket);
	if (reason != NULL && cxsig_scan_length(cxsig_string(reason)) > 2000)
		ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION), errmsg("reason is too long"),
						errhint("Allowed are 2000 characters.")));
	cxsig_record_lock(&ticket, 1);
	head = cxsig_heads_read(&ticket, 1, &found);
	if (found == 0)
		emit_unknown_ticket(ticket);

	memset(&result, 0, sizeof(result));
	if (strcmp(head->event_type, "signal.retracted") == 0)
	{
		result.outcome = CXSIG_DUPLICATE;
		result.has_event = true;
		result.event_id = head->event_id;
		result.version = head->version;
		result.detail = "the signal is retracted already";
	}
	else
	{
		CxsigSignal signal;

		retract_fill(&signal, head, reason);
		cxsig_record(&signal, 1, &result);
	}
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(cxsig_result_row(&result, desc));
}

static void
emit_unknown_ticket(CxsigString ticket)
{
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
					errmsg("ticket \"%s\" has no signal in the log", cxsig_scan_cut(ticket)),
					errhint("See cxsig.history() for the signals of a ticket; those older than "
							"cxsig.event_retention are gone.")));
}

/* What identifies the signal stays, what it said goes. */
static void
retract_fill(CxsigSignal *signal, const CxsigHead *head, const char *reason)
{
	TimestampTz now = GetCurrentTimestamp();

	cxsig_signal_init(signal);
	signal->event_type = "signal.retracted";
	signal->ticket_id = head->signal.ticket_id;
	signal->account_id = head->signal.account_id;
	signal->source_system = head->signal.source_system;
	signal->evidence_url = head->signal.evidence_url;
	signal->occurred_at = Max(now, head->signal.occurred_at + 1);
	signal->corrects_set = true;
	signal->corrects = head->event_id;
	signal->custom_metrics = reason ? retract_metrics(reason) : NULL;
	signal->idempotency_key = emit_key("retract", &head->event_id);
	cxsig_signal_digest(signal);
}

static Jsonb *
retract_metrics(const char *reason)
{
	JsonbParseState *parse = NULL;
	JsonbValue part;

	(void) pushJsonbValue(&parse, WJB_BEGIN_OBJECT, NULL);
	part.type = jbvString;
	part.val.string.val = "reason_for_retraction";
	part.val.string.len = strlen(part.val.string.val);
	(void) pushJsonbValue(&parse, WJB_KEY, &part);
	part.val.string.val = unconstify(char *, reason);
	part.val.string.len = strlen(reason);
	(void) pushJsonbValue(&parse, WJB_VALUE, &part);
	return JsonbValueToJsonb(pushJsonbValue(&parse, WJB_END_OBJECT, NULL));
}

/* At most one event of a kind is made from a head. */
static CxsigString
emit_key(const char *kind, const pg_uuid_t *head)
{
	char *id = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(head)));

	return cxsig_string(psprintf("cxsig:%s:%s", kind, id));
}

/* _remap(raw_tag text, source_system text) returns bigint */
Datum
cxsig_remap(PG_FUNCTION_ARGS)
{
	text *tag = PG_GETARG_TEXT_PP(0);
	text *source = PG_GETARG_TEXT_PP(1);
	CxsigString folded;
	CxsigString *ids;
	MemoryContext chunk;
	MemoryContext old;
	int64 emitted = 0;
	int n;
	int i;

	folded.data = VARDATA_ANY(tag);
	folded.len = VARSIZE_ANY_EXHDR(tag);
	ids = remap_find(tag, source, &n);
	chunk = AllocSetContextCreate(CurrentMemoryContext, "cxsig remap", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(chunk);
	for (i = 0; i < n; i += EMIT_CHUNK)
	{
		emitted += remap_chunk(ids + i, Min(n - i, EMIT_CHUNK), folded);
		MemoryContextReset(chunk);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(chunk);
	PG_RETURN_INT64(emitted);
}

/* Tickets to look at, in "C" order; what they carry is looked at again under their locks. */
static CxsigString *
remap_find(text *tag, text *source, int *n)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid types[2] = {TEXTOID, TEXTOID};
	Datum values[2];
	SPIPlanPtr plan;
	CxsigString *ids;
	CxsigString last = {NULL, 0};
	uint64 row;

	values[0] = PointerGetDatum(tag);
	values[1] = PointerGetDatum(source);
	SPI_connect();
	plan = SPI_prepare(remap_query, 2, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
	if (SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, false, false,
							 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the events that carry the tag");
	ids = MemoryContextAllocHuge(caller, sizeof(CxsigString) * (SPI_processed + 1));
	*n = 0;
	for (row = 0; row < SPI_processed; row++)
	{
		char *id = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);

		if (last.data != NULL && cxsig_string_equal(last, cxsig_string(id)))
			continue;
		last = cxsig_string(MemoryContextStrdup(caller, id));
		ids[(*n)++] = last;
	}
	SPI_finish();
	return ids;
}

static int
remap_chunk(const CxsigString *ids, int n, CxsigString tag)
{
	CxsigSignal *signals;
	CxsigResult *results;
	CxsigHead *heads;
	int found;
	int changed = 0;
	int emitted = 0;
	int i;

	cxsig_record_lock(ids, n);
	heads = cxsig_heads_read(ids, n, &found);
	cxsig_taxonomy_refresh();
	signals = palloc(sizeof(CxsigSignal) * (found + 1));
	results = palloc(sizeof(CxsigResult) * (found + 1));
	for (i = 0; i < found; i++)
	{
		if (!remap_fill(&signals[changed], &heads[i], tag))
			continue;
		signals[changed].place = changed;
		changed++;
	}
	cxsig_record(signals, changed, results);
	for (i = 0; i < changed; i++)
		emitted += results[i].outcome == CXSIG_INSERTED;
	return emitted;
}

/* The head with its tags looked up again; false where that changes nothing. */
static bool
remap_fill(CxsigSignal *signal, const CxsigHead *head, CxsigString tag)
{
	bool carries = false;
	int i;

	for (i = 0; i < head->signal.n_raw_tags; i++)
		carries = carries || cxsig_string_equal(cxsig_scan_fold(head->signal.raw_tags[i]), tag);
	if (!carries || head->tag_given)
		return false;
	*signal = head->signal;
	signal->canonical_tag = cxsig_string(NULL);
	signal->driver = cxsig_string(NULL);
	cxsig_signal_resolve_tags(signal);
	if (cxsig_string_equal(signal->canonical_tag, head->signal.canonical_tag) &&
		cxsig_string_equal(signal->driver, head->signal.driver))
		return false;
	/* what is unmapped was counted when the head was recorded */
	signal->n_unmapped = 0;
	signal->event_type = "signal.remapped";
	signal->corrects_set = true;
	signal->corrects = head->event_id;
	signal->idempotency_key = emit_key("remap", &head->event_id);
	cxsig_signal_digest(signal);
	return true;
}
