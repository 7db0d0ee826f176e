/*
 * json.h
 *	  Appending JSON to a buffer, and finding a part of JSON text without parsing it.
 *
 * Pure functions over memory: they touch no table and take no lock. What the scanners read is the
 * text that jsonb and array_to_json print, which is valid JSON.
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

/* Append a string with its quotes: the same bytes as escape_json() makes, only faster. */
extern void cxsig_json_append_string(StringInfo out, const char *value);

/* Append an integer. */
extern void cxsig_json_append_int(StringInfo out, int64 value);

/* Append a finite number, in the fewest digits that read back as the same number. */
extern void cxsig_json_append_double(StringInfo out, double value);

/* The value of a top-level member of the object that text is. */
extern CxsigJsonSpan cxsig_json_member(const char *text, const char *key);

/* The first element of the array that text is; none where it is empty or starts with null. */
extern CxsigJsonSpan cxsig_json_first_element(const char *text);

/* Is the value null, {} or []: nothing worth sending? */
extern bool cxsig_json_is_empty(CxsigJsonSpan span);

#endif
