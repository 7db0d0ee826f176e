/*
 * unit_zendesk_answers.c
 *	  Zendesk's answers: refusals, jobs and their results, tickets that were changed meanwhile, limits,
 *	  and bodies that mean nothing.
 */
#include "postgres.h"

#include "crm.h"
#include "transport/zendesk.h"
#include "unit.h"

#define N 3
#define JOB(status, results) \
	"{\"job_status\":{\"id\":\"j-1\",\"status\":\"" status "\",\"results\":" results "}}"
#define TICKET \
	"{\"ticket\":{\"id\":101,\"tags\":[\"vip\"],\"updated_at\":\"2026-11-24T05:00:00Z\"}}"

static CxsigZendesk zendesk = {.url = "https://x.zendesk.com"};
static CxsigAttempt attempts[N];
static CxsigResult results[N];
static CxsigFollow follow;
static CxsigRequest request;

static void check_status(void);
static void check_words(void);
static void check_ping(void);
static void check_job_results(void);
static void check_job_strays(void);
static void check_job_ends(void);
static void check_polls(void);
static void check_poll_failures(void);
static void check_safe(void);
static void check_conflicts(void);
static void check_single(void);
static void check_rates(void);
static void check_hostile(void);
static void answered(CxsigZendeskWay way, int n, int status, const char *headers, const char *body);
static bool followed(CxsigZendeskWay way, int status, const char *headers, const char *body);

void
unit_zendesk_answers(void)
{
	attempts[0] = crm_attempt("101", "{\"priority\":\"high\"}");
	attempts[1] = crm_attempt("102", "{\"priority\":\"high\"}");
	attempts[2] = crm_attempt("103", "{\"priority\":\"high\"}");
	check_status();
	check_words();
	check_ping();
	check_job_results();
	check_job_strays();
	check_job_ends();
	check_polls();
	check_poll_failures();
	check_safe();
	check_conflicts();
	check_single();
	check_rates();
	check_hostile();
}

static void
check_status(void)
{
	static const struct
	{
		int status;
		CxsigOutcome one;
		CxsigOutcome many;
	} cases[] = {{401, CXSIG_UNAUTHORISED, CXSIG_UNAUTHORISED},
				 {403, CXSIG_UNAUTHORISED, CXSIG_UNAUTHORISED},
				 {404, CXSIG_POISON, CXSIG_RETRY},
				 {409, CXSIG_RETRY, CXSIG_RETRY},
				 {400, CXSIG_POISON, CXSIG_SPLIT},
				 {422, CXSIG_POISON, CXSIG_SPLIT},
				 {413, CXSIG_POISON, CXSIG_SPLIT},
				 {429, CXSIG_RETRY, CXSIG_RETRY},
				 {500, CXSIG_RETRY, CXSIG_RETRY},
				 {503, CXSIG_RETRY, CXSIG_RETRY},
				 {0, CXSIG_RETRY, CXSIG_RETRY}};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		answered(CXSIG_ZENDESK_ONE, 1, cases[i].status, "", "");
		unit_check(results[0].outcome == cases[i].one, __FILE__, cases[i].status, "one");
		unit_check(results[0].final == (cases[i].status == 403), __FILE__, cases[i].status,
				   "final");
		answered(CXSIG_ZENDESK_TICKETS, N, cases[i].status, "", "");
		unit_check(crm_outcomes(results, cases[i].many, cases[i].many, cases[i].many), __FILE__,
				   cases[i].status, "many");
	}
	answered(CXSIG_ZENDESK_TICKETS, 1, 422, "", "");
	CHECK(results[0].outcome == CXSIG_POISON);
}

