/*
 * record.c
 *	  An event as a record of a CRM: what names it, and its fields. Runs in the dispatcher for every
 *	  request, and in backends that define or show one. No table, no lock.
 */
#include "postgres.h"

#include "event/json.h"
#include "event/mapping.h"
#include "transport/record.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

/* The value of an external id is a mapping of this one member. */
#define ID_MEMBER "id"

static void check_scope(const CxsigConfigObject *object, const char *path, const char *order_scope);
static bool is_path_of(const char *path, const char *member);
static CxsigMapping *prepare_id(const CxsigConfigObject *object, const char *path);
static void append_as_string(CxsigJsonSpan value, StringInfo out);
static void append_bare(CxsigJsonSpan value, StringInfo out);

void
cxsig_record_external_id(const CxsigConfigObject *config, const char *order_scope,
						 const char *default_field, CxsigExternalId *into)
{
	static const char *const keys[] = {"field", "value", NULL};
	CxsigConfigObject object = cxsig_config_object(config, "external_id");
	char *path;

	cxsig_config_known(&object, keys);
	into->field = cxsig_config_string(&object, "field", default_field == NULL);
	if (into->field == NULL)
		into->field = pstrdup(default_field);
	path = cxsig_config_string(&object, "value", false);
	if (path == NULL)
		path = pstrdup(strcmp(order_scope, "account") == 0 ? "$.account_id" : "$.ticket_id");
	check_scope(&object, path, order_scope);
	into->value = prepare_id(&object, path);
}

/* Two lanes must not write one record: what names it has to stay within a lane. */
static void
check_scope(const CxsigConfigObject *object, const char *path, const char *order_scope)
{
	bool of_account = is_path_of(path, "account_id") || is_path_of(path, "account");

	if (!of_account && !is_path_of(path, "ticket_id"))
		cxsig_config_refuse(object, "value", "is no path of the ticket or its account",
							"Records are written in order only per ticket or account: "
							"\"$.ticket_id\", \"$.account_id\" or a path into \"$.account\".");
	if (of_account && strcmp(order_scope, "account") != 0)
		cxsig_config_refuse(object, "value", "names a record of the account",
							"Set the option \"order_scope\" to \"account\", so that events of "
							"several tickets do not write it out of order.");
	if (strcmp(order_scope, "none") == 0)
		cxsig_config_refuse(object, "value", "needs an order, and the order scope is \"none\"",
							"Set the option \"order_scope\" to \"ticket\" or \"account\".");
}

/* Is it $.member, or a path below that, and no other? */
static bool
is_path_of(const char *path, const char *member)
{
	size_t len = strlen(member);

	if (strncmp(path, "$.", 2) != 0 || strncmp(path + 2, member, len) != 0)
		return false;
	path += 2 + len;
	return (*path == '\0' || *path == '.') && strchr(path, '$') == NULL;
}

static CxsigMapping *
prepare_id(const CxsigConfigObject *object, const char *path)
{
	StringInfoData template;

	initStringInfo(&template);
	appendStringInfoString(&template, "{\"" ID_MEMBER "\":");
	cxsig_json_append_string(&template, path);
	appendStringInfoChar(&template, '}');
	return cxsig_mapping_prepare(
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(template.data))));
}

void
cxsig_record_check_mapping(const CxsigView *view, const char *transport, const char *destination,
						   const char *example)
{
	if (view->mapping == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("transport \"%s\" of destination \"%s\" needs the option \"mapping\"",
						transport, destination),
				 errhint("For example {\"mapping\": %s}.", example)));
}

char *
cxsig_record_id(const CxsigExternalId *id, const CxsigEvent *event)
{
	StringInfoData text;
	CxsigJsonSpan value;
	char *said;

	initStringInfo(&text);
	cxsig_mapping_render(id->value, event, &text);
	value = cxsig_json_member(text.data, ID_MEMBER);
	if (cxsig_json_is_empty(value) || *value.start == '{' || *value.start == '[')
		return NULL;
	if (*value.start != '"')
		return pnstrdup(value.start, value.len);
	said = palloc(value.len);
	if (cxsig_json_unescape(value, said, value.len) == 0)
		return NULL;
	return said;
}

void
cxsig_record_render(const CxsigView *view, const CxsigEvent *event, CxsigRecordStyle style,
					StringInfo out)
{
	StringInfoData record;
	CxsigJsonMember member;
	bool more;

	if (style == CXSIG_RECORD_JSON)
	{
		cxsig_mapping_render_record(view->mapping, event, out);
		return;
	}
	initStringInfo(&record);
	cxsig_mapping_render_record(view->mapping, event, &record);
	appendStringInfoChar(out, '{');
	more = cxsig_json_first_member(record.data, &member);
	while (more)
	{
		appendBinaryStringInfo(out, member.name.start, member.name.len);
		appendStringInfoChar(out, ':');
		append_as_string(member.value, out);
		more = cxsig_json_next_member(&member);
		if (more)
			appendStringInfoChar(out, ',');
	}
	appendStringInfoChar(out, '}');
	pfree(record.data);
}

static void
append_as_string(CxsigJsonSpan value, StringInfo out)
{
	CxsigJsonSpan element;
	bool first = true;

	appendStringInfoChar(out, '"');
	if (*value.start != '[')
		append_bare(value, out);
	else
	{
		for (element = cxsig_json_first_element(value.start); element.start != NULL;
			 element = cxsig_json_next_element(element))
		{
			if (!first)
				appendStringInfoChar(out, ';');
			append_bare(element, out);
			first = false;
		}
	}
	appendStringInfoChar(out, '"');
}

/* A value as what stands between a string's quotes; null is nothing. */
static void
append_bare(CxsigJsonSpan value, StringInfo out)
{
	StringInfoData quoted;

	if (*value.start == 'n')
		return;
	if (*value.start == '"')
	{
		appendBinaryStringInfo(out, value.start + 1, value.len - 2);
		return;
	}
	initStringInfo(&quoted);
	cxsig_json_append_string(&quoted, pnstrdup(value.start, value.len));
	appendBinaryStringInfo(out, quoted.data + 1, quoted.len - 2);
	pfree(quoted.data);
}
