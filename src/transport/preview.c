/*
 * preview.c
 *	  cxsig.preview_payload(): the request that a destination would be sent for an event, and what of
 *	  its mapping finds nothing there.
 *
 * Runs in ordinary backends; sends nothing. It reads the destination and the event as the function's
 * owner; AccessShareLock on both tables. Secrets are not read from their files, nor given to the
 * transport: what is made of them is shown as "***", or left out.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "event/json.h"
#include "event/mapping.h"
#include "funcapi.h"
#include "transport/target.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define N_COLUMNS 5
#define MAX_BYTES (64 * 1024 * 1024)
#define HIDDEN "***"

PG_FUNCTION_INFO_V1(cxsig_preview_payload);

static void preview_build(const CxsigTarget *target, const CxsigEvent *event, Datum *values,
						  bool *nulls, List **unmapped);
static Datum preview_headers(const CxsigRequest *request, bool token);
static Datum preview_list(const List *texts);

/* preview_payload(destination, event_id) returns (method, url, headers, body, unmapped). */
Datum
cxsig_preview_payload(PG_FUNCTION_ARGS)
{
	CxsigTarget *target = cxsig_target_read(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	CxsigEvent *event = cxsig_event_find(PG_GETARG_UUID_P(1));
	TupleDesc desc;
	Datum values[N_COLUMNS] = {0};
	bool nulls[N_COLUMNS] = {true, true, true, true, false};
	List *unmapped = NIL;

	if (event == NULL)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("event_id \"%s\" is not in the log",
							   DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(1)))),
						errhint("Its partition may have been dropped by retention: see the "
								"setting cxsig.event_retention.")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	cxsig_target_prepare(target, false);
	if (!cxsig_event_matches(&target->view, event))
		unmapped = list_make1("nothing is sent: the filter leaves this event out");
	else
	{
		if (target->view.mapping != NULL)
			unmapped = cxsig_mapping_unmapped(target->view.mapping, event);
		preview_build(target, event, values, nulls, &unmapped);
	}
	values[4] = preview_list(unmapped);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

static void
preview_build(const CxsigTarget *target, const CxsigEvent *event, Datum *values, bool *nulls,
			  List **unmapped)
{
	CxsigTransport *transport = target->transport;
	CxsigAlert alert = {CXSIG_ALERT_TRIGGER, "preview", event->occurred_at, 0};
	CxsigAttempt attempt = {event, 1, GetCurrentTimestamp(),
							transport->ops->alerts ? &alert : NULL};
	CxsigRequest request = {0};
	CxsigResult result = {0};

	if (transport->ops->refuses != NULL && transport->ops->refuses(transport, &attempt, &result))
	{
		*unmapped = lappend(*unmapped, psprintf("nothing can be sent: %s", result.detail));
		return;
	}
	(void) transport->ops->build(transport, &attempt, 1, MAX_BYTES, &request);
	values[0] = CStringGetTextDatum(request.method);
	values[1] = CStringGetTextDatum(request.url != NULL ? request.url : HIDDEN);
	values[2] = preview_headers(&request, transport->credential != NULL);
	values[3] = PointerGetDatum(cstring_to_text_with_len(request.body.data, request.body.len));
	memset(nulls, false, N_COLUMNS);
}

/* token: requests carry one, which is not there. */
static Datum
preview_headers(const CxsigRequest *request, bool token)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	if (token)
		appendStringInfo(&json, "\"Authorization\":\"Bearer %s\"", HIDDEN);
	for (int i = 0; i < request->n_headers; i++)
	{
		const CxsigHeader *header = &request->headers[i];
		bool hidden = pg_strcasecmp(header->name, "authorization") == 0 ||
					  pg_strcasecmp(header->name, "cookie") == 0;

		if (i > 0 || token)
			appendStringInfoChar(&json, ',');
		cxsig_json_append_string(&json, header->name);
		appendStringInfoChar(&json, ':');
		cxsig_json_append_string(&json, hidden ? HIDDEN : header->value);
	}
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

static Datum
preview_list(const List *texts)
{
	Datum *items = palloc(sizeof(Datum) * (list_length(texts) + 1));
	ListCell *cell;
	int n = 0;

	foreach (cell, texts)
		items[n++] = CStringGetTextDatum((const char *) lfirst(cell));
	return PointerGetDatum(construct_array(items, n, TEXTOID, -1, false, TYPALIGN_INT));
}