static void
check_words(void)
{
	answered(CXSIG_ZENDESK_ONE, 1, 422, "X-Request-Id: r1\n",
			 "{\"error\":\"RecordInvalid\",\"description\":\"Record validation errors\","
			 "\"details\":{\"base\":[{\"description\":\"closed\"}]}}");
	CHECK_TEXT(results[0].detail, "RecordInvalid: Record validation errors: "
								  "{\"base\":[{\"description\":\"closed\"}]}");
	CHECK_TEXT(results[0].remote_id, "");
	answered(CXSIG_ZENDESK_ONE, 1, 403, "",
			 "{\"error\":{\"title\":\"Forbidden\",\"message\":\"You do not have access\"}}");
	CHECK_TEXT(results[0].detail, "Forbidden: You do not have access");
	answered(CXSIG_ZENDESK_ONE, 1, 429, "", "Rate limit for ticket updates exceeded");
	CHECK_TEXT(results[0].detail, "Rate limit for ticket updates exceeded");
	answered(CXSIG_ZENDESK_ONE, 1, 401, "", "{\"error\":[]}");
	CHECK_TEXT(results[0].detail, "{\"error\":[]}");
}

static void
check_ping(void)
{
	CxsigResponse response;

	zendesk.way = CXSIG_ZENDESK_TICKETS;
	response = crm_answer(200, "", "{\"user\":{\"id\":7,\"name\":\"Bot\"}}");
	cxsig_zendesk_read(&zendesk.base, NULL, 1, &response, results);
	CHECK(results[0].outcome == CXSIG_DELIVERED);
	response = crm_answer(200, "", "{\"user\":{\"id\":null,\"name\":\"Anonymous user\"}}");
	cxsig_zendesk_read(&zendesk.base, NULL, 1, &response, results);
	CHECK(results[0].outcome == CXSIG_UNAUTHORISED);
	response = crm_answer(200, "", "<html>log in</html>");
	cxsig_zendesk_read(&zendesk.base, NULL, 1, &response, results);
	CHECK(results[0].outcome == CXSIG_RETRY);
}

static void
check_job_results(void)
{
	answered(
		CXSIG_ZENDESK_TICKETS, N, 200, "",
		JOB("completed",
			"[{\"id\":103,\"success\":true,\"status\":\"Updated\"},"
			"{\"id\":102,\"success\":false,\"error\":\"RecordInvalid\",\"details\":\"closed\"},"
			"{\"id\":101,\"index\":2,\"success\":true}]"));
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_POISON, CXSIG_DELIVERED));
	CHECK_TEXT(results[0].remote_id, "101");
	CHECK_TEXT(results[1].detail, "RecordInvalid: closed");
	CHECK_TEXT(results[2].remote_id, "103");

	/* by place; without "success"; errors that pass */
	answered(CXSIG_ZENDESK_TICKETS, N, 200, "",
			 JOB("completed", "[{\"index\":1,\"error\":\"UpdateConflict\"},{\"id\":101,\"status\":"
							  "\"Updated\"},{\"index\":2,\"status\":\"Failed\"}]"));
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_RETRY, CXSIG_POISON));
	CHECK_TEXT(results[1].detail, "UpdateConflict");
	CHECK_TEXT(results[2].detail, "the job did not change it, without a word");

	/* the first result counts, others' are nobody's, and what has none is sent again */
	answered(CXSIG_ZENDESK_TICKETS, N, 200, "",
			 JOB("failed", "[{\"id\":101,\"success\":true},{\"id\":101,\"error\":\"X\"},"
						   "{\"id\":999,\"error\":\"X\"},{\"index\":99,\"error\":\"X\"}]"));
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_RETRY, CXSIG_RETRY));
	CHECK_TEXT(results[2].detail, "the job has no result for this event");

	/* users by their external id, and Zendesk's own */
	answered(CXSIG_ZENDESK_USERS, N, 200, "",
			 JOB("completed", "[{\"id\":9001,\"external_id\":\"102\",\"status\":\"Created\"},"
							  "{\"id\":9002,\"external_id\":\"101\",\"status\":\"Updated\"},"
							  "{\"index\":2,\"error\":\"UserUpdateError\"}]"));
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_POISON));
	CHECK_TEXT(results[0].remote_id, "9002");
	CHECK_TEXT(results[1].remote_id, "9001");
}

