/*
 * unit_hubspot.c
 *	  Objects of HubSpot: what is sent, byte for byte, and what each kind of answer says of each.
 */
#include "postgres.h"

#include "crm.h"
#include "transport/hubspot.h"
#include "unit.h"

#define N 3
#define API "https://x/crm/v3/objects/tickets"
#define ERROR_OF(category, message)                                              \
	"{\"status\":\"error\",\"category\":\"" category "\",\"message\":\"" message \
	"\",\"correlationId\":\"c-1\"}"

static char *properties[] = {"a"};
static CxsigHubspot hubspot = {.api = API,
							   .rate_backoff_ms = 10000,
							   .daily_backoff_ms = 900000,
							   .properties = properties,
							   .n_properties = 1};
static CxsigAttempt attempts[N];
static CxsigResult results[N];

static void check_build(void);
static void check_results(void);
static void check_errors(void);
static void check_whole(void);
static void check_limits(void);
static void check_garbage(void);
static void check_fetch(void);
static const char *trace(int i);
static void answered(int n, int status, const char *headers, const char *body);

/* What a config says needs a server to be read. */
CxsigTransport *
cxsig_hubspot_prepare(const CxsigTransportSource *source)
{
	return NULL;
}

void
unit_hubspot(void)
{
	hubspot.id.field = "key";
	hubspot.base.ops = &cxsig_hubspot_ops;
	attempts[0] = crm_attempt("T-1", "{\"a\":\"1\"}");
	attempts[1] = crm_attempt("T-2", "{\"a\":\"\"}");
	attempts[2] = crm_attempt("T-3", "{}");
	check_build();
	check_results();
	check_errors();
	check_whole();
	check_limits();
	check_garbage();
	check_fetch();
}

static void
check_build(void)
{
	CxsigAttempt twice[] = {attempts[0], attempts[1], attempts[0]};
	CxsigRequest request;
	int len;

	CHECK(cxsig_hubspot_build(&hubspot.base, twice, 3, 1000000, &request) == 2);
	CHECK_TEXT(request.url, API "/batch/upsert");
	CHECK(crm_header(&request, "Authorization") == NULL); /* for want of a credential */
	CHECK_TEXT(request.body.data,
			   psprintf("{\"inputs\":[{\"idProperty\":\"key\",\"id\":\"T-1\","
						"\"objectWriteTraceId\":\"%s\",\"properties\":{\"a\":\"1\"}},"
						"{\"idProperty\":\"key\",\"id\":\"T-2\",\"objectWriteTraceId\":\"%s\","
						"\"properties\":{\"a\":\"\"}}]}",
						trace(0), trace(1)));
	len = request.body.len;
	CHECK(cxsig_hubspot_build(&hubspot.base, twice, 2, len, &request) == 2);
	CHECK(cxsig_hubspot_build(&hubspot.base, twice, 2, len - 1, &request) == 1);
	CHECK(cxsig_json_is_valid(request.body.data, request.body.len));
	CHECK(cxsig_hubspot_build(&hubspot.base, twice, 2, 1, &request) == 1);
}

/* Results come in any order, and name their object in one way or another. */
static void
check_results(void)
{
	answered(
		N, 200, NULL,
		psprintf("{\"status\":\"COMPLETE\",\"results\":[{\"id\":\"13\",\"properties\":{\"key\":"
				 "\"t-3\"}},{\"id\":\"11\",\"objectWriteTraceId\":\"%s\"},{\"id\":\"12\","
				 "\"objectWriteTraceId\":\"%s\"}]}",
				 trace(0), trace(1)));
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_DELIVERED));
	CHECK_TEXT(results[0].remote_id, "11");
	CHECK_TEXT(results[1].remote_id, "12");
	CHECK_TEXT(results[2].remote_id, "13");

	/* one is missing, and nothing says why */
	answered(N, 200, NULL,
			 psprintf("{\"results\":[{\"id\":\"1\",\"objectWriteTraceId\":\"%s\"}]}", trace(1)));
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_DELIVERED, CXSIG_RETRY));

	/* as many as there were, with no name */
	answered(N, 200, NULL, "{\"results\":[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"}]}");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_DELIVERED));
	CHECK_TEXT(results[0].remote_id, "");
	answered(N, 200, NULL, "{\"results\":[{\"id\":\"1\"},{\"id\":\"2\"}]}");
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
}

