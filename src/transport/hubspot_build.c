/*
 * hubspot_build.c
 *	  A batch of objects for HubSpot. Runs in the dispatcher for every request. No table, no lock.
 */
#include "postgres.h"

#include "transport/hubspot.h"

/* Room taken for an object to begin with. */
#define USUAL_OBJECT_SIZE 512

static void append_input(CxsigHubspot *hubspot, const CxsigEvent *event, const char *id,
						 StringInfo body);

/* An object whose external id is in the batch already goes in the next one: twice is refused. */
int
cxsig_hubspot_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
					CxsigRequest *request)
{
	CxsigHubspot *hubspot = (CxsigHubspot *) transport;
	StringInfo body = &request->body;
	CxsigCrmIds ids;
	int taken;

	cxsig_crm_start(transport, "POST", psprintf("%s/batch/upsert", hubspot->api), request);
	cxsig_crm_add_header(request, "Content-Type", "application/json");
	cxsig_crm_ids_start(&ids, n, true);
	enlargeStringInfo(body, Min(max_bytes, n * USUAL_OBJECT_SIZE));
	appendStringInfoString(body, "{\"inputs\":[");
	for (taken = 0; taken < Min(n, CXSIG_HUBSPOT_MAX_BATCH); taken++)
	{
		const char *why;
		const char *id = cxsig_hubspot_id(hubspot, attempts[taken].event, &why);
		int before = body->len;

		/* events without one are refused before they come here */
		if (id == NULL)
			id = "";
		if (!cxsig_crm_ids_add(&ids, id))
			break;
		if (taken > 0)
			appendStringInfoChar(body, ',');
		append_input(hubspot, attempts[taken].event, id, body);
		if (taken > 0 && body->len + 2 > max_bytes)
		{
			body->len = before;
			break;
		}
	}
	appendStringInfoString(body, "]}");
	return taken;
}

static void
append_input(CxsigHubspot *hubspot, const CxsigEvent *event, const char *id, StringInfo body)
{
	appendStringInfoString(body, "{\"idProperty\":");
	cxsig_json_append_string(body, hubspot->id.field);
	appendStringInfoString(body, ",\"id\":");
	cxsig_json_append_string(body, id);
	appendStringInfoString(body, ",\"objectWriteTraceId\":\"");
	cxsig_append_uuid(body, &event->event_id);
	appendStringInfoString(body, "\",\"properties\":");
	cxsig_record_render(hubspot->view, event, CXSIG_RECORD_STRINGS, body);
	appendStringInfoChar(body, '}');
}
