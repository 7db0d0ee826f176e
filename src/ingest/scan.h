/*
 * scan.h
 *	  Readers of small texts: timestamps, scores, numbers, names, and the folding of words.
 *
 * None of them raises for what a producer may have written (they answer false), touches a table or
 * keeps state. Results are in the current context.
 */
#ifndef CXSIG_SCAN_H
#define CXSIG_SCAN_H

#include "datatype/timestamp.h"
#include "utils/numeric.h"

/* A text that need not end in NUL; data is NULL where there is none. */
typedef struct CxsigString
{
	const char *data;
	int len;
} CxsigString;

typedef enum CxsigTimeScan
{
	CXSIG_TIME_OK,
	CXSIG_TIME_NO_ZONE, /* a date and a time, but no zone */
	CXSIG_TIME_BAD
} CxsigTimeScan;

/* The string as a CxsigString; NULL gives one without data. */
extern CxsigString cxsig_string(const char *text);

/* Are they the same bytes? */
extern bool cxsig_string_equal(CxsigString a, CxsigString b);

/* Order of the "C" collation: negative, zero, positive. */
extern int cxsig_string_compare(CxsigString a, CxsigString b);

/* A copy in the current context, with a NUL behind it. */
extern CxsigString cxsig_string_copy(CxsigString text);

/* Without white space at either end. */
extern CxsigString cxsig_scan_trim(CxsigString text);

/* Lower-case, trimmed, with runs of white space, dashes and underscores as one "_". */
extern CxsigString cxsig_scan_fold(CxsigString text);

/* For a message: at most 60 characters, never half of one, controls as "?". */
extern char *cxsig_scan_cut(CxsigString text);

/* Length in characters. */
extern int cxsig_scan_length(CxsigString text);

/* Is there a control character? lines: tab and line ends are let through. */
extern bool cxsig_scan_has_control(CxsigString text, bool lines);

/* Does it have the shape of the domain cxsig.name? */
extern bool cxsig_scan_is_name(CxsigString text);

/* ISO 8601 date, time and zone: 2026-11-24T07:21:57.5Z, 2026-11-24 08:21+01:00. */
extern CxsigTimeScan cxsig_scan_timestamp(CxsigString text, TimestampTz *at);

/* The timestamp in UTC with microseconds, as 2026-11-24T07:21:57.500000Z. */
extern CxsigString cxsig_print_timestamp(TimestampTz at);

/* A share from 0 to 1, written 0.8, 80% or 8/10. */
extern bool cxsig_scan_score(CxsigString text, double *score);

/* A whole number below 10^18 in size; "3.0" is one. */
extern bool cxsig_scan_integer(CxsigString text, int64 *value);

/* true/false, yes/no, on/off, y/n, t/f, 1/0 in any case. */
extern bool cxsig_scan_boolean(CxsigString text, bool *value);

/* A decimal number of at most 100 characters. */
extern bool cxsig_scan_numeric(CxsigString text, Numeric *value);

#endif
