/*
 * json.c
 *	  Appending JSON to a buffer, and finding a part of JSON text without parsing it.
 *
 * Runs in any process, holds no state, takes no lock. Every byte a destination is sent passes
 * through here, so runs of bytes are copied whole and numbers are printed without printf.
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "event/json.h"
#include "utils/builtins.h"

static const char hex_digits[] = "0123456789abcdef";

/*
 * The letter after the backslash for each byte that cannot stand in a JSON string as it is: 'u'
 * where there is only the numeric form, 0 where the byte stands for itself.
 */
static const char escape_letters[256] = {
	'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b',		 't',		   'n', 'u',
	'f', 'r', 'u', 'u', 'u', 'u', 'u', 'u', 'u',		 'u',		   'u', 'u',
	'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', ['"'] = '"', ['\\'] = '\\'};

static bool read_member(const char *at, CxsigJsonMember *member);
static const char *skip_space(const char *at);
static const char *skip_string(const char *at);
static const char *skip_value(const char *at);

void
cxsig_json_append_string(StringInfo out, const char *value)
{
	const char *run = value;
	const char *at = value;

	appendStringInfoCharMacro(out, '"');
	for (;;)
	{
		char letter;

		while ((letter = escape_letters[(unsigned char) *at]) == 0)
			at++;
		if (at > run)
			appendBinaryStringInfo(out, run, at - run);
		if (*at == '\0')
			break;
		appendStringInfoCharMacro(out, '\\');
		appendStringInfoCharMacro(out, letter);
		if (letter == 'u')
		{
			char code[4] = {'0', '0', hex_digits[(unsigned char) *at >> 4], hex_digits[*at & 0x0f]};

			appendBinaryStringInfo(out, code, sizeof(code));
		}
		run = ++at;
	}
	appendStringInfoCharMacro(out, '"');
}

void
cxsig_json_append_int(StringInfo out, int64 value)
{
	char buffer[MAXINT8LEN + 1];

	appendBinaryStringInfo(out, buffer, pg_lltoa(value, buffer));
}

void
cxsig_json_append_double(StringInfo out, double value)
{
	char buffer[DOUBLE_SHORTEST_DECIMAL_LEN];

	appendBinaryStringInfo(out, buffer, double_to_shortest_decimal_bufn(value, buffer));
}

CxsigJsonSpan
cxsig_json_member(const char *text, const char *key)
{
	CxsigJsonSpan span = {NULL, 0};
	size_t key_len = strlen(key);
	const char *at = skip_space(text);

	if (*at++ != '{')
		return span;
	for (;;)
	{
		const char *name = skip_space(at);
		const char *name_end;

		if (*name != '"')
			return span;
		name_end = skip_string(name);
		at = skip_space(name_end);
		if (*at++ != ':')
			return span;
		at = skip_space(at);
		span.start = at;
		at = skip_value(at);
		if ((size_t) (name_end - name) == key_len + 2 && memcmp(name + 1, key, key_len) == 0)
		{
			span.len = at - span.start;
			return span;
		}
		span.start = NULL;
		at = skip_space(at);
		if (*at++ != ',')
			return span;
	}
}

bool
cxsig_json_first_member(const char *text, CxsigJsonMember *member)
{
	const char *at = skip_space(text);

	return *at == '{' && read_member(at + 1, member);
}

bool
cxsig_json_next_member(CxsigJsonMember *member)
{
	const char *at = skip_space(member->value.start + member->value.len);

	return *at == ',' && read_member(at + 1, member);
}

/* The member that starts here, after any white space. */
static bool
read_member(const char *at, CxsigJsonMember *member)
{
	const char *name_end;

	member->name.start = skip_space(at);
	if (*member->name.start != '"')
		return false;
	name_end = skip_string(member->name.start);
	member->name.len = name_end - member->name.start;
	at = skip_space(name_end);
	if (*at != ':')
		return false;
	member->value.start = skip_space(at + 1);
	member->value.len = skip_value(member->value.start) - member->value.start;
	return true;
}

CxsigJsonSpan
cxsig_json_first_element(const char *text)
{
	CxsigJsonSpan span = {NULL, 0};
	const char *at = skip_space(text);

	if (*at++ != '[')
		return span;
	at = skip_space(at);
	if (*at == ']' || *at == 'n' || *at == '\0')
		return span;
	span.start = at;
	span.len = skip_value(at) - at;
	return span;
}

CxsigJsonSpan
cxsig_json_next_element(CxsigJsonSpan element)
{
	CxsigJsonSpan span = {NULL, 0};
	const char *at = skip_space(element.start + element.len);

	if (*at++ != ',')
		return span;
	span.start = skip_space(at);
	span.len = skip_value(span.start) - span.start;
	return span;
}

bool
cxsig_json_is_empty(CxsigJsonSpan span)
{
	const char *at;

	if (span.start == NULL || *span.start == 'n')
		return true;
	if (*span.start != '{' && *span.start != '[')
		return false;
	at = skip_space(span.start + 1);
	return *at == '}' || *at == ']';
}

/* The next byte that is not white space. */
static const char *
skip_space(const char *at)
{
	while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
		at++;
	return at;
}

/* The byte after the string that starts at its opening quote. */
static const char *
skip_string(const char *at)
{
	for (at++; *at != '\0'; at++)
	{
		if (*at == '"')
			return at + 1;
		if (*at == '\\' && at[1] != '\0')
			at++;
	}
	return at;
}

/* The byte after the value that starts here, whatever its kind. */
static const char *
skip_value(const char *at)
{
	int depth = 0;

	while (*at != '\0')
	{
		if (*at == '"')
			at = skip_string(at);
		else if (*at == '{' || *at == '[')
		{
			depth++;
			at++;
			continue;
		}
		else if (*at == '}' || *at == ']')
		{
			/* the end of what encloses a bare number or literal is not part of it */
			if (depth == 0)
				return at;
			depth--;
			at++;
		}
		else if (depth == 0)
		{
			while (*at != '\0' && strchr(",]} \t\r\n", *at) == NULL)
				at++;
		}
		else
		{
			at++;
			continue;
		}
		if (depth == 0)
			return at;
	}
	return at;
}
