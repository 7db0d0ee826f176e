/*
 * unit_salesforce.c
 *	  Records of Salesforce: what is sent, byte for byte, and what each kind of answer says of each.
 */
#include "postgres.h"

#include "crm.h"
#include "transport/salesforce.h"
#include "unit.h"

#define N 3
#define BASE "https://x/services/data/v60.0"
#define OK(id) "{\"id\":\"" id "\",\"success\":true,\"created\":true,\"errors\":[]}"
#define BAD(code, words) \
	"{\"success\":false,\"errors\":[{\"statusCode\":\"" code "\",\"message\":\"" words "\"}]}"
#define REFUSED(code, words) "[{\"message\":\"" words "\",\"errorCode\":\"" code "\"}]"

static char *fields[] = {"A__c", "B__c"};
static CxsigSalesforce salesforce = {.url = "https://x",
									 .api_version = "v60.0",
									 .object = "S__c",
									 .limit_backoff_ms = 60000,
									 .fields = fields,
									 .n_fields = 2};
static CxsigAttempt attempts[N];
static CxsigResult results[N];

static void check_build(void);
static void check_other_modes(void);
static void check_refuses(void);
static void check_rows(void);
static void check_codes(void);
static void check_whole(void);
static void check_suspects(void);
static void check_garbage(void);
static void check_quota(void);
static void check_fetch(void);
static void answered(int n, int status, const char *headers, const char *body);

/* What a config says needs a server to be read. */
CxsigTransport *
cxsig_salesforce_prepare(const CxsigTransportSource *source)
{
	return NULL;
}

void
unit_salesforce(void)
{
	salesforce.id.field = "Key__c";
	salesforce.base.ops = &cxsig_salesforce_ops;
	attempts[0] = crm_attempt("T-1", "{\"A__c\":1}");
	attempts[1] = crm_attempt("T \"2\"", "{}");
	attempts[2] = crm_attempt("t-1", "{\"A__c\":null}");
	check_build();
	check_other_modes();
	check_refuses();
	check_rows();
	check_codes();
	check_whole();
	check_suspects();
	check_garbage();
	check_quota();
	check_fetch();
}

static void
check_build(void)
{
	CxsigRequest request;
	int len;

	CHECK(cxsig_salesforce_build(&salesforce.base, attempts, N, 1000000, &request) == 2);
	CHECK_TEXT(request.method, "PATCH");
	CHECK_TEXT(request.url, BASE "/composite/sobjects/S__c/Key__c");
	CHECK(crm_header(&request, "Authorization") == NULL); /* for want of a credential */
	CHECK_TEXT(request.body.data,
			   "{\"allOrNone\":false,\"records\":[{\"attributes\":{\"type\":\"S__c\"},"
			   "\"Key__c\":\"T-1\",\"A__c\":1},{\"attributes\":{\"type\":\"S__c\"},"
			   "\"Key__c\":\"T \\\"2\\\"\" }]}");

	len = request.body.len;

	/* one at least, and no more than fit */
	CHECK(cxsig_salesforce_build(&salesforce.base, attempts, N, 1, &request) == 1);
	CHECK(cxsig_salesforce_build(&salesforce.base, attempts, 2, len - 1, &request) == 1);
	CHECK(cxsig_json_is_valid(request.body.data, request.body.len));
	CHECK(cxsig_salesforce_build(&salesforce.base, attempts, 2, len, &request) == 2);
	CHECK(request.body.len == len);
}

static void
check_other_modes(void)
{
	CxsigAttempt odd = crm_attempt("a/b ?\xc3\xa4", "{\"A__c\":1}");
	CxsigRequest request;

	salesforce.mode = CXSIG_SALESFORCE_SINGLE;
	CHECK(cxsig_salesforce_build(&salesforce.base, &odd, 1, 1000000, &request) == 1);
	CHECK_TEXT(request.url, BASE "/sobjects/S__c/Key__c/a%2Fb%20%3F%C3%A4");
	CHECK_TEXT(request.body.data, "{\"A__c\":1}");
	answered(1, 204, NULL, "");
	CHECK(results[0].outcome == CXSIG_DELIVERED);
	answered(1, 201, NULL, OK("a01"));
	CHECK(results[0].outcome == CXSIG_DELIVERED);
	CHECK_TEXT(results[0].remote_id, "a01");
	answered(1, 300, NULL, "[\"/services/data/a\",\"/services/data/b\"]");
	CHECK(results[0].outcome == CXSIG_POISON);
	answered(1, 200, NULL, "<html>");
	CHECK(results[0].outcome == CXSIG_RETRY);

	salesforce.mode = CXSIG_SALESFORCE_EVENT;
	salesforce.event_id_field = "Event_Id__c";
	CHECK(cxsig_salesforce_build(&salesforce.base, attempts, N, 1000000, &request) == 1);
	CHECK_TEXT(request.method, "POST");
	CHECK(strncmp(request.body.data, "{\"Event_Id__c\":\"00000000-", 24) == 0);
	answered(1, 201, NULL,
			 "{\"id\":\"e00\",\"success\":true,\"errors\":[{\"statusCode\":"
			 "\"OPERATION_ENQUEUED\",\"message\":\"u-1\"}]}");
	CHECK(results[0].outcome == CXSIG_DELIVERED);
	CHECK_TEXT(results[0].remote_id, "u-1");
	salesforce.mode = CXSIG_SALESFORCE_COLLECTIONS;
}

