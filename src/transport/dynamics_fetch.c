/*
 * dynamics_fetch.c
 *	  Reading rows back from Dataverse, and comparing them with what should be there. Runs in a
 *	  backend that verifies a destination. No table, no lock.
 *
 * A lookup ("column@odata.bind") is read back under another name and in another form: it is left out.
 */
#include "postgres.h"

#include "transport/dynamics.h"

/* A URL that is no longer passes everything on its way. */
#define MAX_URL 2000
#define MAX_ROWS 100
#define MAX_COLUMNS 1000

#define GUID_LEN 36

static void append_columns(CxsigDynamics *dynamics, const CxsigEvent *event, CxsigCrmIds *columns,
						   int *n_columns, StringInfo select);
static bool is_plain(CxsigJsonSpan name);
static CxsigJsonSpan read_list(const CxsigResponse *response, char *why, size_t size);
static void read_row(CxsigDynamics *dynamics, const CxsigEvent *event, const char *id,
					 CxsigJsonSpan list, bool more_pages, CxsigRecord *record);
static void read_remote_id(CxsigJsonSpan row, const char *expected, CxsigRecord *record);
static CxsigJsonSpan find_row(const CxsigDynamics *dynamics, CxsigJsonSpan list, const char *id);
static bool is_same(CxsigJsonSpan value, const char *id);
static char *comparable(CxsigDynamics *dynamics, const CxsigEvent *event);

int
cxsig_dynamics_build_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						   CxsigRequest *request)
{
	CxsigDynamics *dynamics = (CxsigDynamics *) transport;
	CxsigCrmIds columns;
	StringInfoData select;
	StringInfoData filter;
	int n_columns = 0;
	int taken;

	cxsig_crm_ids_start(&columns, MAX_COLUMNS, false);
	initStringInfo(&select);
	initStringInfo(&filter);
	appendStringInfoString(&select, dynamics->id.field);
	for (int i = 0; i < dynamics->n_keys; i++)
		appendStringInfo(&filter, "%s%%20eq%%20%s%%20and%%20", dynamics->keys[i].column,
						 dynamics->keys[i].literal);
	appendStringInfoChar(&filter, '(');
	for (taken = 0; taken < Min(n, MAX_ROWS); taken++)
	{
		const char *why;
		const char *id = cxsig_dynamics_id(dynamics, attempts[taken].event, &why);
		int filter_len = filter.len;
		int select_len = select.len;

		append_columns(dynamics, attempts[taken].event, &columns, &n_columns, &select);
		appendStringInfo(&filter, "%s%s%%20eq%%20", taken == 0 ? "" : "%20or%20",
						 dynamics->id.field);
		cxsig_dynamics_append_string(&filter, id != NULL ? id : "");
		if (taken > 0 && select.len + filter.len > MAX_URL)
		{
			filter.len = filter_len;
			select.len = select_len;
			filter.data[filter.len] = '\0';
			select.data[select.len] = '\0';
			break;
		}
	}
	appendStringInfoChar(&filter, ')');
	cxsig_dynamics_start(dynamics, "GET",
						 psprintf("%s/%s?$select=%s&$filter=%s", dynamics->api,
								  dynamics->entity_set, select.data, filter.data),
						 request);
	return taken;
}

/* Append the columns of an event's row that are not there yet. */
static void
append_columns(CxsigDynamics *dynamics, const CxsigEvent *event, CxsigCrmIds *columns,
			   int *n_columns, StringInfo select)
{
	StringInfoData row;
	CxsigJsonMember member;

	initStringInfo(&row);
	cxsig_record_render(dynamics->view, event, CXSIG_RECORD_JSON, &row);
	for (bool more = cxsig_json_first_member(row.data, &member); more && *n_columns < MAX_COLUMNS;
		 more = cxsig_json_next_member(&member))
	{
		char *name = pnstrdup(member.name.start + 1, member.name.len - 2);

		if (!is_plain(member.name) || !cxsig_crm_ids_add(columns, name))
			continue;
		appendStringInfo(select, ",%s", name);
		(*n_columns)++;
	}
}

/* Is it the name of a column as it stands in a URL: no annotation, nothing to escape? */
static bool
is_plain(CxsigJsonSpan name)
{
	for (size_t i = 1; i + 1 < name.len; i++)
	{
		if (!isalnum((unsigned char) name.start[i]) && name.start[i] != '_')
			return false;
	}
	return name.len > 2;
}

