/*
 * salesforce_fetch.c
 *	  Reading records back from Salesforce with a query, and comparing them with what should be there.
 *	  Runs in a backend that verifies a destination. No table, no lock.
 */
#include "postgres.h"

#include "transport/salesforce.h"

/* A URI has at most 16 kB; and what a page of an answer holds for sure. */
#define MAX_URL 12000
#define MAX_RECORDS 200

static void append_literal(StringInfo out, const char *text);
static CxsigJsonSpan read_list(CxsigSalesforce *salesforce, const CxsigResponse *response,
							   char *why, size_t size);
static void read_record(CxsigSalesforce *salesforce, const CxsigEvent *event, const char *id,
						CxsigJsonSpan list, bool more, CxsigRecord *record);
static CxsigJsonSpan find_record(const CxsigSalesforce *salesforce, CxsigJsonSpan list,
								 const char *id);
static char *comparable(CxsigSalesforce *salesforce, const CxsigEvent *event);

int
cxsig_salesforce_build_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
							 CxsigRequest *request)
{
	CxsigSalesforce *salesforce = (CxsigSalesforce *) transport;
	StringInfoData url;
	int taken;

	if (salesforce->mode == CXSIG_SALESFORCE_EVENT)
	{
		transport->ops->build_ping(transport, request);
		return n;
	}
	initStringInfo(&url);
	appendStringInfo(&url, "%s/query?q=SELECT%%20Id,%s", cxsig_salesforce_base(salesforce),
					 salesforce->id.field);
	for (int i = 0; i < salesforce->n_fields; i++)
		appendStringInfo(&url, ",%s", salesforce->fields[i]);
	appendStringInfo(&url, "%%20FROM%%20%s%%20WHERE%%20%s%%20IN%%20(", salesforce->object,
					 salesforce->id.field);
	for (taken = 0; taken < Min(n, MAX_RECORDS); taken++)
	{
		const char *why;
		const char *id = cxsig_salesforce_id(salesforce, attempts[taken].event, &why);
		int before = url.len;

		if (taken > 0)
			appendStringInfoChar(&url, ',');
		/* no empty one: it would find the records that have none */
		append_literal(&url, id != NULL ? id : "-");
		if (taken > 0 && url.len >= MAX_URL)
		{
			url.len = before;
			break;
		}
	}
	appendStringInfoChar(&url, ')');
	cxsig_crm_start(transport, "GET", url.data, request);
	return taken;
}

/* A string of SOQL, in a URL. */
static void
append_literal(StringInfo out, const char *text)
{
	StringInfoData literal;

	initStringInfo(&literal);
	for (; *text != '\0'; text++)
	{
		if (*text == '\'' || *text == '\\')
			appendStringInfoChar(&literal, '\\');
		appendStringInfoChar(&literal, *text);
	}
	appendStringInfoChar(out, '\'');
	cxsig_crm_append_encoded(out, literal.data);
	appendStringInfoChar(out, '\'');
	pfree(literal.data);
}

void
cxsig_salesforce_read_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
							const CxsigResponse *response, CxsigRecord *records)
{
	CxsigSalesforce *salesforce = (CxsigSalesforce *) transport;
	char why_none[sizeof(records[0].detail)];
	CxsigJsonSpan list = read_list(salesforce, response, why_none, sizeof(why_none));
	bool more =
		list.start != NULL && cxsig_crm_is(cxsig_json_member(response->body, "done"), "false");

	for (int i = 0; i < n; i++)
	{
		const char *why = why_none;
		const char *id = NULL;

		records[i].state = CXSIG_RECORD_UNKNOWN;
		if (salesforce->mode == CXSIG_SALESFORCE_EVENT)
			why = "events are published, and not kept";
		else
			id = cxsig_salesforce_id(salesforce, attempts[i].event, &why);
		if (id == NULL || list.start == NULL)
			strlcpy(records[i].detail, id == NULL ? why : why_none, sizeof(records[i].detail));
		else
			read_record(salesforce, attempts[i].event, id, list, more, &records[i]);
	}
}

/* The answer's list of records; none, and the reason, where it has none. */
static CxsigJsonSpan
read_list(CxsigSalesforce *salesforce, const CxsigResponse *response, char *why, size_t size)
{
	CxsigJsonSpan list = {NULL, 0};
	CxsigResult result = {0};

	if (response->status < 200 || response->status >= 300)
	{
		cxsig_salesforce_read_refused(salesforce, NULL, 1, response, &result);
		snprintf(why, size, "%d%s%.400s", response->status, result.detail[0] != '\0' ? ": " : "",
				 result.detail);
		return list;
	}
	if (cxsig_crm_is_object(response))
		list = cxsig_json_member(response->body, "records");
	if (list.start != NULL && *list.start == '[')
		return list;
	list.start = NULL;
	snprintf(why, size, "the answer %s",
			 response->body_truncated ? "is too long to read" : "has no list of records");
	return list;
}

static void
read_record(CxsigSalesforce *salesforce, const CxsigEvent *event, const char *id,
			CxsigJsonSpan list, bool more, CxsigRecord *record)
{
	CxsigJsonSpan found = find_record(salesforce, list, id);

	if (found.start == NULL)
	{
		record->state = more ? CXSIG_RECORD_UNKNOWN : CXSIG_RECORD_MISSING;
		if (more)
			strlcpy(record->detail, "the answer goes on elsewhere", sizeof(record->detail));
		return;
	}
	record->differences =
		cxsig_record_compare(comparable(salesforce, event), pnstrdup(found.start, found.len));
	record->state = record->differences != NULL ? CXSIG_RECORD_DIFFERS : CXSIG_RECORD_EQUAL;
	cxsig_crm_copy_value(record->remote_id, sizeof(record->remote_id),
						 cxsig_json_member(found.start, "Id"));
}

/* External ids are compared as Salesforce does, without regard to case. */
static CxsigJsonSpan
find_record(const CxsigSalesforce *salesforce, CxsigJsonSpan list, const char *id)
{
	CxsigJsonSpan at;

	for (at = cxsig_json_first_element(list.start); at.start != NULL;
		 at = cxsig_json_next_element(at))
	{
		char text[2048];
		CxsigJsonSpan value = cxsig_json_member(at.start, salesforce->id.field);

		if (value.start == NULL)
			continue;
		if (*value.start != '"'
				? cxsig_crm_is_text(value, id)
				: (cxsig_json_unescape(value, text, sizeof(text)), pg_strcasecmp(text, id) == 0))
			break;
	}
	return at;
}

/* The record as it should be, but for references, which are not read back. */
static char *
comparable(CxsigSalesforce *salesforce, const CxsigEvent *event)
{
	StringInfoData record;
	StringInfoData out;
	CxsigJsonMember member;

	initStringInfo(&record);
	initStringInfo(&out);
	cxsig_record_render(salesforce->view, event, CXSIG_RECORD_JSON, &record);
	appendStringInfoChar(&out, '{');
	for (bool more = cxsig_json_first_member(record.data, &member); more;
		 more = cxsig_json_next_member(&member))
	{
		if (*member.value.start == '{')
			continue;
		appendStringInfo(&out, "%s%.*s:%.*s", out.len > 1 ? "," : "", (int) member.name.len,
						 member.name.start, (int) member.value.len, member.value.start);
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}