/* Results that do not say whose they are */
static void
check_job_strays(void)
{
	answered(CXSIG_ZENDESK_USERS, N, 200, "",
			 JOB("completed", "[{\"id\":1,\"success\":true},{\"id\":2,\"success\":true},"
							  "{\"id\":3,\"success\":true}]"));
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_DELIVERED));
	CHECK_TEXT(results[0].remote_id, "");
	answered(CXSIG_ZENDESK_USERS, N, 200, "",
			 JOB("completed", "[{\"id\":1,\"success\":true},{\"error\":\"X\"},"
							  "{\"id\":3,\"success\":true}]"));
	CHECK(crm_outcomes(results, CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT));
	answered(CXSIG_ZENDESK_USERS, 1, 200, "", JOB("completed", "[{\"error\":\"X\"}]"));
	CHECK(results[0].outcome == CXSIG_POISON);
	CHECK_TEXT(results[0].detail, "X");
	answered(CXSIG_ZENDESK_USERS, N, 200, "", JOB("completed", "[{\"id\":1,\"success\":true}]"));
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
}

static void
check_job_ends(void)
{
	answered(CXSIG_ZENDESK_TICKETS, N, 200, "",
			 "{\"job_status\":{\"id\":\"j\",\"status\":\"failed\",\"message\":\"no\"}}");
	CHECK(crm_outcomes(results, CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT));
	CHECK_TEXT(results[0].detail, "the job failed: no");
	answered(CXSIG_ZENDESK_TICKETS, 1, 200, "", JOB("failed", "null"));
	CHECK(results[0].outcome == CXSIG_RETRY);
	answered(CXSIG_ZENDESK_TICKETS, N, 200, "", JOB("killed", "[{\"id\":102,\"success\":true}]"));
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_DELIVERED, CXSIG_RETRY));
	answered(CXSIG_ZENDESK_TICKETS, N, 200, "", JOB("working", "null"));
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
	CHECK_TEXT(results[0].detail, "the job has not come to its end");
	answered(CXSIG_ZENDESK_TICKETS, N, 200, "", JOB("completed", "[]"));
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
}

static void
check_polls(void)
{
	int64 last = 0;
	int64 total = 0;
	int n = 0;

	memset(&follow, 0, sizeof(follow));
	CHECK(followed(CXSIG_ZENDESK_TICKETS, 200, "", JOB("queued", "null")));
	CHECK_TEXT(request.method, "GET");
	CHECK_TEXT(request.url, "https://x.zendesk.com/api/v2/job_statuses/j-1.json");
	CHECK(request.body.len == 0 && follow.delay_ms == 250);
	while (n < 2000 && followed(CXSIG_ZENDESK_TICKETS, 200, "", JOB("working", "null")))
	{
		CHECK(follow.delay_ms >= last && follow.delay_ms <= 5000);
		last = follow.delay_ms;
		total += last;
		n++;
	}
	CHECK(last == 5000 && total > 3550000 && total < 3700000);

	/* its end is the last word */
	for (int i = 0; i < 3; i++)
	{
		static const char *const ends[] = {JOB("completed", "[]"), JOB("failed", "[]"),
										   JOB("killed", "[]")};

		memset(&follow, 0, sizeof(follow));
		CHECK(!followed(CXSIG_ZENDESK_TICKETS, 200, "", ends[i]));
		CHECK(followed(CXSIG_ZENDESK_ALIKE, 200, "", JOB("queued", "null")));
		CHECK(!followed(CXSIG_ZENDESK_ALIKE, 200, "", ends[i]));
	}
	memset(&follow, 0, sizeof(follow));
	CHECK(!followed(CXSIG_ZENDESK_USERS, 429, "", "{\"error\":\"TooManyJobs\"}"));
	CHECK(!followed(CXSIG_ZENDESK_USERS, 0, "", ""));
	CHECK(!followed(CXSIG_ZENDESK_USERS, 200, "", "{}"));
}

