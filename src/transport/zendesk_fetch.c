/*
 * zendesk_fetch.c
 *	  Reading records back from Zendesk, and comparing them with what should be there. Runs in a
 *	  backend that verifies a destination. No table, no lock.
 *
 * Records are compared flat: {"custom_fields": {"360001": "a"}, "tags": {"add": ["b"]}} becomes
 * {"custom_fields.360001": "a", "tags.b": true}, and of the record only what is named there is looked
 * at: what others keep in it is theirs.
 */
#include "postgres.h"

#include "transport/outcome.h"
#include "transport/zendesk.h"
#include "transport/zendesk_ticket.h"

/* As many tickets as an answer holds for sure before it is cut short: they come with their text. */
#define MAX_TICKETS 25
#define MAX_OTHERS 50
#define MAX_URL 2000

static void read_record(const CxsigZendesk *zendesk, const CxsigEvent *event, const char *id,
						CxsigJsonSpan list, CxsigRecord *record);
static CxsigJsonSpan find_record(CxsigJsonSpan list, const char *key, const char *id);
static void flatten_expected(const CxsigZendesk *zendesk, const char *wanted, StringInfo out);
static void flatten_actual(const CxsigZendesk *zendesk, CxsigJsonSpan found, StringInfo out);
static void append_custom_fields(StringInfo out, CxsigJsonSpan list);
static void append_member(StringInfo out, const CxsigJsonMember *member);
static void append_members(StringInfo out, CxsigJsonSpan prefix, CxsigJsonSpan object);
static void append_tags(StringInfo out, char **tags, int n, const char *value);
static void append_tags_found(StringInfo out, CxsigJsonSpan list);
static void append_value(StringInfo out, CxsigJsonSpan value);
static void open_member(StringInfo out);
static bool is_named(CxsigJsonSpan name, const char *text);
static CxsigJsonSpan read_list(const CxsigZendesk *zendesk, const CxsigResponse *response,
							   char *why, size_t size);

int
cxsig_zendesk_build_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						  CxsigRequest *request)
{
	CxsigZendesk *zendesk = (CxsigZendesk *) transport;
	bool tickets = cxsig_zendesk_is_ticket(zendesk);
	StringInfoData url;
	int taken;

	initStringInfo(&url);
	appendStringInfo(&url, "%s/api/v2/%s/show_many.json?%s=", zendesk->url,
					 cxsig_zendesk_list_name(zendesk), tickets ? "ids" : "external_ids");
	for (taken = 0; taken < Min(n, tickets ? MAX_TICKETS : MAX_OTHERS); taken++)
	{
		const char *why;
		const char *id = cxsig_zendesk_id(zendesk, attempts[taken].event, &why);
		int before = url.len;

		if (taken > 0)
			appendStringInfoChar(&url, ',');
		cxsig_crm_append_encoded(&url, id != NULL ? id : "0");
		if (taken > 0 && url.len > MAX_URL)
		{
			url.len = before;
			url.data[before] = '\0';
			break;
		}
	}
	cxsig_crm_start(transport, "GET", url.data, request);
	return taken;
}

void
cxsig_zendesk_read_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						 const CxsigResponse *response, CxsigRecord *records)
{
	CxsigZendesk *zendesk = (CxsigZendesk *) transport;
	char why_none[sizeof(records[0].detail)];
	CxsigJsonSpan list = read_list(zendesk, response, why_none, sizeof(why_none));

	for (int i = 0; i < n; i++)
	{
		const char *why;
		const char *id = cxsig_zendesk_id(zendesk, attempts[i].event, &why);

		records[i].state = CXSIG_RECORD_UNKNOWN;
		if (id == NULL)
			strlcpy(records[i].detail, why, sizeof(records[i].detail));
		else if (list.start == NULL)
			strlcpy(records[i].detail, why_none, sizeof(records[i].detail));
		else if (!cxsig_zendesk_is_ticket(zendesk) && strchr(id, ',') != NULL)
			strlcpy(records[i].detail, "an external_id with a comma cannot be asked for",
					sizeof(records[i].detail));
		else
			read_record(zendesk, attempts[i].event, id, list, &records[i]);
	}
}

/* The answer's list of records; none, and the reason, where it has none. */
static CxsigJsonSpan
read_list(const CxsigZendesk *zendesk, const CxsigResponse *response, char *why, size_t size)
{
	CxsigJsonSpan none = {NULL, 0};
	CxsigJsonSpan list = none;
	CxsigResult result = {0};

	if (response->status < 200 || response->status >= 300)
	{
		cxsig_zendesk_read_status(unconstify(CxsigZendesk *, zendesk), response, &result);
		snprintf(why, size, "%d%s%.400s", response->status, result.detail[0] != '\0' ? ": " : "",
				 result.detail);
		return none;
	}
	if (cxsig_crm_is_object(response))
		list = cxsig_json_member(response->body, cxsig_zendesk_list_name(zendesk));
	if (list.start != NULL && *list.start == '[')
		return list;
	snprintf(why, size, "the answer %s",
			 response->body_truncated ? "is too long to read" : "has no list of records");
	return none;
}