static void
check_errors(void)
{
	char *good = psprintf("{\"id\":\"1\",\"objectWriteTraceId\":\"%s\"}", trace(0));

	answered(
		N, 207, NULL,
		psprintf("{\"results\":[%s],\"errors\":[{\"category\":\"VALIDATION_ERROR\",\"message\":"
				 "\"bad a\",\"correlationId\":\"c-7\",\"context\":{\"objectWriteTraceId\":"
				 "[\"%s\"]}},{\"category\":\"CONFLICT\",\"context\":{\"ids\":[\"T-3\"]}}]}",
				 good, trace(1)));
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_POISON, CXSIG_RETRY));
	CHECK_TEXT(results[1].detail, "VALIDATION_ERROR: bad a (correlationId c-7)");
	attempts[2].attempt = 2;
	answered(N, 207, NULL,
			 psprintf("{\"results\":[%s],\"errors\":[{\"category\":\"CONFLICT\"}]}", good));
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_RETRY, CXSIG_POISON));
	attempts[2].attempt = 1;

	/* errors that name nobody: of one kind they are of all that are missing */
	answered(
		N, 207, NULL,
		psprintf("{\"results\":[%s],\"errors\":[%s]}", good, ERROR_OF("VALIDATION_ERROR", "x")));
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_POISON, CXSIG_POISON));
	answered(N, 207, NULL,
			 psprintf("{\"results\":[%s],\"errors\":[%s,%s]}", good,
					  ERROR_OF("VALIDATION_ERROR", "x"), ERROR_OF("CONFLICT", "x")));
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_RETRY, CXSIG_RETRY));

	/* a property that there is not: the mapping's fault where nobody passed */
	answered(
		N, 207, NULL,
		"{\"results\":[],\"errors\":[" ERROR_OF("VALIDATION_ERROR", "PROPERTY_DOESNT_EXIST") "]}");
	CHECK(crm_outcomes(results, CXSIG_UNAUTHORISED, CXSIG_UNAUTHORISED, CXSIG_UNAUTHORISED));
	CHECK(results[1].final);
}

static void
check_whole(void)
{
	answered(N, 400, NULL, ERROR_OF("VALIDATION_ERROR", "no"));
	CHECK(crm_outcomes(results, CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT));
	CHECK_TEXT(results[2].detail, "VALIDATION_ERROR: no (correlationId c-1)");
	answered(1, 400, NULL, ERROR_OF("VALIDATION_ERROR", "no"));
	CHECK(results[0].outcome == CXSIG_POISON);
	answered(N, 400, NULL, ERROR_OF("VALIDATION_ERROR", "Unable to infer object type from: x"));
	CHECK(results[1].outcome == CXSIG_UNAUTHORISED && results[1].final);
	answered(N, 403, NULL, ERROR_OF("MISSING_SCOPES", "no"));
	CHECK(results[1].outcome == CXSIG_UNAUTHORISED && results[1].final);
	answered(N, 401, NULL, ERROR_OF("EXPIRED_AUTHENTICATION", "no"));
	CHECK(results[1].outcome == CXSIG_UNAUTHORISED && !results[1].final);
	answered(N, 404, NULL, "nope");
	CHECK(results[1].outcome == CXSIG_UNAUTHORISED && results[1].final);
	answered(N, 409, NULL, ERROR_OF("CONFLICT", "no"));
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
	attempts[1].attempt = 2;
	answered(N, 409, NULL, ERROR_OF("CONFLICT", "no"));
	CHECK(crm_outcomes(results, CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT));
	attempts[1].attempt = 1;
	answered(N, 502, NULL, "");
	CHECK(results[1].outcome == CXSIG_RETRY);
	answered(N, 524, NULL, "");
	CHECK(results[1].outcome == CXSIG_RETRY);
}

