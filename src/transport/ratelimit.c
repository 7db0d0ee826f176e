/*
 * ratelimit.c
 *	  What the headers of an answer tell of a rate limit. Runs in the dispatcher for every answer, and in
 *	  a backend that tests a destination. No locks.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "transport/ratelimit.h"

/* Beyond this a reset is a moment in Unix time, and beyond that one in milliseconds. */
#define UNIX_TIME_FROM INT64CONST(1000000000)
#define UNIX_MS_FROM INT64CONST(1000000000000)

/* What is told, -1 for what is not. */
typedef struct RateLimit
{
	int64 limit;
	int64 remaining;
	int64 reset;
} RateLimit;

static void read_structured(const CxsigResponse *response, RateLimit *told);
static void read_separate(const CxsigResponse *response, const char *prefix, RateLimit *told);
static int64 read_number(const char *at);
static int64 read_parameter(const char *value, const char *name);
static TimestampTz reset_at(int64 reset, TimestampTz now);

int64
cxsig_ratelimit_read(const CxsigResponse *response, CxsigQuota *quota)
{
	RateLimit told = {-1, -1, -1};
	TimestampTz now = response->finished_at;
	TimestampTz whole;

	if (response->status == 0)
		return -1;
	read_structured(response, &told);
	if (told.remaining < 0)
		read_separate(response, "ratelimit", &told);
	if (told.remaining < 0)
		read_separate(response, "x-ratelimit", &told);
	if (told.remaining < 0)
		return -1;
	whole = reset_at(told.reset, now);
	if (told.limit > 0)
	{
		quota->limit = told.limit;
		quota->used = Max(told.limit - told.remaining, 0);
		quota->at = now;
		quota->resets_at = whole;
	}
	if (told.remaining > 0 || whole == 0)
		return -1;
	return Max((whole - now + 999) / 1000, 0);
}

/* The header that has it all, in its newer or its older form. */
static void
read_structured(const CxsigResponse *response, RateLimit *told)
{
	const char *value = response->header(response, "ratelimit");
	const char *policy = response->header(response, "ratelimit-policy");

	if (value == NULL)
		return;
	told->limit = read_parameter(value, "limit");
	told->remaining = read_parameter(value, "remaining");
	told->reset = read_parameter(value, "reset");
	if (told->remaining >= 0)
		return;
	told->remaining = read_parameter(value, "r");
	told->reset = read_parameter(value, "t");
	if (policy != NULL)
		told->limit = read_parameter(policy, "q");
}

static void
read_separate(const CxsigResponse *response, const char *prefix, RateLimit *told)
{
	char name[32];
	const char *value;

	snprintf(name, sizeof(name), "%s-limit", prefix);
	value = response->header(response, name);
	told->limit = value != NULL ? read_number(value) : -1;
	snprintf(name, sizeof(name), "%s-remaining", prefix);
	value = response->header(response, name);
	told->remaining = value != NULL ? read_number(value) : -1;
	snprintf(name, sizeof(name), "%s-reset", prefix);
	value = response->header(response, name);
	told->reset = value != NULL ? read_number(value) : -1;
}

/* The number that a value begins with; more of it, such as windows, is passed over. -1: none. */
static int64
read_number(const char *at)
{
	int64 number = 0;
	int digits = 0;

	at += strspn(at, " \t");
	for (; *at >= '0' && *at <= '9'; at++, digits++)
	{
		if (digits == 17)
			return -1;
		number = number * 10 + (*at - '0');
	}
	return digits > 0 ? number : -1;
}

/* The number of the first parameter of that name: of the first limit, where there are several. */
static int64
read_parameter(const char *value, const char *name)
{
	size_t len = strlen(name);
	const char *at = value;

	while (*at != '\0')
	{
		at += strspn(at, " \t,;");
		if (pg_strncasecmp(at, name, len) == 0)
		{
			const char *equals = at + len + strspn(at + len, " \t");

			if (*equals == '=')
				return read_number(equals + 1);
		}
		at += strcspn(at, ",;");
	}
	return -1;
}

/* 0 where it was not told. */
static TimestampTz
reset_at(int64 reset, TimestampTz now)
{
	if (reset < 0)
		return 0;
	if (reset < UNIX_TIME_FROM)
		return now + reset * USECS_PER_SEC;
	if (reset >= UNIX_MS_FROM)
		reset /= 1000;
	return (reset - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * INT64CONST(86400)) * USECS_PER_SEC;
}
