/*
 * json.c
 *	  The pull scanner. Pure functions, no state, no locks: any thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static const char *skip_space(const char *at, const char *end);
static const char *scan_string(const char *at, const char *end);
static const char *scan_container(const char *at, const char *end);
static const char *scan_scalar(const char *at, const char *end);
static const char *scan_value(const char *at, const char *end, SinkJson *value);
static bool next_item(SinkJsonCursor *cursor, int *result);
static size_t put_utf8(uint32_t code, char *out);
static bool read_hex4(const char *at, const char *end, uint32_t *code);
static size_t resolve_escape(const char **at, const char *end, char *out);

static const char *
skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

/* at is behind the opening quote; returns the closing one, NULL where there is none. */
static const char *
scan_string(const char *at, const char *end)
{
	const char *quote = at;

	while ((quote = memchr(quote, '"', (size_t) (end - quote))) != NULL)
	{
		const char *before = quote;

		while (before > at && before[-1] == '\\')
			before--;
		if ((quote - before) % 2 == 0)
			break;
		quote++;
	}
	return quote;
}

/* at is on the opening bracket; returns past the closing one, NULL where there is none. */
static const char *
scan_container(const char *at, const char *end)
{
	char stack[64];
	int depth = 0;

	for (; at < end; at++)
	{
		switch (*at)
		{
			case '"':
				at = scan_string(at + 1, end);
				if (at == NULL)
					return NULL;
				break;
			case '{':
			case '[':
				if (depth == (int) sizeof(stack))
					return NULL;
				stack[depth++] = *at == '{' ? '}' : ']';
				break;
			case '}':
			case ']':
				if (depth == 0 || stack[--depth] != *at)
					return NULL;
				if (depth == 0)
					return at + 1;
				break;
			default:
				break;
		}
	}
	return NULL;
}

static const char *
scan_scalar(const char *at, const char *end)
{
	const char *start = at;

	while (at < end && strchr(",]} \n\r\t", *at) == NULL)
		at++;
	return at > start ? at : NULL;
}

/* Read one value at at; returns what is behind it, NULL where it is malformed. */
static const char *
scan_value(const char *at, const char *end, SinkJson *value)
{
	const char *close;

	at = skip_space(at, end);
	if (at == end)
		return NULL;
	value->text.s = at;
	if (*at == '"')
	{
		close = scan_string(at + 1, end);
		if (close == NULL)
			return NULL;
		value->kind = SINK_JSON_STRING;
		value->text.s = at + 1;
		value->text.len = (size_t) (close - at - 1);
		return close + 1;
	}
	if (*at == '{' || *at == '[')
	{
		value->kind = *at == '{' ? SINK_JSON_OBJECT : SINK_JSON_ARRAY;
		close = scan_container(at, end);
	}
	else
	{
		close = scan_scalar(at, end);
		if (close == NULL)
			return NULL;
		value->kind =
			(*at == '-' || (*at >= '0' && *at <= '9')) ? SINK_JSON_NUMBER : SINK_JSON_WORD;
		value->text.len = (size_t) (close - at);
		if (value->kind == SINK_JSON_WORD && !sink_text_equal(value->text, "true") &&
			!sink_text_equal(value->text, "false") && !sink_text_equal(value->text, "null"))
			return NULL;
	}
	if (close != NULL)
		value->text.len = (size_t) (close - at);
	return close;
}

/* A container's inside is checked by whoever walks it: once over the text is enough. */
bool
sink_json_parse(SinkText text, SinkJson *value)
{
	const char *end = text.s + text.len;
	const char *at = skip_space(text.s, end);

	while (end > at && strchr(" \n\r\t", end[-1]) != NULL)
		end--;
	if (end - at >= 2 && ((*at == '{' && end[-1] == '}') || (*at == '[' && end[-1] == ']')))
	{
		value->kind = *at == '{' ? SINK_JSON_OBJECT : SINK_JSON_ARRAY;
		value->text.s = at;
		value->text.len = (size_t) (end - at);
		return true;
	}
	return scan_value(at, end, value) == end;
}

void
sink_json_open(SinkJsonCursor *cursor, const SinkJson *container)
{
	cursor->at = container->text.s + 1;
	cursor->end = container->text.s + container->text.len - 1;
	cursor->first = true;
}

/* Step over the comma before an item. False: there is none, and *result says why. */
static bool
next_item(SinkJsonCursor *cursor, int *result)
{
	cursor->at = skip_space(cursor->at, cursor->end);
	if (cursor->at == cursor->end)
	{
		*result = 0;
		return false;
	}
	if (!cursor->first)
	{
		if (*cursor->at != ',')
		{
			*result = -1;
			return false;
		}
		cursor->at++;
	}
	cursor->first = false;
	return true;
}

