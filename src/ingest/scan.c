/*
 * scan.c
 *	  Readers of small texts. Runs in every backend that ingests; pure, takes no lock.
 *
 * PostgreSQL's own input functions raise, and a batch with one bad row must not: hence these,
 * which answer false instead.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "ingest/scan.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/formatting.h"

#define CUT_CHARACTERS 60
#define NUMBER_MAX 100

/* A place in a text while it is read. */
typedef struct ScanCursor
{
	const char *at;
	const char *end;
} ScanCursor;

static bool scan_is_space(char c);
static bool scan_digits(ScanCursor *cursor, int count, int *value);
static bool scan_literal(ScanCursor *cursor, char c);
static bool scan_date(ScanCursor *cursor, int *julian);
static bool scan_time(ScanCursor *cursor, int64 *usecs);
static bool scan_fraction(ScanCursor *cursor, int64 *usecs);
static bool scan_zone(ScanCursor *cursor, int64 *offset);
static bool scan_decimal(CxsigString text, double *value);

CxsigString
cxsig_string(const char *text)
{
	CxsigString result;

	result.data = text;
	result.len = text ? (int) strlen(text) : 0;
	return result;
}

bool
cxsig_string_equal(CxsigString a, CxsigString b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int
cxsig_string_compare(CxsigString a, CxsigString b)
{
	int shorter = Min(a.len, b.len);
	int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;

	return order != 0 ? order : a.len - b.len;
}

CxsigString
cxsig_string_copy(CxsigString text)
{
	char *copy;

	if (text.data == NULL)
		return text;
	copy = palloc(text.len + 1);
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	text.data = copy;
	return text;
}

static bool
scan_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

CxsigString
cxsig_scan_trim(CxsigString text)
{
	while (text.len > 0 && scan_is_space(text.data[0]))
	{
		text.data++;
		text.len--;
	}
	while (text.len > 0 && scan_is_space(text.data[text.len - 1]))
		text.len--;
	return text;
}

CxsigString
cxsig_scan_fold(CxsigString text)
{
	CxsigString result;
	char *out;
	bool ascii = true;
	int used = 0;
	int i;

	text = cxsig_scan_trim(text);
	out = palloc(text.len + 1);
	for (i = 0; i < text.len; i++)
	{
		char c = text.data[i];

		if (IS_HIGHBIT_SET(c))
			ascii = false;
		if (scan_is_space(c) || c == '-' || c == '_')
		{
			if (used == 0 || out[used - 1] != '_')
				out[used++] = '_';
		}
		else
			out[used++] = (c >= 'A' && c <= 'Z') ? c + ('a' - 'A') : c;
	}
	out[used] = '\0';
	if (!ascii)
	{
		out = str_tolower(out, used, DEFAULT_COLLATION_OID);
		used = strlen(out);
	}
	result.data = out;
	result.len = used;
	return result;
}

char *
cxsig_scan_cut(CxsigString text)
{
	int keep = pg_mbcharcliplen(text.data, text.len, CUT_CHARACTERS);
	char *result = palloc(keep + 4);
	int i;

	memcpy(result, text.data, keep);
	for (i = 0; i < keep; i++)
	{
		if ((unsigned char) result[i] < 0x20 || result[i] == 0x7f)
			result[i] = '?';
	}
	strcpy(result + keep, keep < text.len ? "..." : "");
	return result;
}

int
cxsig_scan_length(CxsigString text)
{
	return pg_mbstrlen_with_len(text.data, text.len);
}

bool
cxsig_scan_has_control(CxsigString text, bool lines)
{
	int i;

	for (i = 0; i < text.len; i++)
	{
		unsigned char c = (unsigned char) text.data[i];

		if (c >= 0x20 && c != 0x7f)
			continue;
		if (lines && (c == '\t' || c == '\n' || c == '\r'))
			continue;
		return true;
	}
	return false;
}

bool
cxsig_scan_is_name(CxsigString text)
{
	int i;

	if (text.len < 1 || text.len > 63)
		return false;
	for (i = 0; i < text.len; i++)
	{
		char c = text.data[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
			continue;
		if (i > 0 && (c == '_' || c == '.' || c == ':' || c == '-'))
			continue;
		return false;
	}
	return true;
}

static bool
scan_digits(ScanCursor *cursor, int count, int *value)
{
	int i;

	*value = 0;
	if (cursor->end - cursor->at < count)
		return false;
	for (i = 0; i < count; i++)
	{
		char c = *cursor->at;

		if (c < '0' || c > '9')
			return false;
		*value = *value * 10 + (c - '0');
		cursor->at++;
	}
	return true;
}

static bool
scan_literal(ScanCursor *cursor, char c)
{
	if (cursor->at >= cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static bool
scan_date(ScanCursor *cursor, int *julian)
{
	int year;
	int month;
	int day;

	if (!scan_digits(cursor, 4, &year) || !scan_literal(cursor, '-') ||
		!scan_digits(cursor, 2, &month) || !scan_literal(cursor, '-') ||
		!scan_digits(cursor, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > day_tab[isleap(year)][month - 1])
		return false;
	*julian = date2j(year, month, day);
	return true;
}

static bool
scan_fraction(ScanCursor *cursor, int64 *usecs)
{
	int64 scale = 100000;
	int count = 0;

	*usecs = 0;
	while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9')
	{
		int digit = *cursor->at - '0';

		if (count < 6)
			*usecs += digit * scale;
		else if (count == 6 && digit >= 5)
			*usecs += 1;
		scale /= 10;
		count++;
		cursor->at++;
	}
	return count > 0;
}

static bool
scan_time(ScanCursor *cursor, int64 *usecs)
{
	int hour;
	int minute;
	int second = 0;
	int64 fraction = 0;

	if (!scan_digits(cursor, 2, &hour) || !scan_literal(cursor, ':') ||
		!scan_digits(cursor, 2, &minute))
		return false;
	if (scan_literal(cursor, ':'))
	{
		if (!scan_digits(cursor, 2, &second))
			return false;
		if ((scan_literal(cursor, '.') || scan_literal(cursor, ',')) &&
			!scan_fraction(cursor, &fraction))
			return false;
	}
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	*usecs = ((hour * INT64CONST(60) + minute) * 60 + second) * USECS_PER_SEC + fraction;
	return true;
}

/* A zone up to the end of the text: Z, UTC, GMT or an offset. offset: usecs to the east. */
static bool
scan_zone(ScanCursor *cursor, int64 *offset)
{
	int left = cursor->end - cursor->at;
	int hours;
	int minutes = 0;
	int seconds = 0;
	bool west;

	*offset = 0;
	if (left == 1 && (*cursor->at == 'Z' || *cursor->at == 'z'))
		return true;
	if (left == 3 &&
		(pg_strncasecmp(cursor->at, "utc", 3) == 0 || pg_strncasecmp(cursor->at, "gmt", 3) == 0))
		return true;
	if (left < 1 || (*cursor->at != '+' && *cursor->at != '-'))
		return false;
	west = *cursor->at++ == '-';
	if (!scan_digits(cursor, 2, &hours))
		return false;
	if (cursor->at < cursor->end)
	{
		(void) scan_literal(cursor, ':');
		if (!scan_digits(cursor, 2, &minutes))
			return false;
		if (scan_literal(cursor, ':') && !scan_digits(cursor, 2, &seconds))
			return false;
	}
	if (cursor->at != cursor->end || hours > 15 || minutes > 59 || seconds > 59)
		return false;
	*offset = ((hours * INT64CONST(60) + minutes) * 60 + seconds) * USECS_PER_SEC;
	if (west)
		*offset = -*offset;
	return true;
}

CxsigTimeScan
cxsig_scan_timestamp(CxsigString text, TimestampTz *at)
{
	ScanCursor cursor;
	int julian;
	int64 usecs = 0;
	int64 offset;

	cursor.at = text.data;
	cursor.end = text.data + text.len;
	if (!scan_date(&cursor, &julian))
		return CXSIG_TIME_BAD;
	if (cursor.at == cursor.end)
		return CXSIG_TIME_NO_ZONE;
	if (!scan_literal(&cursor, 'T') && !scan_literal(&cursor, 't') && !scan_literal(&cursor, ' '))
		return CXSIG_TIME_BAD;
	if (!scan_time(&cursor, &usecs))
		return CXSIG_TIME_BAD;
	while (scan_literal(&cursor, ' '))
		;
	if (cursor.at == cursor.end)
		return CXSIG_TIME_NO_ZONE;
	if (!scan_zone(&cursor, &offset))
		return CXSIG_TIME_BAD;
	*at = (julian - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY + usecs - offset;
	return IS_VALID_TIMESTAMP(*at) ? CXSIG_TIME_OK : CXSIG_TIME_BAD;
}

CxsigString
cxsig_print_timestamp(TimestampTz at)
{
	struct pg_tm tm;
	fsec_t fsec;

	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "timestamp is out of range");
	return cxsig_string(psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year, tm.tm_mon,
								 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec));
}

/* A finite decimal number and nothing else. */
static bool
scan_decimal(CxsigString text, double *value)
{
	char copy[NUMBER_MAX + 1];
	char *end;
	int i;

	if (text.len < 1 || text.len > NUMBER_MAX)
		return false;
	for (i = 0; i < text.len; i++)
	{
		if (strchr("0123456789+-.eE", text.data[i]) == NULL)
			return false;
	}
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*value = strtod(copy, &end);
	return end == copy + text.len && isfinite(*value);
}

bool
cxsig_scan_score(CxsigString text, double *score)
{
	const char *slash;
	double value;
	double whole = 1;

	text = cxsig_scan_trim(text);
	if (text.len == 0)
		return false;
	slash = memchr(text.data, '/', text.len);
	if (slash != NULL)
	{
		CxsigString divisor;

		divisor.data = slash + 1;
		divisor.len = text.data + text.len - divisor.data;
		if (!scan_decimal(cxsig_scan_trim(divisor), &whole) || whole <= 0)
			return false;
		text.len = slash - text.data;
	}
	else if (text.data[text.len - 1] == '%')
	{
		whole = 100;
		text.len--;
	}
	if (!scan_decimal(cxsig_scan_trim(text), &value))
		return false;
	value /= whole;
	if (!(value >= 0 && value <= 1))
		return false;
	*score = value == 0 ? 0 : value; /* no negative zero */
	return true;
}

bool
cxsig_scan_integer(CxsigString text, int64 *value)
{
	ScanCursor cursor;
	int64 result = 0;
	int digits = 0;
	bool negative;

	cursor.at = text.data;
	cursor.end = text.data + text.len;
	negative = scan_literal(&cursor, '-');
	if (!negative)
		(void) scan_literal(&cursor, '+');
	while (cursor.at < cursor.end && *cursor.at >= '0' && *cursor.at <= '9')
	{
		result = result * 10 + (*cursor.at++ - '0');
		if (++digits > 18)
			return false;
	}
	if (digits == 0)
		return false;
	if (scan_literal(&cursor, '.'))
	{
		while (scan_literal(&cursor, '0'))
			;
	}
	if (cursor.at != cursor.end)
		return false;
	*value = negative ? -result : result;
	return true;
}

bool
cxsig_scan_boolean(CxsigString text, bool *value)
{
	static const char *const yes[] = {"true", "yes", "on", "y", "t", "1"};
	static const char *const no[] = {"false", "no", "off", "n", "f", "0"};
	int i;

	for (i = 0; i < (int) lengthof(yes); i++)
	{
		if (text.len == (int) strlen(yes[i]) && pg_strncasecmp(text.data, yes[i], text.len) == 0)
		{
			*value = true;
			return true;
		}
		if (text.len == (int) strlen(no[i]) && pg_strncasecmp(text.data, no[i], text.len) == 0)
		{
			*value = false;
			return true;
		}
	}
	return false;
}

bool
cxsig_scan_numeric(CxsigString text, Numeric *value)
{
	double approximate;

	if (!scan_decimal(text, &approximate))
		return false;
	/* numeric_in() raises for exponents that are out of its range; these are out of a double's */
	if (fabs(approximate) < 1e-300 &&
		(memchr(text.data, 'e', text.len) != NULL || memchr(text.data, 'E', text.len) != NULL))
		return false;
	*value = DatumGetNumeric(DirectFunctionCall3(numeric_in,
												 CStringGetDatum(pnstrdup(text.data, text.len)),
												 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	return true;
}