/* The job goes on while a question after it fails; a refusal ends the questions. */
static void
check_poll_failures(void)
{
	static const int passing[] = {0, 429, 500, 503, 408, 200};
	int n;

	memset(&follow, 0, sizeof(follow));
	CHECK(followed(CXSIG_ZENDESK_TICKETS, 200, "", JOB("queued", "null")));
	for (int i = 0; i < (int) lengthof(passing); i++)
	{
		CHECK(followed(CXSIG_ZENDESK_TICKETS, passing[i], "", ""));
		CHECK_TEXT(request.url, "https://x.zendesk.com/api/v2/job_statuses/j-1.json");
	}
	/* another's answer is none */
	CHECK(followed(CXSIG_ZENDESK_TICKETS, 200, "",
				   "{\"job_status\":{\"id\":\"other\",\"status\":\"completed\"}}"));
	CHECK(followed(CXSIG_ZENDESK_TICKETS, 200, "", JOB("working", "null")));
	CHECK(!followed(CXSIG_ZENDESK_TICKETS, 404, "", ""));
	CHECK(!followed(CXSIG_ZENDESK_TICKETS, 401, "", ""));
	for (n = 0; n < 100 && followed(CXSIG_ZENDESK_TICKETS, 500, "", ""); n++)
		CHECK(follow.delay_ms > 0 && follow.delay_ms <= 5000);
	CHECK(n == 8);
	memset(&follow, 0, sizeof(follow));
	CHECK(followed(CXSIG_ZENDESK_TICKETS, 200, "", JOB("queued", "null")));
	CHECK(followed(CXSIG_ZENDESK_TICKETS, 429, "Retry-After: 30\n", ""));
	CHECK(follow.delay_ms == 30000);
	CHECK(!followed(CXSIG_ZENDESK_TICKETS, 429, "Retry-After: 86400\n", ""));
}

static void
check_safe(void)
{
	memset(&follow, 0, sizeof(follow));
	CHECK(followed(CXSIG_ZENDESK_SAFE, 200, "", TICKET));
	CHECK_TEXT(request.method, "PUT");
	CHECK_TEXT(request.body.data, "{\"ticket\":{\"priority\":\"high\",\"updated_stamp\":"
								  "\"2026-11-24T05:00:00Z\",\"safe_update\":true}}");
	CHECK(follow.delay_ms == 0);
	CHECK(!followed(CXSIG_ZENDESK_SAFE, 200, "", TICKET));
	answered(CXSIG_ZENDESK_SAFE, 1, 200, "", TICKET);
	CHECK(results[0].outcome == CXSIG_DELIVERED);
	CHECK_TEXT(results[0].remote_id, "101");

	/* what cannot be read is not written to, and is no success */
	for (int i = 0; i < 6; i++)
	{
		static const char *const bad[] = {
			"",
			"no",
			"{\"ticket\":{\"id\":102,\"tags\":[],\"updated_at\":\"x\"}}",
			"{\"ticket\":{\"id\":101,\"tags\":[]}}",
			"{\"ticket\":{\"id\":101,\"updated_at\":\"x\"}}",
			"{\"ticket\":{\"id\":101,\"tags\":{},\"updated_at\":1}}"};

		memset(&follow, 0, sizeof(follow));
		CHECK(!followed(CXSIG_ZENDESK_SAFE, 200, "", bad[i]));
		answered(CXSIG_ZENDESK_SAFE, 1, 200, "", bad[i]);
		CHECK(results[0].outcome == CXSIG_RETRY);
		CHECK_TEXT(results[0].detail, "HTTP status 200, but the answer has no ticket");
	}
	CHECK(!followed(CXSIG_ZENDESK_SAFE, 404, "", ""));
	CHECK(!followed(CXSIG_ZENDESK_ONE, 200, "", TICKET));
	CHECK(!followed(CXSIG_ZENDESK_ORGANIZATION, 200, "", "{}"));
}

