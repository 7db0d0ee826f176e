/*
 * record_compare.c
 *	  What a record should hold, beside what a remote says that it holds. Never raises: the remote's
 *	  side comes from outside. Runs in backends that verify a destination. No table, no lock.
 */
#include "postgres.h"

#include <math.h>

#include "event/json.h"
#include "lib/stringinfo.h"
#include "transport/record.h"

static bool find_member(const char *object, CxsigJsonSpan name, CxsigJsonSpan *value);
static char *text_of(CxsigJsonSpan value);
static bool is_equal(CxsigJsonSpan expected, CxsigJsonSpan actual);
static bool is_composite(CxsigJsonSpan value);
static bool read_number(const char *text, double *number);
static bool read_moment(const char *text, int64 *us);
static bool read_digits(const char **at, int n, int *number);
static int64 days_of(int year, int month, int day);
static void add_difference(StringInfo out, CxsigJsonMember expected, CxsigJsonSpan actual);

char *
cxsig_record_compare(const char *expected, const char *actual)
{
	StringInfoData out;
	CxsigJsonMember member;
	bool readable = actual != NULL && cxsig_json_is_valid(actual, strlen(actual));
	bool more;

	initStringInfo(&out);
	for (more = cxsig_json_first_member(expected, &member); more;
		 more = cxsig_json_next_member(&member))
	{
		CxsigJsonSpan found = {NULL, 0};

		if (readable)
			(void) find_member(actual, member.name, &found);
		if (!readable || !is_equal(member.value, found))
			add_difference(&out, member, found);
	}
	if (out.len == 0)
		return NULL;
	appendStringInfoChar(&out, ']');
	return out.data;
}

/* By what the names say: they may be escaped otherwise. */
static bool
find_member(const char *object, CxsigJsonSpan name, CxsigJsonSpan *value)
{
	CxsigJsonMember member;
	char *wanted = text_of(name);
	bool more;

	for (more = cxsig_json_first_member(object, &member); more;
		 more = cxsig_json_next_member(&member))
	{
		if (strcmp(text_of(member.name), wanted) == 0)
		{
			*value = member.value;
			return true;
		}
	}
	return false;
}

/* What a string says, anything else as it stands; "" for null and for nothing. */
static char *
text_of(CxsigJsonSpan value)
{
	char *text;

	if (value.start == NULL || *value.start == 'n')
		return pstrdup("");
	text = palloc(value.len + 1);
	if (*value.start == '"')
		(void) cxsig_json_unescape(value, text, value.len + 1);
	else
	{
		memcpy(text, value.start, value.len);
		text[value.len] = '\0';
	}
	return text;
}

static bool
is_equal(CxsigJsonSpan expected, CxsigJsonSpan actual)
{
	char *a = text_of(expected);
	char *b = text_of(actual);
	double number_a;
	double number_b;
	int64 us_a;
	int64 us_b;
	CxsigJsonMember member;
	CxsigJsonSpan found;
	int n_a = 0;
	int n_b = 0;

	if (strcmp(a, b) == 0)
		return true;
	if (actual.start != NULL && *expected.start == '[' && *actual.start == '[')
	{
		bool both_empty = cxsig_json_is_empty(expected) && cxsig_json_is_empty(actual);

		expected = cxsig_json_first_element(a);
		actual = cxsig_json_first_element(b);
		if (expected.start == NULL && actual.start == NULL)
			return both_empty;
		while (expected.start != NULL && actual.start != NULL && is_equal(expected, actual))
		{
			expected = cxsig_json_next_element(expected);
			actual = cxsig_json_next_element(actual);
		}
		return expected.start == NULL && actual.start == NULL;
	}
	if (actual.start != NULL && *expected.start == '{' && *actual.start == '{')
	{
		for (bool more = cxsig_json_first_member(b, &member); more;
			 more = cxsig_json_next_member(&member))
			n_b++;
		for (bool more = cxsig_json_first_member(a, &member); more;
			 more = cxsig_json_next_member(&member), n_a++)
		{
			if (!find_member(b, member.name, &found) || !is_equal(member.value, found))
				return false;
		}
		return n_a == n_b;
	}
	if (is_composite(expected) || is_composite(actual))
		return false;
	if (read_number(a, &number_a) && read_number(b, &number_b))
		return number_a == number_b && (strpbrk(a, ".eE") != NULL || strpbrk(b, ".eE") != NULL);
	return read_moment(a, &us_a) && read_moment(b, &us_b) && us_a == us_b;
}

static bool
is_composite(CxsigJsonSpan value)
{
	return value.start != NULL && (*value.start == '{' || *value.start == '[');
}

/* A number as JSON has it: "007" is none, and is not 7. */
static bool
read_number(const char *text, double *number)
{
	char *end;

	if (text[0] == '\0' || text[0] == '+' || (text[0] == '0' && text[1] >= '0' && text[1] <= '9') ||
		text[strspn(text, "+-.0123456789eE")] != '\0')
		return false;
	*number = strtod(text, &end);
	return *end == '\0' && isfinite(*number);
}

/* A time of day with Z or an offset of +00:00 or +0000, in microseconds; a date alone is none. */
static bool
read_moment(const char *text, int64 *us)
{
	static const char *const zones[] = {"Z", "z", "+00:00", "+0000", "-00:00"};
	const char *at = text;
	int part[6];
	int64 fraction = 0;
	int64 unit = 1000000;

	for (int i = 0; i < 6; i++)
	{
		if (i > 0 && *at++ != "--T::"[i - 1])
			return false;
		if (!read_digits(&at, i == 0 ? 4 : 2, &part[i]))
			return false;
	}
	if (*at == '.')
	{
		for (at++; *at >= '0' && *at <= '9'; at++)
		{
			unit /= 10;
			fraction += (*at - '0') * unit;
		}
	}
	*us = ((days_of(part[0], part[1], part[2]) * 24 + part[3]) * 60 + part[4]) * 60 + part[5];
	*us = *us * 1000000 + fraction;
	for (size_t i = 0; i < lengthof(zones); i++)
	{
		if (strcmp(at, zones[i]) == 0)
			return true;
	}
	return false;
}

static bool
read_digits(const char **at, int n, int *number)
{
	*number = 0;
	for (; n > 0; n--, (*at)++)
	{
		if (**at < '0' || **at > '9')
			return false;
		*number = *number * 10 + **at - '0';
	}
	return true;
}

/* Days since some day long ago, in the Gregorian calendar; March begins the year. */
static int64
days_of(int year, int month, int day)
{
	if (month < 3)
	{
		month += 12;
		year--;
	}
	return (int64) year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 - 457) / 5 + day;
}

static void
add_difference(StringInfo out, CxsigJsonMember expected, CxsigJsonSpan actual)
{
	appendStringInfoString(out, out->len == 0 ? "[{\"field\":" : ",{\"field\":");
	appendBinaryStringInfo(out, expected.name.start, expected.name.len);
	appendStringInfoString(out, ",\"expected\":");
	appendBinaryStringInfo(out, expected.value.start, expected.value.len);
	appendStringInfoString(out, ",\"actual\":");
	if (actual.start != NULL)
		appendBinaryStringInfo(out, actual.start, actual.len);
	else
		appendStringInfoString(out, "null");
	appendStringInfoChar(out, '}');
}
