/*
 * zendesk_rate.c
 *	  How fast Zendesk lets itself be called: the limits of the account and of single endpoints, a
 *	  minute each, as its headers tell. Runs in the dispatcher for every answer. No table, no lock.
 */
#include "postgres.h"

#include "transport/zendesk.h"
#include "utils/timestamp.h"

/* Where a limit is used up and the answer does not say for how long: the rest of its minute. */
#define MINUTE_MS INT64CONST(60000)

/* Longer than any of its windows; what says more is misread. */
#define MAX_RESET_S INT64CONST(3600)

/* Limits of single endpoints, beside the one that the config names. */
static const char *const endpoint_headers[] = {
	"zendesk-ratelimit-endpoint", "zendesk-ratelimit-tickets-update",
	"zendesk-ratelimit-tickets-update-many", "zendesk-ratelimit-tickets-index"};

static int64 read_endpoint(const CxsigResponse *response, const char *name);
static int64 read_header(const CxsigResponse *response, const char *name);
static int64 read_part(const char *value, const char *name);
static int64 read_number(const char *text);
static int64 reset_ms(int64 seconds);

int64
cxsig_zendesk_note_rate(CxsigZendesk *zendesk, const CxsigResponse *response)
{
	int64 limit = read_header(response, "x-rate-limit");
	int64 left = read_header(response, "x-rate-limit-remaining");
	int64 reset = reset_ms(read_header(response, "ratelimit-reset"));
	int64 wait = -1;

	if (response->status == 0)
		return -1;
	if (limit < 0)
		limit = read_header(response, "ratelimit-limit");
	if (left < 0)
		left = read_header(response, "ratelimit-remaining");
	if (limit > 0 && left >= 0)
	{
		zendesk->base.quota.limit = limit;
		zendesk->base.quota.used = Max(limit - left, 0);
		zendesk->base.quota.at = response->finished_at;
		zendesk->base.quota.resets_at = TimestampTzPlusMilliseconds(response->finished_at, reset);
	}
	if (left == 0)
		wait = reset;
	for (int i = 0; i < (int) lengthof(endpoint_headers); i++)
		wait = Max(wait, read_endpoint(response, endpoint_headers[i]));
	if (zendesk->rate_header != NULL)
		wait = Max(wait, read_endpoint(response, zendesk->rate_header));
	return wait;
}

/* "total=100; remaining=0; resets=41": how long to wait, in milliseconds; -1 for not at all. */
static int64
read_endpoint(const CxsigResponse *response, const char *name)
{
	const char *value = response->header(response, name);

	if (value == NULL || read_part(value, "remaining") != 0)
		return -1;
	return reset_ms(read_part(value, "resets"));
}

/* A header that is a number; -1 where there is none. */
static int64
read_header(const CxsigResponse *response, const char *name)
{
	const char *value = response->status != 0 ? response->header(response, name) : NULL;

	return value != NULL ? read_number(value) : -1;
}

/* The number behind "name=" in a list of such; -1 where there is none. */
static int64
read_part(const char *value, const char *name)
{
	size_t len = strlen(name);

	while (*value != '\0')
	{
		value += strspn(value, "; \t");
		if (strncmp(value, name, len) == 0 && value[len] == '=')
			return read_number(value + len + 1);
		value += strcspn(value, ";");
	}
	return -1;
}

/* A number that is not negative and not absurdly long; -1 for anything else. */
static int64
read_number(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	int64 number = 0;

	if (digits == 0 || digits > 15)
		return -1;
	while (digits-- > 0)
		number = number * 10 + *text++ - '0';
	return number;
}

static int64
reset_ms(int64 seconds)
{
	if (seconds < 0 || seconds > MAX_RESET_S)
		return MINUTE_MS;
	return seconds * 1000;
}
