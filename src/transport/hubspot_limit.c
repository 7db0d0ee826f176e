/*
 * hubspot_limit.c
 *	  What HubSpot's answers tell of its limits. Runs in the dispatcher for every answer; pure functions.
 */
#include "postgres.h"

#include "transport/hubspot.h"

#define PREFIX "x-hubspot-ratelimit-"

static int64 read_number(const CxsigResponse *response, const char *name);
static int64 window_ms(const CxsigHubspot *hubspot, const CxsigResponse *response);

/* The limit of a day; that of ten seconds is kept to by waiting. */
void
cxsig_hubspot_read_quota(CxsigTransport *transport, const CxsigResponse *response)
{
	int64 limit = read_number(response, PREFIX "daily");
	int64 remaining = read_number(response, PREFIX "daily-remaining");

	if (limit <= 0 || remaining < 0)
		return;
	transport->quota.used = Max(limit - remaining, 0);
	transport->quota.limit = limit;
	transport->quota.at = response->finished_at;
}

int64
cxsig_hubspot_hold_ms(const CxsigHubspot *hubspot, const CxsigResponse *response)
{
	if (read_number(response, PREFIX "daily-remaining") == 0)
		return hubspot->daily_backoff_ms;
	return read_number(response, PREFIX "remaining") == 0 ? window_ms(hubspot, response) : -1;
}

int64
cxsig_hubspot_limited_ms(const CxsigHubspot *hubspot, const CxsigResponse *response,
						 CxsigJsonSpan policy)
{
	if (response->retry_after_ms >= 0)
		return response->retry_after_ms;
	if (cxsig_crm_is_text(policy, "DAILY") || read_number(response, PREFIX "daily-remaining") == 0)
		return hubspot->daily_backoff_ms;
	return window_ms(hubspot, response);
}

static int64
window_ms(const CxsigHubspot *hubspot, const CxsigResponse *response)
{
	int64 interval = read_number(response, PREFIX "interval-milliseconds");

	return interval > 0 ? interval : hubspot->rate_backoff_ms;
}

/* A header that is a number; -1 where it is not there or none. */
static int64
read_number(const CxsigResponse *response, const char *name)
{
	const char *value = response->status == 0 ? NULL : response->header(response, name);
	size_t len = value == NULL ? 0 : strspn(value, "0123456789");

	if (len == 0 || len > 15 || value[len] != '\0')
		return -1;
	return strtoll(value, NULL, 10);
}
