/*
 * unit_ratelimit.c
 *	  Rate limits as headers tell of them.
 */
#include "postgres.h"

#include "transport/ratelimit.h"
#include "unit.h"
#include "utils/timestamp.h"

/* The headers of the answer at hand: names and values by turns. */
static const char *const *headers;

static const char *find_header(const CxsigResponse *response, const char *name);
static int64 hold(CxsigQuota *quota, const char *const *these);

#define AT INT64CONST(848750400000000) /* 2026-11-23 16:00 */
#define UNIX_AT INT64CONST(1795435200)

void
unit_ratelimit(void)
{
	CxsigQuota quota = {0};
	char reset[32];

	CHECK(hold(&quota, (const char *const[]){NULL}) == -1);
	CHECK(quota.limit == 0 && quota.at == 0);

	CHECK(hold(&quota, (const char *const[]){"ratelimit", "\"default\";r=50;t=30",
											 "ratelimit-policy", "\"default\";q=100;w=60", NULL}) ==
		  -1);
	CHECK(quota.limit == 100 && quota.used == 50 && quota.at == AT);
	CHECK(quota.resets_at == AT + 30 * USECS_PER_SEC);

	CHECK(hold(&quota,
			   (const char *const[]){"ratelimit", "limit=10, remaining=0, reset=7", NULL}) == 7000);
	CHECK(quota.limit == 10 && quota.used == 10);

	CHECK(hold(&quota, (const char *const[]){"ratelimit-limit", "100, 100;w=60",
											 "ratelimit-remaining", "1", NULL}) == -1);
	CHECK(quota.limit == 100 && quota.used == 99 && quota.resets_at == 0);

	snprintf(reset, sizeof(reset), INT64_FORMAT, UNIX_AT + 60);
	CHECK(hold(&quota, (const char *const[]){"x-ratelimit-limit", "5", "x-ratelimit-remaining", "0",
											 "x-ratelimit-reset", reset, NULL}) == 60000);
	CHECK(quota.limit == 5 && quota.used == 5);
	strcat(reset, "000");
	CHECK(hold(&quota, (const char *const[]){"x-ratelimit-limit", "5", "x-ratelimit-remaining", "0",
											 "x-ratelimit-reset", reset, NULL}) == 60000);

	/* a moment that has passed, no moment, no limit; and what is no number leaves all as it is */
	CHECK(hold(&quota, (const char *const[]){"x-ratelimit-remaining", "0", "x-ratelimit-reset",
											 "1500000000", NULL}) == 0);
	CHECK(hold(&quota, (const char *const[]){"x-ratelimit-remaining", "0", NULL}) == -1);
	CHECK(quota.limit == 5 && quota.used == 5);
	CHECK(hold(&quota, (const char *const[]){"ratelimit-limit", "many", "ratelimit-remaining", "-1",
											 "ratelimit", "=;,;r;t=", NULL}) == -1);
	CHECK(hold(&quota,
			   (const char *const[]){"ratelimit-remaining", "99999999999999999999", NULL}) == -1);
	CHECK(quota.limit == 5 && quota.used == 5);
}

static int64
hold(CxsigQuota *quota, const char *const *these)
{
	CxsigResponse response = {.status = 200, .header = find_header, .finished_at = AT};

	headers = these;
	return cxsig_ratelimit_read(&response, quota);
}

static const char *
find_header(const CxsigResponse *response, const char *name)
{
	for (int i = 0; headers[i] != NULL; i += 2)
		if (strcmp(headers[i], name) == 0)
			return headers[i + 1];
	return NULL;
}