static void
check_limits(void)
{
	answered(1, 429, NULL, "{\"policyName\":\"TEN_SECONDLY_ROLLING\"}");
	CHECK(results[0].outcome == CXSIG_RETRY && results[0].retry_after_ms == 10000);
	answered(1, 429, "X-HubSpot-RateLimit-Interval-Milliseconds: 700\n", "");
	CHECK(results[0].retry_after_ms == 700);
	answered(1, 429, NULL, "{\"policyName\":\"DAILY\"}");
	CHECK(results[0].retry_after_ms == 900000);
	answered(1, 423, NULL, "");
	CHECK(results[0].outcome == CXSIG_RETRY && results[0].retry_after_ms == 2000);
	answered(1, 477, NULL, "");
	CHECK(results[0].outcome == CXSIG_RETRY && results[0].retry_after_ms == 900000);

	/* the last one of a window was taken, and the next waits for another */
	answered(1, 200,
			 "X-HubSpot-RateLimit-Remaining: 0\nX-HubSpot-RateLimit-Interval-Milliseconds: 500\n"
			 "X-HubSpot-RateLimit-Daily: 1000\nX-HubSpot-RateLimit-Daily-Remaining: 990\n",
			 "{\"results\":[{\"id\":\"1\"}]}");
	CHECK(results[0].outcome == CXSIG_DELIVERED && results[0].retry_after_ms == 500);
	CHECK(hubspot.base.quota.used == 10 && hubspot.base.quota.limit == 1000);
	answered(1, 200, "X-HubSpot-RateLimit-Remaining: x\nX-HubSpot-RateLimit-Daily: -1\n",
			 "{\"results\":[{\"id\":\"1\"}]}");
	CHECK(results[0].retry_after_ms == -1 && hubspot.base.quota.used == 10);
}

static void
check_garbage(void)
{
	static const char *const bodies[] = {"",
										 "ok",
										 "[]",
										 "{}",
										 "{\"results\":7}",
										 "{\"results\":[]}",
										 "{\"results\":[1,null,[]]}",
										 "{\"results\":[{},{},{}]}",
										 "{\"results\":[],\"errors\":[1,null,{\"context\":7}]",
										 "{\"results\":[],\"errors\":[[],7]}",
										 "\xff\xfe"};

	for (int i = 0; i < (int) lengthof(bodies); i++)
	{
		answered(N, 207, NULL, bodies[i]);
		unit_check(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY), __FILE__, __LINE__,
				   bodies[i]);
		answered(N, 400, NULL, bodies[i]);
		unit_check(crm_outcomes(results, CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT), __FILE__, __LINE__,
				   bodies[i]);
	}
}

static void
check_fetch(void)
{
	CxsigRecord records[N] = {0};
	CxsigRequest request;
	CxsigResponse response;

	CHECK(cxsig_hubspot_build_fetch(&hubspot.base, attempts, 2, &request) == 2);
	CHECK_TEXT(request.body.data, "{\"idProperty\":\"key\",\"properties\":[\"key\",\"a\"],"
								  "\"inputs\":[{\"id\":\"T-1\"},{\"id\":\"T-2\"}]}");
	response = crm_answer(
		207, NULL, "{\"results\":[{\"id\":\"9\",\"properties\":{\"key\":\"t-2\",\"a\":\"x\"}}]}");
	cxsig_hubspot_read_fetch(&hubspot.base, attempts, 2, &response, records);
	CHECK(records[0].state == CXSIG_RECORD_MISSING && records[1].state == CXSIG_RECORD_DIFFERS);
	CHECK_TEXT(records[1].remote_id, "9");
	response = crm_answer(500, NULL, "");
	cxsig_hubspot_read_fetch(&hubspot.base, attempts, 2, &response, records);
	CHECK(records[0].state == CXSIG_RECORD_UNKNOWN);
}

static const char *
trace(int i)
{
	StringInfoData uuid;

	initStringInfo(&uuid);
	cxsig_append_uuid(&uuid, &attempts[i].event->event_id);
	return uuid.data;
}

static void
answered(int n, int status, const char *headers, const char *body)
{
	CxsigResponse response = crm_answer(status, headers, body);

	crm_clear(results, lengthof(results));
	cxsig_hubspot_read(&hubspot.base, attempts, n, &response, results);
}
