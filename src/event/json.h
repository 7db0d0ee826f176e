/*
 * json.h
 *	  Appending JSON to a buffer, and finding a part of JSON text without parsing it.
 *
 * Pure functions over memory: they touch no table and take no lock. What the scanners read has to be
 * valid JSON, NUL-terminated: the text that jsonb and array_to_json print is, and what came from
 * outside is once cxsig_json_is_valid() says so.
 */
#ifndef CXSIG_JSON_H
#define CXSIG_JSON_H

#include "lib/stringinfo.h"

/* A stretch of JSON text inside a larger one; start is NULL where nothing was found. */
typedef struct CxsigJsonSpan
{
	const char *start;
	size_t len;
} CxsigJsonSpan;

/* A member of an object: its name with its quotes, and its value. */
typedef struct CxsigJsonMember
{
	CxsigJsonSpan name;
	CxsigJsonSpan value;
} CxsigJsonMember;

/* Append a string with its quotes: the same bytes as escape_json() makes, only faster. */
extern void cxsig_json_append_string(StringInfo out, const char *value);

/* Append an integer. */
extern void cxsig_json_append_int(StringInfo out, int64 value);

/* Append a finite number, in the fewest digits that read back as the same number. */
extern void cxsig_json_append_double(StringInfo out, double value);

/* The value of a top-level member of the object that text is. */
extern CxsigJsonSpan cxsig_json_member(const char *text, const char *key);

/* The first member of the object that text is, or the one behind; false where there is none. */
extern bool cxsig_json_first_member(const char *text, CxsigJsonMember *member);
extern bool cxsig_json_next_member(CxsigJsonMember *member);

/* The first element of the array that text is; none where it is empty or starts with null. */
extern CxsigJsonSpan cxsig_json_first_element(const char *text);

/* The element behind that one; none where it was the last. */
extern CxsigJsonSpan cxsig_json_next_element(CxsigJsonSpan element);

/* Is the value null, {} or []: nothing worth sending? */
extern bool cxsig_json_is_empty(CxsigJsonSpan span);

/* Is it JSON, one value and nothing else, and nested no deeper than is reasonable? */
extern bool cxsig_json_is_valid(const char *text, size_t len);

/*
 * Copy what a string (with its quotes) of valid JSON says, NUL-terminated and cut to size; returns
 * the length. \u stands for UTF-8, whatever the database's encoding; the result may hold NULs.
 */
extern size_t cxsig_json_unescape(CxsigJsonSpan string, char *into, size_t size);

#endif
