/*
 * zendesk_build.c
 *	  Requests that change records in Zendesk. Runs in the dispatcher for every request. No table, no
 *	  lock.
 *
 * An event that cannot be written at all was refused before (cxsig_zendesk_id).
 */
#include "postgres.h"

#include "transport/zendesk.h"
#include "transport/zendesk_ticket.h"

/* Servers in between take no longer URL for sure. */
#define MAX_URL 2000

static int build_tickets(CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n, int max_bytes,
						 CxsigRequest *request);
static int build_users(CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n, int max_bytes,
					   CxsigRequest *request);
static int build_list(CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n, int max_bytes,
					  CxsigRequest *request);
static int build_alike(CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n,
					   CxsigRequest *request);
static void build_one(CxsigZendesk *zendesk, const CxsigEvent *event, CxsigRequest *request);
static void build_ticket(CxsigZendesk *zendesk, const CxsigEvent *event, StringInfo fields,
						 CxsigRequest *request);
static void build_organization(CxsigZendesk *zendesk, const CxsigEvent *event,
							   CxsigRequest *request);
static const char *id_of(const CxsigZendesk *zendesk, const CxsigEvent *event);
static const char *record_of(const CxsigZendesk *zendesk, const CxsigEvent *event);
static void start(CxsigZendesk *zendesk, const char *method, const char *path,
				  CxsigRequest *request);
static void append_external_id(StringInfo out, const char *id);

int
cxsig_zendesk_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
					CxsigRequest *request)
{
	CxsigZendesk *zendesk = (CxsigZendesk *) transport;

	switch (zendesk->way)
	{
		case CXSIG_ZENDESK_TICKETS:
			return build_tickets(zendesk, attempts, n, max_bytes, request);
		case CXSIG_ZENDESK_ALIKE:
			return build_alike(zendesk, attempts, n, request);
		case CXSIG_ZENDESK_ONE:
			build_one(zendesk, attempts[0].event, request);
			return 1;
		case CXSIG_ZENDESK_SAFE:
			cxsig_zendesk_build_get(zendesk, attempts[0].event, request);
			return 1;
		case CXSIG_ZENDESK_USERS:
			return build_users(zendesk, attempts, n, max_bytes, request);
		case CXSIG_ZENDESK_ORGANIZATION:
			build_organization(zendesk, attempts[0].event, request);
			return 1;
	}
	return 1;
}

static int
build_tickets(CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n, int max_bytes,
			  CxsigRequest *request)
{
	start(zendesk, "PUT", "/api/v2/tickets/update_many.json", request);
	return build_list(zendesk, attempts, n, max_bytes, request);
}

static int
build_users(CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n, int max_bytes,
			CxsigRequest *request)
{
	start(zendesk, "POST", "/api/v2/users/create_or_update_many.json", request);
	return build_list(zendesk, attempts, n, max_bytes, request);
}

/* The body with records up to the first whose id is there already, or that does not fit. */
static int
build_list(CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n, int max_bytes,
		   CxsigRequest *request)
{
	StringInfo body = &request->body;
	bool tickets = cxsig_zendesk_is_ticket(zendesk);
	CxsigCrmIds ids;
	int taken;

	cxsig_crm_ids_start(&ids, n, false);
	appendStringInfo(body, "{\"%s\":", cxsig_zendesk_list_name(zendesk));
	for (taken = 0; taken < n; taken++)
	{
		const CxsigEvent *event = attempts[taken].event;
		const char *id = id_of(zendesk, event);
		int before = body->len;

		if (!cxsig_crm_ids_add(&ids, id))
			break;
		appendStringInfoString(body, taken == 0 ? "[{" : ",{");
		if (tickets)
			appendStringInfo(body, "\"id\":%s", id);
		else
			append_external_id(body, id);
		cxsig_zendesk_append_fields(body, record_of(zendesk, event));
		appendStringInfoChar(body, '}');
		if (taken > 0 && body->len + 2 > max_bytes) /* the closing brackets come on top */
		{
			body->len = before;
			body->data[before] = '\0';
			break;
		}
	}
	appendStringInfoString(body, "]}");
	return taken;
}