static void
read_record(const CxsigZendesk *zendesk, const CxsigEvent *event, const char *id,
			CxsigJsonSpan list, CxsigRecord *record)
{
	const char *key = cxsig_zendesk_is_ticket(zendesk) ? "id" : "external_id";
	CxsigJsonSpan found = find_record(list, key, id);
	StringInfoData wanted;
	StringInfoData expected;
	StringInfoData actual;

	if (found.start == NULL)
	{
		record->state = CXSIG_RECORD_MISSING;
		record->not_makeable = cxsig_zendesk_is_ticket(zendesk);
		if (record->not_makeable)
			strlcpy(record->detail, "there is no such ticket, and tickets are changed, not made",
					sizeof(record->detail));
		return;
	}
	cxsig_crm_copy_value(record->remote_id, sizeof(record->remote_id),
						 cxsig_json_member(found.start, "id"));
	initStringInfo(&wanted);
	initStringInfo(&expected);
	initStringInfo(&actual);
	cxsig_record_render(zendesk->view, event, CXSIG_RECORD_JSON, &wanted);
	flatten_expected(zendesk, wanted.data, &expected);
	flatten_actual(zendesk, found, &actual);
	record->differences = cxsig_record_compare(expected.data, actual.data);
	record->state = record->differences != NULL ? CXSIG_RECORD_DIFFERS : CXSIG_RECORD_EQUAL;
}

static CxsigJsonSpan
find_record(CxsigJsonSpan list, const char *key, const char *id)
{
	CxsigJsonSpan element;

	for (element = cxsig_json_first_element(list.start); element.start != NULL;
		 element = cxsig_json_next_element(element))
	{
		if (*element.start == '{' && cxsig_crm_is_text(cxsig_json_member(element.start, key), id))
			break;
	}
	return element;
}

static void
flatten_expected(const CxsigZendesk *zendesk, const char *wanted, StringInfo out)
{
	bool tickets = cxsig_zendesk_is_ticket(zendesk);
	CxsigJsonMember member;

	appendStringInfoChar(out, '{');
	for (bool more = cxsig_json_first_member(wanted, &member); more;
		 more = cxsig_json_next_member(&member))
	{
		if (tickets && is_named(member.name, "tags"))
		{
			CxsigZendeskTags tags = cxsig_zendesk_tags_read(wanted);

			append_tags(out, tags.add, tags.n_add, "true");
			append_tags(out, tags.remove, tags.n_remove, "null");
		}
		else
			append_member(out, &member);
	}
	appendStringInfoChar(out, '}');
}

/* A field by its name, an object by those of its members. */
static void
append_member(StringInfo out, const CxsigJsonMember *member)
{
	if (*member->value.start == '{')
	{
		append_members(out, member->name, member->value);
		return;
	}
	open_member(out);
	appendBinaryStringInfo(out, member->name.start, member->name.len);
	append_value(out, member->value);
}

/* What was found, in the same form. */
static void
flatten_actual(const CxsigZendesk *zendesk, CxsigJsonSpan found, StringInfo out)
{
	bool tickets = cxsig_zendesk_is_ticket(zendesk);
	CxsigJsonMember member;

	appendStringInfoChar(out, '{');
	for (bool more = cxsig_json_first_member(found.start, &member); more;
		 more = cxsig_json_next_member(&member))
	{
		if (tickets && is_named(member.name, "tags"))
			append_tags_found(out, member.value);
		else if (tickets && is_named(member.name, "custom_fields"))
			append_custom_fields(out, member.value);
		else
			append_member(out, &member);
	}
	appendStringInfoChar(out, '}');
}

/* [{"id": 360001, "value": "a"}] as "custom_fields.360001":"a". */
static void
append_custom_fields(StringInfo out, CxsigJsonSpan list)
{
	CxsigJsonSpan element;

	for (element = cxsig_json_first_element(list.start); element.start != NULL;
		 element = cxsig_json_next_element(element))
	{
		CxsigJsonSpan id = {NULL, 0};
		CxsigJsonSpan value = {NULL, 0};

		if (*element.start == '{')
		{
			id = cxsig_json_member(element.start, "id");
			value = cxsig_json_member(element.start, "value");
		}
		if (id.start == NULL || value.start == NULL || strspn(id.start, "0123456789") < id.len)
			continue;
		open_member(out);
		appendStringInfoString(out, "\"custom_fields.");
		appendBinaryStringInfo(out, id.start, id.len);
		appendStringInfoChar(out, '"');
		append_value(out, value);
	}
}

/* {"b": 1} of "a" as "a.b":1. */
static void
append_members(StringInfo out, CxsigJsonSpan prefix, CxsigJsonSpan object)
{
	CxsigJsonMember member;

	for (bool more = cxsig_json_first_member(object.start, &member); more;
		 more = cxsig_json_next_member(&member))
	{
		open_member(out);
		appendBinaryStringInfo(out, prefix.start, prefix.len - 1);
		appendStringInfoChar(out, '.');
		appendBinaryStringInfo(out, member.name.start + 1, member.name.len - 1);
		append_value(out, member.value);
	}
}

static void
append_tags(StringInfo out, char **tags, int n, const char *value)
{
	for (int i = 0; i < n; i++)
	{
		open_member(out);
		cxsig_json_append_string(out, psprintf("tags.%s", tags[i]));
		appendStringInfo(out, ":%s", value);
	}
}

static void
append_tags_found(StringInfo out, CxsigJsonSpan list)
{
	CxsigJsonSpan element;

	for (element = cxsig_json_first_element(list.start); element.start != NULL;
		 element = cxsig_json_next_element(element))
	{
		if (*element.start != '"')
			continue;
		open_member(out);
		appendStringInfoString(out, "\"tags.");
		appendBinaryStringInfo(out, element.start + 1, element.len - 1);
		appendStringInfoString(out, ":true");
	}
}

static void
append_value(StringInfo out, CxsigJsonSpan value)
{
	appendStringInfoChar(out, ':');
	appendBinaryStringInfo(out, value.start, value.len);
}

/* A comma, unless it is the first member of the object. */
static void
open_member(StringInfo out)
{
	if (out->len > 1)
		appendStringInfoChar(out, ',');
}

static bool
is_named(CxsigJsonSpan name, const char *text)
{
	size_t len = strlen(text);

	return name.len == len + 2 && memcmp(name.start + 1, text, len) == 0;
}