/* Read again each time that somebody else was faster, three times at most. */
static void
check_conflicts(void)
{
	int64 last = -1;

	memset(&follow, 0, sizeof(follow));
	for (int i = 0; i < 3; i++)
	{
		CHECK(followed(CXSIG_ZENDESK_SAFE, 200, "", TICKET));
		CHECK_TEXT(request.method, "PUT");
		CHECK(followed(CXSIG_ZENDESK_SAFE, 409, "", "{\"error\":\"UpdateConflict\"}"));
		CHECK_TEXT(request.method, "GET");
		CHECK(follow.delay_ms > last);
		last = follow.delay_ms;
	}
	CHECK(followed(CXSIG_ZENDESK_SAFE, 200, "", TICKET));
	CHECK(!followed(CXSIG_ZENDESK_SAFE, 409, "", "{\"error\":\"UpdateConflict\"}"));
	answered(CXSIG_ZENDESK_SAFE, 1, 409, "", "{\"error\":\"UpdateConflict\"}");
	CHECK(results[0].outcome == CXSIG_RETRY);
	CHECK_TEXT(results[0].detail, "UpdateConflict");
}

static void
check_single(void)
{
	answered(CXSIG_ZENDESK_ONE, 1, 200, "", "{\"ticket\":{\"id\":101},\"audit\":{}}");
	CHECK(results[0].outcome == CXSIG_DELIVERED);
	CHECK_TEXT(results[0].remote_id, "101");
	answered(CXSIG_ZENDESK_ONE, 1, 200, "", "<html>log in</html>");
	CHECK(results[0].outcome == CXSIG_RETRY);
	answered(CXSIG_ZENDESK_ORGANIZATION, 1, 201, "",
			 "{\"organization\":{\"id\":77,\"external_id\":\"101\"}}");
	CHECK(results[0].outcome == CXSIG_DELIVERED);
	CHECK_TEXT(results[0].remote_id, "77");
	answered(CXSIG_ZENDESK_ORGANIZATION, 1, 200, "",
			 "{\"organization\":{\"id\":77,\"external_id\":\"other\"}}");
	CHECK(results[0].outcome == CXSIG_RETRY);
}

static void
check_rates(void)
{
	static const char *const job = JOB("completed", "[{\"id\":101},{\"id\":102},{\"id\":103}]");

	answered(CXSIG_ZENDESK_TICKETS, N, 200, "X-Rate-Limit: 700\nX-Rate-Limit-Remaining: 699\n",
			 job);
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_DELIVERED));
	CHECK(results[0].retry_after_ms == -1);
	CHECK(zendesk.base.quota.limit == 700 && zendesk.base.quota.used == 1);
	CHECK(zendesk.base.quota.resets_at == 60000000);
	answered(CXSIG_ZENDESK_TICKETS, N, 200,
			 "ratelimit-limit: 100\nratelimit-remaining: 0\nratelimit-reset: 41\n", job);
	CHECK(results[2].outcome == CXSIG_DELIVERED && results[2].retry_after_ms == 41000);
	CHECK(zendesk.base.quota.used == 100 && zendesk.base.quota.resets_at == 41000000);
	answered(CXSIG_ZENDESK_TICKETS, N, 200,
			 "X-Rate-Limit: 700\nX-Rate-Limit-Remaining: 600\n"
			 "zendesk-ratelimit-tickets-update: total=100; remaining=0; resets=7\n",
			 job);
	CHECK(results[0].retry_after_ms == 7000);
	answered(CXSIG_ZENDESK_TICKETS, N, 200,
			 "zendesk-ratelimit-tickets-update: total=100; remaining=1; resets=7\n", job);
	CHECK(results[0].retry_after_ms == -1);
	answered(CXSIG_ZENDESK_TICKETS, N, 200, "x-rate-limit-remaining: 0\n", job);
	CHECK(results[0].retry_after_ms == 60000);
	answered(CXSIG_ZENDESK_TICKETS, N, 429, "ratelimit-remaining: 0\nratelimit-reset: 5\n", "");
	CHECK(results[0].retry_after_ms == 5000);
	answered(CXSIG_ZENDESK_TICKETS, N, 429, "Retry-After: 9\nratelimit-remaining: 0\n", "");
	CHECK(results[0].retry_after_ms == 9000);
	zendesk.rate_header = "my-limit";
	answered(CXSIG_ZENDESK_TICKETS, N, 200, "my-limit: resets=3;remaining=0\n", job);
	CHECK(results[0].retry_after_ms == 3000);
	zendesk.rate_header = NULL;

	/* a request in between waits too */
	memset(&follow, 0, sizeof(follow));
	CHECK(
		followed(CXSIG_ZENDESK_SAFE, 200, "ratelimit-remaining: 0\nratelimit-reset: 4\n", TICKET));
	CHECK(follow.delay_ms == 4000);

	/* however long: what was only read must not be taken for written */
	memset(&follow, 0, sizeof(follow));
	CHECK(followed(CXSIG_ZENDESK_SAFE, 200, "ratelimit-remaining: 0\nratelimit-reset: 3600\n",
				   TICKET));
	CHECK(follow.delay_ms == 600000);
}