/* Tickets up to the first that is changed otherwise, or does not fit into the URL. */
static int
build_alike(CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n, CxsigRequest *request)
{
	const char *record = record_of(zendesk, attempts[0].event);
	CxsigZendeskTags tags = cxsig_zendesk_tags_read(record);
	StringInfoData url;
	StringInfoData fields;
	CxsigCrmIds ids;
	int taken;

	cxsig_crm_ids_start(&ids, n, false);
	initStringInfo(&url);
	appendStringInfo(&url, "%s/api/v2/tickets/update_many.json?ids=", zendesk->url);
	for (taken = 0; taken < Min(n, zendesk->most); taken++)
	{
		const CxsigEvent *event = attempts[taken].event;
		const char *id = id_of(zendesk, event);

		if (taken > 0 &&
			(url.len + strlen(id) >= MAX_URL || strcmp(record_of(zendesk, event), record) != 0))
			break;
		if (!cxsig_crm_ids_add(&ids, id))
			break;
		appendStringInfo(&url, "%s%s", taken == 0 ? "" : ",", id);
	}

	cxsig_crm_start(&zendesk->base, "PUT", url.data, request);
	cxsig_crm_add_header(request, "Content-Type", "application/json");
	initStringInfo(&fields);
	cxsig_zendesk_append_fields(&fields, record);
	cxsig_zendesk_append_changes(&fields, &tags);
	/* without the comma in front */
	appendStringInfo(&request->body, "{\"ticket\":{%s}}", fields.len > 0 ? fields.data + 1 : "");
	return taken;
}

static void
build_one(CxsigZendesk *zendesk, const CxsigEvent *event, CxsigRequest *request)
{
	StringInfoData fields;

	initStringInfo(&fields);
	cxsig_zendesk_append_fields(&fields, record_of(zendesk, event));
	build_ticket(zendesk, event, &fields, request);
}

/* fields: members, each with a comma in front. */
static void
build_ticket(CxsigZendesk *zendesk, const CxsigEvent *event, StringInfo fields,
			 CxsigRequest *request)
{
	start(zendesk, "PUT", psprintf("/api/v2/tickets/%s.json", id_of(zendesk, event)), request);
	appendStringInfo(&request->body, "{\"ticket\":{%s}}", fields->len > 0 ? fields->data + 1 : "");
}

void
cxsig_zendesk_build_get(CxsigZendesk *zendesk, const CxsigEvent *event, CxsigRequest *request)
{
	cxsig_crm_start(&zendesk->base, "GET",
					psprintf("%s/api/v2/tickets/%s.json", zendesk->url, id_of(zendesk, event)),
					request);
}

void
cxsig_zendesk_build_put(CxsigZendesk *zendesk, const CxsigEvent *event, CxsigJsonSpan ticket,
						CxsigRequest *request)
{
	const char *record = record_of(zendesk, event);
	CxsigZendeskTags tags = cxsig_zendesk_tags_read(record);
	CxsigJsonSpan stamp = cxsig_json_member(ticket.start, "updated_at");
	StringInfoData fields;

	initStringInfo(&fields);
	cxsig_zendesk_append_fields(&fields, record);
	if (tags.n_add > 0 || tags.n_remove > 0)
		cxsig_zendesk_append_merged(&fields, &tags, cxsig_json_member(ticket.start, "tags").start);
	appendStringInfo(&fields, ",\"updated_stamp\":%.*s,\"safe_update\":true", (int) stamp.len,
					 stamp.start);
	build_ticket(zendesk, event, &fields, request);
}

static void
build_organization(CxsigZendesk *zendesk, const CxsigEvent *event, CxsigRequest *request)
{
	start(zendesk, "POST", "/api/v2/organizations/create_or_update.json", request);
	appendStringInfoString(&request->body, "{\"organization\":{");
	append_external_id(&request->body, id_of(zendesk, event));
	cxsig_zendesk_append_fields(&request->body, record_of(zendesk, event));
	appendStringInfoString(&request->body, "}}");
}

static const char *
id_of(const CxsigZendesk *zendesk, const CxsigEvent *event)
{
	const char *why;
	const char *id = cxsig_zendesk_id(zendesk, event, &why);

	return id != NULL ? id : "0";
}

/* The mapping's record of the event, in the current context. */
static const char *
record_of(const CxsigZendesk *zendesk, const CxsigEvent *event)
{
	StringInfoData record;

	initStringInfo(&record);
	cxsig_record_render(zendesk->view, event, CXSIG_RECORD_JSON, &record);
	return record.data;
}

static void
start(CxsigZendesk *zendesk, const char *method, const char *path, CxsigRequest *request)
{
	cxsig_crm_start(&zendesk->base, method, psprintf("%s%s", zendesk->url, path), request);
	cxsig_crm_add_header(request, "Content-Type", "application/json");
}

static void
append_external_id(StringInfo out, const char *id)
{
	appendStringInfoString(out, "\"external_id\":");
	cxsig_json_append_string(out, id);
}
