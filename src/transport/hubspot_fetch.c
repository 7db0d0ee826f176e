/*
 * hubspot_fetch.c
 *	  Reading objects back from HubSpot, and comparing them with what should be there. Runs in a backend
 *	  that verifies a destination. No table, no lock.
 */
#include "postgres.h"

#include "transport/hubspot.h"

static CxsigJsonSpan read_list(CxsigHubspot *hubspot, const CxsigResponse *response, char *why,
							   size_t size);
static void read_object(CxsigHubspot *hubspot, const CxsigEvent *event, const char *id,
						CxsigJsonSpan list, CxsigRecord *record);

int
cxsig_hubspot_build_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						  CxsigRequest *request)
{
	CxsigHubspot *hubspot = (CxsigHubspot *) transport;
	StringInfo body = &request->body;
	int taken = Min(n, CXSIG_HUBSPOT_MAX_BATCH);

	cxsig_crm_start(transport, "POST", psprintf("%s/batch/read", hubspot->api), request);
	cxsig_crm_add_header(request, "Content-Type", "application/json");
	appendStringInfoString(body, "{\"idProperty\":");
	cxsig_json_append_string(body, hubspot->id.field);
	appendStringInfoString(body, ",\"properties\":[");
	cxsig_json_append_string(body, hubspot->id.field);
	for (int i = 0; i < hubspot->n_properties; i++)
	{
		appendStringInfoChar(body, ',');
		cxsig_json_append_string(body, hubspot->properties[i]);
	}
	appendStringInfoString(body, "],\"inputs\":[");
	for (int i = 0; i < taken; i++)
	{
		const char *why;
		const char *id = cxsig_hubspot_id(hubspot, attempts[i].event, &why);

		appendStringInfoString(body, i > 0 ? ",{\"id\":" : "{\"id\":");
		cxsig_json_append_string(body, id != NULL ? id : "-");
		appendStringInfoChar(body, '}');
	}
	appendStringInfoString(body, "]}");
	return taken;
}

void
cxsig_hubspot_read_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						 const CxsigResponse *response, CxsigRecord *records)
{
	CxsigHubspot *hubspot = (CxsigHubspot *) transport;
	char why_none[sizeof(records[0].detail)];
	CxsigJsonSpan list = read_list(hubspot, response, why_none, sizeof(why_none));

	for (int i = 0; i < n; i++)
	{
		const char *why;
		const char *id = cxsig_hubspot_id(hubspot, attempts[i].event, &why);

		records[i].state = CXSIG_RECORD_UNKNOWN;
		if (id == NULL || list.start == NULL)
			strlcpy(records[i].detail, id == NULL ? why : why_none, sizeof(records[i].detail));
		else
			read_object(hubspot, attempts[i].event, id, list, &records[i]);
	}
}

/* The answer's list of objects; none, and the reason, where it has none. */
static CxsigJsonSpan
read_list(CxsigHubspot *hubspot, const CxsigResponse *response, char *why, size_t size)
{
	CxsigJsonSpan list = {NULL, 0};
	CxsigResult result = {0};

	if (response->status < 200 || response->status >= 300)
	{
		cxsig_hubspot_read_refused(hubspot, NULL, 1, response, &result);
		snprintf(why, size, "%d%s%.400s", response->status, result.detail[0] != '\0' ? ": " : "",
				 result.detail);
		return list;
	}
	if (cxsig_crm_is_object(response))
		list = cxsig_json_member(response->body, "results");
	if (list.start != NULL && *list.start == '[')
		return list;
	list.start = NULL;
	snprintf(why, size, "the answer %s",
			 response->body_truncated ? "is too long to read" : "has no list of objects");
	return list;
}

static void
read_object(CxsigHubspot *hubspot, const CxsigEvent *event, const char *id, CxsigJsonSpan list,
			CxsigRecord *record)
{
	CxsigJsonSpan at;
	StringInfoData expected;

	record->state = CXSIG_RECORD_MISSING;
	for (at = cxsig_json_first_element(list.start); at.start != NULL;
		 at = cxsig_json_next_element(at))
	{
		CxsigJsonSpan properties = cxsig_json_member(at.start, "properties");
		CxsigJsonSpan value = {NULL, 0};
		char text[2048];

		if (properties.start != NULL)
			value = cxsig_json_member(properties.start, hubspot->id.field);
		if (value.start == NULL || *value.start != '"')
			continue;
		cxsig_json_unescape(value, text, sizeof(text));
		if (pg_strcasecmp(text, id) != 0)
			continue;
		initStringInfo(&expected);
		cxsig_record_render(hubspot->view, event, CXSIG_RECORD_STRINGS, &expected);
		record->differences =
			cxsig_record_compare(expected.data, pnstrdup(properties.start, properties.len));
		record->state = record->differences != NULL ? CXSIG_RECORD_DIFFERS : CXSIG_RECORD_EQUAL;
		cxsig_crm_copy_value(record->remote_id, sizeof(record->remote_id),
							 cxsig_json_member(at.start, "id"));
		return;
	}
}