/* Garbage in numbers and jobs: no success, no poison, no harm. */
static void
check_hostile(void)
{
	static const char *const bad[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"job_status\":7}",
		"{\"job_status\":{}}",
		"{\"job_status\":{\"id\":7,\"status\":\"completed\"}}",
		"{\"job_status\":{\"id\":\"../x\",\"status\":\"completed\"}}",
		"{\"job_status\":{\"id\":\"a\\u0000b\",\"status\":\"completed\"}}",
		"{\"job_status\":{\"id\":\"a?b\",\"status\":\"queued\"}}",
		"{\"job_status\":{\"id\":\"\",\"status\":\"queued\"}}",
		"{\"job_status\":{\"id\":\"j\""};
	static const char *const rates[] = {"x-rate-limit: -1\nx-rate-limit-remaining: abc\n",
										"ratelimit-remaining: 99999999999999999999\n",
										"zendesk-ratelimit-endpoint: ;;;==;remaining\n"};

	for (int i = 0; i < (int) lengthof(bad); i++)
	{
		memset(&follow, 0, sizeof(follow));
		unit_check(!followed(CXSIG_ZENDESK_TICKETS, 200, "", bad[i]), __FILE__, i, bad[i]);
		answered(CXSIG_ZENDESK_TICKETS, N, 200, "", bad[i]);
		unit_check(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY), __FILE__, i,
				   bad[i]);
	}
	answered(CXSIG_ZENDESK_TICKETS, N, 200, "",
			 JOB("completed", "[7,null,[],\"x\",{\"id\":{}},{\"index\":-1},{\"index\":\"0\"}]"));
	CHECK(crm_outcomes(results, CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT));
	for (int i = 0; i < (int) lengthof(rates); i++)
	{
		answered(CXSIG_ZENDESK_ONE, 1, 200, rates[i], "{\"ticket\":{\"id\":101}}");
		CHECK(results[0].outcome == CXSIG_DELIVERED && results[0].retry_after_ms == -1);
	}
	answered(CXSIG_ZENDESK_ONE, 1, 200, "ratelimit-remaining: 0\nratelimit-reset: 999999\n",
			 "{\"ticket\":{\"id\":101}}");
	CHECK(results[0].retry_after_ms == 60000);
}

static void
answered(CxsigZendeskWay way, int n, int status, const char *headers, const char *body)
{
	CxsigResponse response = crm_answer(status, headers, body);
	const char *retry = strstr(headers, "Retry-After: ");

	zendesk.way = way;
	crm_clear(results, lengthof(results));
	if (retry != NULL)
		response.retry_after_ms = atoi(retry + strlen("Retry-After: ")) * INT64CONST(1000);
	cxsig_zendesk_read(&zendesk.base, attempts, n, &response, results);
}

static bool
followed(CxsigZendeskWay way, int status, const char *headers, const char *body)
{
	CxsigResponse response = crm_answer(status, headers, body);
	const char *retry = strstr(headers, "Retry-After: ");

	zendesk.way = way;
	follow.step++;
	if (retry != NULL)
		response.retry_after_ms = atoi(retry + strlen("Retry-After: ")) * INT64CONST(1000);
	memset(&request, 0, sizeof(request));
	return cxsig_zendesk_follow(&zendesk.base, attempts, way == CXSIG_ZENDESK_SAFE ? 1 : N, 1000000,
								&response, &follow, &request);
}