void
cxsig_dynamics_read_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						  const CxsigResponse *response, CxsigRecord *records)
{
	CxsigDynamics *dynamics = (CxsigDynamics *) transport;
	char why_none[sizeof(records[0].detail)];
	CxsigJsonSpan list = read_list(response, why_none, sizeof(why_none));
	bool more_pages = false;

	if (list.start != NULL)
		more_pages = !cxsig_json_is_empty(cxsig_json_member(response->body, "@odata.nextLink"));
	for (int i = 0; i < n; i++)
	{
		const char *why;
		const char *id = cxsig_dynamics_id(dynamics, attempts[i].event, &why);

		records[i].state = CXSIG_RECORD_UNKNOWN;
		if (id == NULL)
			strlcpy(records[i].detail, why, sizeof(records[i].detail));
		else if (list.start == NULL)
			strlcpy(records[i].detail, why_none, sizeof(records[i].detail));
		else
			read_row(dynamics, attempts[i].event, id, list, more_pages, &records[i]);
	}
}

/* The answer's list of rows; none, and the reason, where it has none. */
static CxsigJsonSpan
read_list(const CxsigResponse *response, char *why, size_t size)
{
	CxsigJsonSpan list = {NULL, 0};
	CxsigResult result = {0};

	if (response->status < 200 || response->status >= 300)
	{
		cxsig_dynamics_read_status(response, 1, &result);
		snprintf(why, size, "%d%s%.400s", response->status, result.detail[0] != '\0' ? ": " : "",
				 result.detail);
		return list;
	}
	if (cxsig_crm_is_object(response))
		list = cxsig_json_member(response->body, "value");
	if (list.start != NULL && *list.start == '[')
		return list;
	list.start = NULL;
	snprintf(why, size, "the answer %s",
			 response->body_truncated ? "is too long to read" : "has no list of rows");
	return list;
}

static void
read_row(CxsigDynamics *dynamics, const CxsigEvent *event, const char *id, CxsigJsonSpan list,
		 bool more_pages, CxsigRecord *record)
{
	CxsigJsonSpan row = find_row(dynamics, list, id);
	char *expected;

	if (row.start == NULL)
	{
		record->state = more_pages ? CXSIG_RECORD_UNKNOWN : CXSIG_RECORD_MISSING;
		if (more_pages)
			strlcpy(record->detail, "the answer goes on elsewhere", sizeof(record->detail));
		return;
	}
	expected = comparable(dynamics, event);
	record->differences = cxsig_record_compare(expected, pnstrdup(row.start, row.len));
	record->state = record->differences != NULL ? CXSIG_RECORD_DIFFERS : CXSIG_RECORD_EQUAL;
	read_remote_id(row, expected, record);
}

/* The table's own key comes along unasked; it is named after the table, and a guid. */
static void
read_remote_id(CxsigJsonSpan row, const char *expected, CxsigRecord *record)
{
	CxsigJsonMember member;

	for (bool more = cxsig_json_first_member(row.start, &member); more;
		 more = cxsig_json_next_member(&member))
	{
		char *name = pnstrdup(member.name.start + 1, member.name.len - 2);
		size_t len = strlen(name);

		if (!is_plain(member.name) || len < 2 || strcmp(name + len - 2, "id") != 0 ||
			*member.value.start != '"' || member.value.len != GUID_LEN + 2 ||
			cxsig_json_member(expected, name).start != NULL)
			continue;
		cxsig_crm_copy_value(record->remote_id, sizeof(record->remote_id), member.value);
		return;
	}
}

static CxsigJsonSpan
find_row(const CxsigDynamics *dynamics, CxsigJsonSpan list, const char *id)
{
	CxsigJsonSpan row;

	for (row = cxsig_json_first_element(list.start); row.start != NULL;
		 row = cxsig_json_next_element(row))
	{
		if (*row.start == '{' && is_same(cxsig_json_member(row.start, dynamics->id.field), id))
			break;
	}
	return row;
}

/* Keys are compared as the database does, without regard to case. */
static bool
is_same(CxsigJsonSpan value, const char *id)
{
	char text[1024];

	if (value.start == NULL || *value.start != '"')
		return cxsig_crm_is_text(value, id);
	cxsig_json_unescape(value, text, sizeof(text));
	return pg_strcasecmp(text, id) == 0;
}

/* The row as it should be, but for what cannot be read back as it was written. */
static char *
comparable(CxsigDynamics *dynamics, const CxsigEvent *event)
{
	StringInfoData row;
	StringInfoData out;
	CxsigJsonMember member;

	initStringInfo(&row);
	initStringInfo(&out);
	cxsig_record_render(dynamics->view, event, CXSIG_RECORD_JSON, &row);
	appendStringInfoChar(&out, '{');
	for (bool more = cxsig_json_first_member(row.data, &member); more;
		 more = cxsig_json_next_member(&member))
	{
		if (!is_plain(member.name))
			continue;
		if (out.len > 1)
			appendStringInfoChar(&out, ',');
		appendBinaryStringInfo(&out, member.name.start, member.name.len);
		appendStringInfoChar(&out, ':');
		appendBinaryStringInfo(&out, member.value.start, member.value.len);
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}