static void
check_refuses(void)
{
	CxsigAttempt none = crm_attempt(NULL, "{}");
	CxsigAttempt empty = crm_attempt("", "{}");
	CxsigAttempt fits = crm_attempt(psprintf("\xc3\xa4%0254d", 1), "{}");
	CxsigAttempt longer = crm_attempt(psprintf("%0256d", 1), "{}");
	CxsigResult result = {0};

	CHECK(salesforce.base.ops->refuses(&salesforce.base, &none, &result));
	CHECK(result.outcome == CXSIG_POISON && result.detail[0] != '\0');
	CHECK(salesforce.base.ops->refuses(&salesforce.base, &empty, &result));
	CHECK(salesforce.base.ops->refuses(&salesforce.base, &longer, &result));
	CHECK(!salesforce.base.ops->refuses(&salesforce.base, &fits, &result));
}

/* Each record has its own result, by its place. */
static void
check_rows(void)
{
	answered(N, 200, NULL,
			 "[" OK("a01") "," BAD("STRING_TOO_LONG",
								   "A__c: too long") "," BAD("UNABLE_TO_LOCK_ROW", "locked") "]");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_POISON, CXSIG_RETRY));
	CHECK_TEXT(results[0].remote_id, "a01");
	CHECK_TEXT(results[1].detail, "STRING_TOO_LONG: A__c: too long");
	CHECK(results[2].retry_after_ms == -1);

	/* a race is tried again once */
	attempts[1].attempt = 2;
	answered(N, 200, NULL,
			 "[" BAD("DUPLICATE_VALUE", "x") "," BAD("DUPLICATE_VALUE", "x") "," OK("a") "]");
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_POISON, CXSIG_DELIVERED));
	attempts[1].attempt = 1;

	/* the gravest of several errors decides */
	answered(1, 200, NULL,
			 "[{\"success\":false,\"errors\":[{\"statusCode\":\"UNABLE_TO_LOCK_ROW\"},"
			 "{\"statusCode\":\"STRING_TOO_LONG\",\"fields\":[\"A__c\"]}]}]");
	CHECK(results[0].outcome == CXSIG_POISON);
	CHECK_TEXT(results[0].detail, "STRING_TOO_LONG: [\"A__c\"]");
}

