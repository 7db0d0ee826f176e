/*
 * zendesk_ticket.c
 *	  A record of the mapping as a ticket: custom fields as Zendesk lists them, tags beside those that
 *	  are there. Runs in the dispatcher for every ticket it writes. No table, no lock.
 */
#include "postgres.h"

#include "transport/zendesk_ticket.h"

/* Arrays that tags are looked for in: the mapping's own, and one that a path found. */
#define MAX_ARRAYS 2

static void collect(CxsigJsonSpan value, int arrays, char ***list, int *n);
static char *tag_text(CxsigJsonSpan value);
static bool is_in(char **list, int n, const char *tag);
static void append_list(StringInfo out, const char *name, char **list, int n);
static void append_custom_fields(StringInfo out, CxsigJsonSpan fields);
static void append_id(StringInfo out, CxsigJsonSpan name);

CxsigZendeskTags
cxsig_zendesk_tags_read(const char *record)
{
	CxsigZendeskTags tags = {NULL, NULL, 0, 0};
	CxsigJsonSpan value = cxsig_json_member(record, "tags");
	int kept = 0;

	if (value.start == NULL || *value.start != '{')
		return tags;
	collect(cxsig_json_member(value.start, "add"), 0, &tags.add, &tags.n_add);
	collect(cxsig_json_member(value.start, "remove"), 0, &tags.remove, &tags.n_remove);
	for (int i = 0; i < tags.n_remove; i++)
	{
		if (!is_in(tags.add, tags.n_add, tags.remove[i]))
			tags.remove[kept++] = tags.remove[i];
	}
	tags.n_remove = kept;
	return tags;
}

/* Add the tags of a value to a list: a string is one, an array may hold several. */
static void
collect(CxsigJsonSpan value, int arrays, char ***list, int *n)
{
	CxsigJsonSpan element;
	char *tag;

	if (cxsig_json_is_empty(value) || *value.start == '{')
		return;
	if (*value.start == '[')
	{
		if (arrays == MAX_ARRAYS)
			return;
		for (element = cxsig_json_first_element(value.start); element.start != NULL;
			 element = cxsig_json_next_element(element))
			collect(element, arrays + 1, list, n);
		return;
	}
	tag = tag_text(value);
	if (tag[0] == '\0' || is_in(*list, *n, tag))
		return;
	*list = *list == NULL ? palloc(sizeof(char *)) : repalloc(*list, sizeof(char *) * (*n + 1));
	(*list)[(*n)++] = tag;
}

/* A value as the tag that Zendesk makes of it. */
static char *
tag_text(CxsigJsonSpan value)
{
	char *text = palloc(value.len + 1);

	if (*value.start == '"')
		cxsig_json_unescape(value, text, value.len + 1);
	else
		strlcpy(text, value.start, value.len + 1);
	for (char *at = text; *at != '\0'; at++)
	{
		if ((unsigned char) *at <= 0x20)
			*at = '_';
		else if (*at >= 'A' && *at <= 'Z')
			*at += 'a' - 'A';
	}
	return text;
}

static bool
is_in(char **list, int n, const char *tag)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(list[i], tag) == 0)
			return true;
	}
	return false;
}

void
cxsig_zendesk_append_fields(StringInfo out, const char *record)
{
	CxsigJsonMember member;

	for (bool more = cxsig_json_first_member(record, &member); more;
		 more = cxsig_json_next_member(&member))
	{
		if (member.name.len == 6 && memcmp(member.name.start, "\"tags\"", 6) == 0)
			continue;
		appendStringInfoChar(out, ',');
		appendBinaryStringInfo(out, member.name.start, member.name.len);
		appendStringInfoChar(out, ':');
		if (member.name.len == 15 && memcmp(member.name.start, "\"custom_fields\"", 15) == 0)
			append_custom_fields(out, member.value);
		else
			appendBinaryStringInfo(out, member.value.start, member.value.len);
	}
}

/* {"360001": "a"} as [{"id":360001,"value":"a"}]; what is no object goes as it is. */
static void
append_custom_fields(StringInfo out, CxsigJsonSpan fields)
{
	CxsigJsonMember field;
	bool first = true;

	if (*fields.start != '{')
	{
		appendBinaryStringInfo(out, fields.start, fields.len);
		return;
	}
	appendStringInfoChar(out, '[');
	for (bool more = cxsig_json_first_member(fields.start, &field); more;
		 more = cxsig_json_next_member(&field))
	{
		appendStringInfoString(out, first ? "{\"id\":" : ",{\"id\":");
		append_id(out, field.name);
		appendStringInfoString(out, ",\"value\":");
		appendBinaryStringInfo(out, field.value.start, field.value.len);
		appendStringInfoChar(out, '}');
		first = false;
	}
	appendStringInfoChar(out, ']');
}

/* A name without its quotes: prepare has seen that it is a number. */
static void
append_id(StringInfo out, CxsigJsonSpan name)
{
	appendBinaryStringInfo(out, name.start + 1, name.len - 2);
}

void
cxsig_zendesk_append_changes(StringInfo out, const CxsigZendeskTags *tags)
{
	if (tags->n_add > 0)
		append_list(out, ",\"additional_tags\":", tags->add, tags->n_add);
	if (tags->n_remove > 0)
		append_list(out, ",\"remove_tags\":", tags->remove, tags->n_remove);
}

static void
append_list(StringInfo out, const char *name, char **list, int n)
{
	appendStringInfoString(out, name);
	for (int i = 0; i < n; i++)
	{
		appendStringInfoChar(out, i == 0 ? '[' : ',');
		cxsig_json_append_string(out, list[i]);
	}
	appendStringInfoChar(out, ']');
}

void
cxsig_zendesk_append_merged(StringInfo out, const CxsigZendeskTags *tags, const char *list)
{
	char **there = NULL;
	char **wanted;
	int n_there = 0;
	int n = 0;
	CxsigJsonSpan element;

	/* Zendesk's own are taken as they are, so that what an agent set comes back as it was */
	for (element = cxsig_json_first_element(list); element.start != NULL;
		 element = cxsig_json_next_element(element))
	{
		char *text;

		if (*element.start != '"')
			continue;
		text = palloc(element.len);
		cxsig_json_unescape(element, text, element.len);
		there = there == NULL ? palloc(sizeof(char *))
							  : repalloc(there, sizeof(char *) * (n_there + 1));
		there[n_there++] = text;
	}
	wanted = palloc(sizeof(char *) * (n_there + tags->n_add + 1));
	for (int i = 0; i < n_there; i++)
	{
		if (!is_in(tags->remove, tags->n_remove, there[i]))
			wanted[n++] = there[i];
	}
	for (int i = 0; i < tags->n_add; i++)
	{
		if (!is_in(there, n_there, tags->add[i]))
			wanted[n++] = tags->add[i];
	}
	if (n == 0)
		appendStringInfoString(out, ",\"tags\":[]");
	else
		append_list(out, ",\"tags\":", wanted, n);
}