int
sink_json_next_member(SinkJsonCursor *cursor, SinkText *name, SinkJson *value)
{
	SinkJson key;
	int result;

	if (!next_item(cursor, &result))
		return result;
	cursor->at = scan_value(cursor->at, cursor->end, &key);
	if (cursor->at == NULL || key.kind != SINK_JSON_STRING)
		return -1;
	*name = key.text;
	cursor->at = skip_space(cursor->at, cursor->end);
	if (cursor->at == cursor->end || *cursor->at != ':')
		return -1;
	cursor->at = scan_value(cursor->at + 1, cursor->end, value);
	return cursor->at != NULL ? 1 : -1;
}

int
sink_json_next_element(SinkJsonCursor *cursor, SinkJson *value)
{
	int result;

	if (!next_item(cursor, &result))
		return result;
	cursor->at = scan_value(cursor->at, cursor->end, value);
	return cursor->at != NULL ? 1 : -1;
}

static size_t
put_utf8(uint32_t code, char *out)
{
	if (code < 0x80)
	{
		out[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = (char) (0xC0 | (code >> 6));
		out[1] = (char) (0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = (char) (0xE0 | (code >> 12));
		out[1] = (char) (0x80 | ((code >> 6) & 0x3F));
		out[2] = (char) (0x80 | (code & 0x3F));
		return 3;
	}
	out[0] = (char) (0xF0 | (code >> 18));
	out[1] = (char) (0x80 | ((code >> 12) & 0x3F));
	out[2] = (char) (0x80 | ((code >> 6) & 0x3F));
	out[3] = (char) (0x80 | (code & 0x3F));
	return 4;
}

static bool
read_hex4(const char *at, const char *end, uint32_t *code)
{
	char digits[5];
	char *stop;

	if (end - at < 4)
		return false;
	memcpy(digits, at, 4);
	digits[4] = '\0';
	*code = (uint32_t) strtoul(digits, &stop, 16);
	return stop == digits + 4;
}

/* *at is on a backslash; moves it past the escape and writes up to 4 bytes to out. */
static size_t
resolve_escape(const char **at, const char *end, char *out)
{
	static const char from[] = "bfnrt";
	static const char to[] = "\b\f\n\r\t";
	const char *found;
	const char *p = *at + 1;
	uint32_t code;
	uint32_t low;

	if (p == end)
	{
		*at = end;
		return 0;
	}
	if (*p == 'u' && read_hex4(p + 1, end, &code))
	{
		p += 5;
		if (code >= 0xD800 && code < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
			read_hex4(p + 2, end, &low))
		{
			code = 0x10000 + ((code - 0xD800) << 10) + ((low - 0xDC00) & 0x3FF);
			p += 6;
		}
		*at = p;
		return put_utf8(code, out);
	}
	found = strchr(from, *p);
	out[0] = found != NULL && *found != '\0' ? to[found - from] : *p;
	*at = p + 1;
	return 1;
}

size_t
sink_json_text(const SinkJson *value, char *out, size_t cap)
{
	const char *at = value->text.s;
	const char *end = at + value->text.len;
	size_t len = 0;

	while (at < end && len + 5 <= cap)
	{
		if (*at == '\\' && value->kind == SINK_JSON_STRING)
			len += resolve_escape(&at, end, out + len);
		else
			out[len++] = *at++;
	}
	out[len] = '\0';
	return len;
}

bool
sink_json_integer(const SinkJson *value, int64_t *result)
{
	char digits[32];
	char *stop;
	size_t len = value->text.len;

	if (value->kind != SINK_JSON_NUMBER && value->kind != SINK_JSON_STRING)
		return false;
	if (len == 0 || len >= sizeof(digits))
		return false;
	memcpy(digits, value->text.s, len);
	digits[len] = '\0';
	errno = 0;
	*result = strtoll(digits, &stop, 10);
	return errno == 0 && *stop == '\0';
}

bool
sink_json_true(const SinkJson *value)
{
	return sink_text_equal(value->text, "true");
}

bool
sink_json_time(const SinkJson *value, int64_t *result)
{
	char text[64];
	int year, month, day, hour, minute, second;
	int used = 0;
	int zone_hour, zone_minute;
	int64_t days, micros = 0, scale = 100000;
	const char *p;

	if (value->kind != SINK_JSON_STRING || value->text.len >= sizeof(text) - 4)
		return false;
	sink_json_text(value, text, sizeof(text));
	if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
			   &second, &used) != 6 ||
		used == 0)
		return false;
	p = text + used;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			micros += (*p - '0') * scale;

	/* Days of the Gregorian calendar, counting years from March so that the leap day is last. */
	year -= month <= 2;
	days = 365 * (int64_t) year + year / 4 - year / 100 + year / 400 +
		   (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 719469;
	*result = ((days * 24 + hour) * 60 + minute) * 60 + second;
	if (*p == '+' || *p == '-')
	{
		if (sscanf(p + 1, "%2d:%2d", &zone_hour, &zone_minute) != 2)
			return false;
		*result -= (*p == '+' ? 1 : -1) * (int64_t) (zone_hour * 3600 + zone_minute * 60);
	}
	else if (*p != 'Z' && *p != 'z')
		return false;
	*result = *result * 1000000 + micros;
	return true;
}