static void
check_codes(void)
{
	static const struct
	{
		const char *code;
		const char *message;
		CxsigOutcome row;
	} codes[] = {{"QUERY_TIMEOUT", "", CXSIG_RETRY},
				 {"SERVER_UNAVAILABLE", "", CXSIG_RETRY},
				 {"UNKNOWN_EXCEPTION", "", CXSIG_RETRY},
				 {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger", CXSIG_POISON},
				 {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "x: UNABLE_TO_LOCK_ROW", CXSIG_RETRY},
				 {"DUPLICATES_DETECTED", "", CXSIG_POISON},
				 {"DUPLICATE_EXTERNAL_ID", "", CXSIG_POISON},
				 {"REQUIRED_FIELD_MISSING", "", CXSIG_POISON},
				 {"INVALID_FIELD", "Foreign key external ID: 7 not found", CXSIG_POISON},
				 {"NOT_FOUND", "", CXSIG_POISON},
				 {"A_CODE_OF_TOMORROW", "", CXSIG_POISON}};

	for (int i = 0; i < (int) lengthof(codes); i++)
	{
		answered(1, 200, NULL,
				 psprintf("[{\"success\":false,\"errors\":[{\"statusCode\":\"%s\",\"message\":"
						  "\"%s\"}]}]",
						  codes[i].code, codes[i].message));
		unit_check(results[0].outcome == codes[i].row, __FILE__, __LINE__, codes[i].code);
	}
	answered(1, 200, NULL, "[" BAD("REQUEST_LIMIT_EXCEEDED", "x") "]");
	CHECK(results[0].outcome == CXSIG_RETRY && results[0].retry_after_ms == 60000);
}

/* A request that was refused as a whole. */
static void
check_whole(void)
{
	answered(N, 400, NULL, REFUSED("JSON_PARSER_ERROR", "no"));
	CHECK(crm_outcomes(results, CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT));
	CHECK_TEXT(results[2].detail, "JSON_PARSER_ERROR: no");
	answered(1, 400, NULL, REFUSED("JSON_PARSER_ERROR", "no"));
	CHECK(results[0].outcome == CXSIG_POISON);
	answered(N, 400, NULL, REFUSED("UNABLE_TO_LOCK_ROW", "no"));
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));

	/* what is wrong for all kills none */
	answered(N, 404, NULL, REFUSED("NOT_FOUND", "no S__c"));
	CHECK(crm_outcomes(results, CXSIG_UNAUTHORISED, CXSIG_UNAUTHORISED, CXSIG_UNAUTHORISED));
	CHECK(results[0].final && results[2].final);
	answered(1, 400, NULL, REFUSED("INVALID_FIELD", "No such column 'A__c'"));
	CHECK(results[0].outcome == CXSIG_UNAUTHORISED && results[0].final);
	answered(1, 302, NULL, "");
	CHECK(results[0].outcome == CXSIG_UNAUTHORISED && results[0].final);

	answered(N, 401, NULL, REFUSED("INVALID_SESSION_ID", "Session expired or invalid"));
	CHECK(results[0].outcome == CXSIG_UNAUTHORISED && !results[0].final);
	answered(N, 401, NULL,
			 REFUSED("INVALID_SESSION_ID", "This session is not valid for use with the REST API"));
	CHECK(results[1].outcome == CXSIG_UNAUTHORISED && results[1].final);
	answered(N, 403, NULL, REFUSED("REQUEST_LIMIT_EXCEEDED", "no"));
	CHECK(results[1].outcome == CXSIG_RETRY && results[1].retry_after_ms == 60000);
	answered(N, 403, NULL, REFUSED("API_DISABLED_FOR_ORG", "no"));
	CHECK(results[1].outcome == CXSIG_UNAUTHORISED && results[1].final);
	answered(N, 503, NULL, REFUSED("SERVER_UNAVAILABLE", "no"));
	CHECK(results[1].outcome == CXSIG_RETRY);
	answered(N, 500, NULL, "<html>oops</html>");
	CHECK(results[1].outcome == CXSIG_RETRY);
	CHECK_TEXT(results[1].detail, "<html>oops</html>");
}

/* Is it the record or the destination? The others of the request tell. */
static void
check_suspects(void)
{
	answered(N, 200, NULL,
			 "[" OK("a") "," BAD("INSUFFICIENT_ACCESS_OR_READONLY",
								 "x") "," BAD("INVALID_FIELD", "No such column 'A__c'") "]");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_POISON, CXSIG_POISON));
	CHECK(!results[2].final);
	answered(2, 200, NULL,
			 "[" BAD("INVALID_FIELD", "No such column 'A__c'") "," BAD(
				 "INVALID_FIELD", "No such column 'A__c'") "]");
	CHECK(results[0].outcome == CXSIG_UNAUTHORISED && results[0].final && results[1].final);
	answered(1, 200, NULL, "[" BAD("INSUFFICIENT_ACCESS_OR_READONLY", "x") "]");
	CHECK(results[0].outcome == CXSIG_RETRY);

	/* one record that may not be written beside one that is locked stops nothing */
	answered(
		2, 200, NULL,
		"[" BAD("INSUFFICIENT_ACCESS_OR_READONLY", "x") "," BAD("UNABLE_TO_LOCK_ROW", "x") "]");
	CHECK(results[0].outcome == CXSIG_RETRY && results[1].outcome == CXSIG_RETRY);
	answered(2, 200, NULL,
			 "[" BAD("INSUFFICIENT_ACCESS_OR_READONLY",
					 "x") "," BAD("INSUFFICIENT_ACCESS_OR_READONLY", "x") "]");
	CHECK(results[0].outcome == CXSIG_UNAUTHORISED && results[0].final && results[1].final);
}

