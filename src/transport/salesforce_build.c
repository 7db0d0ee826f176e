/*
 * salesforce_build.c
 *	  Requests to Salesforce: a collection of records, one record, or an event. Runs in the dispatcher
 *	  for every request. No table, no lock.
 */
#include "postgres.h"

#include "transport/credential.h"
#include "transport/salesforce.h"

/* Room taken for a record to begin with. */
#define USUAL_RECORD_SIZE 512

static int build_collection(CxsigSalesforce *salesforce, const CxsigAttempt *attempts, int n,
							int max_bytes, CxsigRequest *request);
static void build_single(CxsigSalesforce *salesforce, const CxsigEvent *event,
						 CxsigRequest *request);
static void build_event(CxsigSalesforce *salesforce, const CxsigEvent *event,
						CxsigRequest *request);
static void start(CxsigSalesforce *salesforce, const char *method, const char *url,
				  CxsigRequest *request);
static const char *external_id(CxsigSalesforce *salesforce, const CxsigEvent *event);
static void append_fields(CxsigSalesforce *salesforce, const CxsigEvent *event, StringInfo body);

int
cxsig_salesforce_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
					   int max_bytes, CxsigRequest *request)
{
	CxsigSalesforce *salesforce = (CxsigSalesforce *) transport;

	switch (salesforce->mode)
	{
		case CXSIG_SALESFORCE_COLLECTIONS:
			return build_collection(salesforce, attempts, n, max_bytes, request);
		case CXSIG_SALESFORCE_SINGLE:
			build_single(salesforce, attempts[0].event, request);
			break;
		case CXSIG_SALESFORCE_EVENT:
			build_event(salesforce, attempts[0].event, request);
			break;
	}
	return 1;
}

char *
cxsig_salesforce_base(const CxsigSalesforce *salesforce)
{
	const char *instance_url = salesforce->base.credential != NULL
								   ? cxsig_credential_instance_url(salesforce->base.credential)
								   : NULL;

	return psprintf("%s/services/data/%s", instance_url != NULL ? instance_url : salesforce->url,
					salesforce->api_version);
}

/* A record whose external id is in the request already goes in the next one: twice is refused. */
static int
build_collection(CxsigSalesforce *salesforce, const CxsigAttempt *attempts, int n, int max_bytes,
				 CxsigRequest *request)
{
	StringInfo body = &request->body;
	CxsigCrmIds ids;
	int taken;

	start(salesforce, "PATCH",
		  psprintf("%s/composite/sobjects/%s/%s", cxsig_salesforce_base(salesforce),
				   salesforce->object, salesforce->id.field),
		  request);
	cxsig_crm_ids_start(&ids, n, true);
	enlargeStringInfo(body, Min(max_bytes, n * USUAL_RECORD_SIZE));
	appendStringInfoString(body, "{\"allOrNone\":false,\"records\":[");
	for (taken = 0; taken < Min(n, CXSIG_SALESFORCE_MAX_BATCH); taken++)
	{
		const char *id = external_id(salesforce, attempts[taken].event);
		int before = body->len;

		if (!cxsig_crm_ids_add(&ids, id))
			break;
		appendStringInfo(body, "%s{\"attributes\":{\"type\":\"%s\"},\"%s\":", taken > 0 ? "," : "",
						 salesforce->object, salesforce->id.field);
		cxsig_json_append_string(body, id);
		append_fields(salesforce, attempts[taken].event, body);
		if (taken > 0 && body->len + 2 > max_bytes)
		{
			body->len = before;
			break;
		}
	}
	appendStringInfoString(body, "]}");
	return taken;
}

/* The external id is in the URL, and must not be in the body. */
static void
build_single(CxsigSalesforce *salesforce, const CxsigEvent *event, CxsigRequest *request)
{
	StringInfoData url;
	char *base = cxsig_salesforce_base(salesforce);

	initStringInfo(&url);
	appendStringInfo(&url, "%s/sobjects/%s/%s/", base, salesforce->object, salesforce->id.field);
	cxsig_crm_append_encoded(&url, external_id(salesforce, event));
	start(salesforce, "PATCH", url.data, request);
	cxsig_record_render(salesforce->view, event, CXSIG_RECORD_JSON, &request->body);
}

static void
build_event(CxsigSalesforce *salesforce, const CxsigEvent *event, CxsigRequest *request)
{
	start(salesforce, "POST",
		  psprintf("%s/sobjects/%s/", cxsig_salesforce_base(salesforce), salesforce->object),
		  request);
	appendStringInfo(&request->body, "{\"%s\":\"", salesforce->event_id_field);
	cxsig_append_uuid(&request->body, &event->event_id);
	appendStringInfoChar(&request->body, '"');
	append_fields(salesforce, event, &request->body);
}

static void
start(CxsigSalesforce *salesforce, const char *method, const char *url, CxsigRequest *request)
{
	cxsig_crm_start(&salesforce->base, method, url, request);
	cxsig_crm_add_header(request, "Content-Type", "application/json; charset=UTF-8");
}

/* Events without one are refused before they come here. */
static const char *
external_id(CxsigSalesforce *salesforce, const CxsigEvent *event)
{
	const char *why;
	const char *id = cxsig_salesforce_id(salesforce, event, &why);

	return id != NULL ? id : "";
}

/* Go on with an object that has members already: the mapping's, and its end. */
static void
append_fields(CxsigSalesforce *salesforce, const CxsigEvent *event, StringInfo body)
{
	int at = body->len;

	cxsig_record_render(salesforce->view, event, CXSIG_RECORD_JSON, body);
	if (body->data[at + 1] == '}')
		body->data[at] = ' ';
	else
		body->data[at] = ',';
}
