/*
 * json.h
 *	  A small pull scanner over JSON text: just enough to find members by name.
 *
 * It does not copy and does not build a tree. What it walks past is checked for balance and
 * termination only: a receiver that wants a few members needs no more.
 */
#ifndef SINK_JSON_H
#define SINK_JSON_H

#include "buffer.h"

typedef enum SinkJsonKind
{
	SINK_JSON_STRING,
	SINK_JSON_NUMBER,
	SINK_JSON_OBJECT,
	SINK_JSON_ARRAY,
	SINK_JSON_WORD /* true, false, null */
} SinkJsonKind;

/* A value: its text as it stands; a string without its quotes, escapes not resolved. */
typedef struct SinkJson
{
	SinkJsonKind kind;
	SinkText text;
} SinkJson;

typedef struct SinkJsonCursor
{
	const char *at;
	const char *end;
	bool first;
} SinkJsonCursor;

/*
 * The one value of a text, nothing but white space around it. Of an object or array only the
 * brackets are checked: walk it to the end to know that it is well-formed.
 */
extern bool sink_json_parse(SinkText text, SinkJson *value);

/* Walk an object or an array: 1 and the next member or element, 0 at the end, -1 malformed. */
extern void sink_json_open(SinkJsonCursor *cursor, const SinkJson *container);
extern int sink_json_next_member(SinkJsonCursor *cursor, SinkText *name, SinkJson *value);
extern int sink_json_next_element(SinkJsonCursor *cursor, SinkJson *value);

/*
 * The value's text with escapes resolved, NUL-terminated in out, cut at cap - 1 bytes. Works on
 * numbers and words too. Returns the length.
 */
extern size_t sink_json_text(const SinkJson *value, char *out, size_t cap);

/* The integer a number, or a string of digits, stands for. */
extern bool sink_json_integer(const SinkJson *value, int64_t *result);
extern bool sink_json_true(const SinkJson *value);

/* RFC 3339 to microseconds since 1970; false where it is none. */
extern bool sink_json_time(const SinkJson *value, int64_t *result);

#endif