static void
check_garbage(void)
{
	static const char *const bodies[] = {
		"",
		"ok",
		"null",
		"{}",
		"[]",
		"[1,2,3]",
		"[null,null,null]",
		"[[],[],[]]",
		"[{},{},{}]",
		"\xff\xfe",
		"[" OK("a") "]",
		"[" OK("a") "," OK("b") "," OK("c") "," OK("d") "]",
		"[" OK("a") "," OK("b") "," OK("c"),
		"[{\"success\":\"true\"},{\"success\":1},{\"success\":null}]"};
	CxsigResponse response;

	for (int i = 0; i < (int) lengthof(bodies); i++)
	{
		answered(N, 200, NULL, bodies[i]);
		unit_check(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY), __FILE__, __LINE__,
				   bodies[i]);
		answered(N, 400, NULL, bodies[i]);
		unit_check(crm_outcomes(results, CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT), __FILE__, __LINE__,
				   bodies[i]);
	}
	response = crm_answer(200, NULL, "[" OK("a") "," OK("b") "," OK("c") "]");
	response.body_truncated = true;
	cxsig_salesforce_read(&salesforce.base, attempts, N, &response, results);
	CHECK(crm_outcomes(results, CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT));
}

static void
check_quota(void)
{
	answered(1, 200, "Sforce-Limit-Info: api-bursts=1/750; api-usage=18/5000; x=y\n",
			 "[" OK("a") "]");
	CHECK(salesforce.base.quota.used == 18 && salesforce.base.quota.limit == 5000);
	answered(1, 200, "Sforce-Limit-Info: api-usage=-1/0; api-usage=x\n", "[" OK("a") "]");
	CHECK(salesforce.base.quota.used == 18 && salesforce.base.quota.limit == 5000);
	answered(1, 200, "Sforce-Limit-Info: per-app-api-usage=7/9(appName=a)\n", "[" OK("a") "]");
	CHECK(salesforce.base.quota.used == 18);
}

static void
check_fetch(void)
{
	CxsigAttempt odd[] = {crm_attempt("O'x\\", "{\"A__c\":1,\"Account\":{\"K__c\":\"x\"}}"),
						  crm_attempt("T-2", "{}")};
	CxsigAttempt many[300];
	CxsigRecord records[2] = {0};
	CxsigRequest request;
	CxsigResponse response;
	int n;

	CHECK(cxsig_salesforce_build_fetch(&salesforce.base, odd, 2, &request) == 2);
	CHECK_TEXT(request.url, BASE "/query?q=SELECT%20Id,Key__c,A__c,B__c%20FROM%20S__c%20WHERE%20"
								 "Key__c%20IN%20('O%5C%27x%5C%5C','T-2')");
	response = crm_answer(200, NULL,
						  "{\"done\":true,\"records\":[{\"Id\":\"a1\",\"Key__c\":\"o'X\\\\\"}]}");
	cxsig_salesforce_read_fetch(&salesforce.base, odd, 2, &response, records);
	CHECK(records[0].state == CXSIG_RECORD_DIFFERS && records[1].state == CXSIG_RECORD_MISSING);
	CHECK_TEXT(records[0].remote_id, "a1");
	CHECK(strstr(records[0].differences, "{\"field\":\"A__c\",\"expected\":1,\"actual\":null}") !=
		  NULL);
	response = crm_answer(200, NULL, "{\"done\":false,\"records\":[]}");
	cxsig_salesforce_read_fetch(&salesforce.base, odd, 2, &response, records);
	CHECK(records[1].state == CXSIG_RECORD_UNKNOWN);
	response = crm_answer(500, NULL, "x");
	cxsig_salesforce_read_fetch(&salesforce.base, odd, 2, &response, records);
	CHECK(records[0].state == CXSIG_RECORD_UNKNOWN);
	CHECK_TEXT(records[0].detail, "500: x");

	for (int i = 0; i < (int) lengthof(many); i++)
		many[i] = crm_attempt(psprintf("%0100d", i), "{}");
	n = cxsig_salesforce_build_fetch(&salesforce.base, many, lengthof(many), &request);
	CHECK(n > 100 && n < 200 && strlen(request.url) <= 12000);
}

static void
answered(int n, int status, const char *headers, const char *body)
{
	CxsigResponse response = crm_answer(status, headers, body);

	crm_clear(results, lengthof(results));
	cxsig_salesforce_read(&salesforce.base, attempts, n, &response, results);
}
