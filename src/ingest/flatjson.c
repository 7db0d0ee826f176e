/*
 * flatjson.c
 *	  Reads an array or an object of scalars out of a text field (a CSV has nothing better).
 *
 * Runs in every backend that ingests; pure, takes no lock. jsonb_in() would raise on bad input, and
 * catching that needs a subtransaction per row; fields that may hold JSON are flat, so this is all
 * that is needed.
 */
#include "postgres.h"

#include "ingest/flatjson.h"
#include "mb/pg_wchar.h"

#define FLATJSON_MAX 65536

typedef struct FlatReader
{
	const char *at;
	const char *end;
	JsonbParseState *state;
} FlatReader;

static void flat_skip_space(FlatReader *reader);
static bool flat_take(FlatReader *reader, char c);
static bool flat_take_word(FlatReader *reader, const char *word);
static bool flat_string(FlatReader *reader, JsonbValue *value);
static bool flat_escape(FlatReader *reader, StringInfo out);
static bool flat_hex(FlatReader *reader, pg_wchar *code);
static bool flat_unicode(FlatReader *reader, StringInfo out);
static bool flat_number(FlatReader *reader, JsonbValue *value);
static bool flat_scalar(FlatReader *reader, JsonbValue *value);
static bool flat_array(FlatReader *reader);
static bool flat_object(FlatReader *reader);

Jsonb *
cxsig_flatjson_parse(CxsigString text)
{
	FlatReader reader;
	JsonbValue *value;
	bool array;

	if (text.len > FLATJSON_MAX)
		return NULL;
	reader.at = text.data;
	reader.end = text.data + text.len;
	reader.state = NULL;
	flat_skip_space(&reader);
	array = flat_take(&reader, '[');
	if (!array && !flat_take(&reader, '{'))
		return NULL;
	(void) pushJsonbValue(&reader.state, array ? WJB_BEGIN_ARRAY : WJB_BEGIN_OBJECT, NULL);
	if (!(array ? flat_array(&reader) : flat_object(&reader)))
		return NULL;
	flat_skip_space(&reader);
	if (reader.at != reader.end)
		return NULL;
	value = pushJsonbValue(&reader.state, array ? WJB_END_ARRAY : WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(value);
}

static void
flat_skip_space(FlatReader *reader)
{
	while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL)
		reader->at++;
}

static bool
flat_take(FlatReader *reader, char c)
{
	if (reader->at >= reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

static bool
flat_take_word(FlatReader *reader, const char *word)
{
	int len = strlen(word);

	if (reader->end - reader->at < len || memcmp(reader->at, word, len) != 0)
		return false;
	reader->at += len;
	return true;
}

/* The inside of an array, up to and with its bracket. */
static bool
flat_array(FlatReader *reader)
{
	JsonbValue value;

	flat_skip_space(reader);
	if (flat_take(reader, ']'))
		return true;
	do
	{
		if (!flat_scalar(reader, &value))
			return false;
		(void) pushJsonbValue(&reader->state, WJB_ELEM, &value);
	} while (flat_take(reader, ','));
	return flat_take(reader, ']');
}

/* The inside of an object, up to and with its brace. */
static bool
flat_object(FlatReader *reader)
{
	JsonbValue value;

	flat_skip_space(reader);
	if (flat_take(reader, '}'))
		return true;
	do
	{
		flat_skip_space(reader);
		if (!flat_string(reader, &value))
			return false;
		(void) pushJsonbValue(&reader->state, WJB_KEY, &value);
		flat_skip_space(reader);
		if (!flat_take(reader, ':') || !flat_scalar(reader, &value))
			return false;
		(void) pushJsonbValue(&reader->state, WJB_VALUE, &value);
	} while (flat_take(reader, ','));
	return flat_take(reader, '}');
}

/* A scalar and the white space around it. */
static bool
flat_scalar(FlatReader *reader, JsonbValue *value)
{
	bool read;

	flat_skip_space(reader);
	read = true;
	if (flat_take_word(reader, "null"))
		value->type = jbvNull;
	else if (flat_take_word(reader, "true"))
	{
		value->type = jbvBool;
		value->val.boolean = true;
	}
	else if (flat_take_word(reader, "false"))
	{
		value->type = jbvBool;
		value->val.boolean = false;
	}
	else
		read = flat_string(reader, value) || flat_number(reader, value);
	flat_skip_space(reader);
	return read;
}

static bool
flat_number(FlatReader *reader, JsonbValue *value)
{
	CxsigString text;
	const char *digits;

	text.data = reader->at;
	while (reader->at < reader->end && strchr("0123456789+-.eE", *reader->at) != NULL)
		reader->at++;
	text.len = reader->at - text.data;
	digits = text.len > 0 && text.data[0] == '-' ? text.data + 1 : text.data;
	if (text.len == 0 || digits >= reader->at || *digits < '0' || *digits > '9')
		return false;
	value->type = jbvNumeric;
	return cxsig_scan_numeric(text, &value->val.numeric);
}

static bool
flat_string(FlatReader *reader, JsonbValue *value)
{
	StringInfoData out;

	if (!flat_take(reader, '"'))
		return false;
	initStringInfo(&out);
	while (reader->at < reader->end && *reader->at != '"')
	{
		char c = *reader->at++;

		if ((unsigned char) c < 0x20)
			return false;
		if (c != '\\')
			appendStringInfoCharMacro(&out, c);
		else if (!flat_escape(reader, &out))
			return false;
	}
	value->type = jbvString;
	value->val.string.val = out.data;
	value->val.string.len = out.len;
	return flat_take(reader, '"');
}

/* What stands behind a backslash. */
static bool
flat_escape(FlatReader *reader, StringInfo out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (reader->at >= reader->end)
		return false;
	if (*reader->at == 'u')
	{
		reader->at++;
		return flat_unicode(reader, out);
	}
	found = *reader->at != '\0' ? strchr(from, *reader->at) : NULL;
	if (found == NULL)
		return false;
	appendStringInfoChar(out, to[found - from]);
	reader->at++;
	return true;
}

static bool
flat_hex(FlatReader *reader, pg_wchar *code)
{
	int i;

	*code = 0;
	if (reader->end - reader->at < 4)
		return false;
	for (i = 0; i < 4; i++)
	{
		char c = *reader->at++;

		if (c >= '0' && c <= '9')
			*code = *code * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			*code = *code * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			*code = *code * 16 + (c - 'A' + 10);
		else
			return false;
	}
	return true;
}

static bool
flat_unicode(FlatReader *reader, StringInfo out)
{
	pg_wchar code;
	pg_wchar second;
	unsigned char bytes[MAX_UNICODE_EQUIVALENT_STRING + 1];

	if (!flat_hex(reader, &code))
		return false;
	if (is_utf16_surrogate_first(code))
	{
		if (!flat_take_word(reader, "\\u") || !flat_hex(reader, &second) ||
			!is_utf16_surrogate_second(second))
			return false;
		code = surrogate_pair_to_codepoint(code, second);
	}
	else if (is_utf16_surrogate_second(code))
		return false;
	/* other encodings: conversion could raise, so only what is the same in all of them */
	if (code == 0 || (code > 0x7f && GetDatabaseEncoding() != PG_UTF8))
		return false;
	(void) unicode_to_utf8(code, bytes);
	appendBinaryStringInfo(out, (char *) bytes, pg_utf_mblen(bytes));
	return true;
}
