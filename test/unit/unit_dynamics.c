/*
 * unit_dynamics.c
 *	  Rows of Dataverse: what is sent, byte for byte, and what each kind of answer says of each row.
 */
#include "postgres.h"

#include "crm.h"
#include "transport/dynamics.h"
#include "unit.h"

#define N 3
#define BATCH_TYPE "Content-Type: multipart/mixed; boundary=r\n"
#define PART "--r\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
#define GUID "0a0b0c0d-1111-2222-3333-444455556666"
#define GOOD                                                                              \
	PART "HTTP/1.1 204 No Content\r\nOData-EntityId: https://x/api/data/v9.2/cx_ts(" GUID \
		 ")\r\n\r\n\r\n"

static CxsigDynamics dynamics = {.api = "https://x/api/data/v9.2", .entity_set = "cx_ts"};
static CxsigAttempt attempts[N];
static CxsigResult results[N];

static void check_ids(void);
static void check_one(void);
static void check_batch(void);
static void check_taken(void);
static void check_status(void);
static void check_parts(void);
static void check_bad_parts(void);
static void check_fetch(void);
static int build(int n, int max_bytes, CxsigRequest *request);
static void answered(int n, int status, const char *headers, const char *body);

void
unit_dynamics(void)
{
	dynamics.base.ops = NULL;
	dynamics.id.field = "cx_key";
	attempts[0] = crm_attempt("T-1", "{\"cx_a\":1}");
	attempts[1] = crm_attempt("T-2", "{\"cx_a\":null}");
	attempts[2] = crm_attempt("t-1", "{\"cx_a\":3,\"cx_b@odata.bind\":\"/accounts(1)\"}");
	check_ids();
	check_one();
	check_batch();
	check_taken();
	check_status();
	check_parts();
	check_bad_parts();
	check_fetch();
}

/* What no URL can carry is refused with its reason, and is nothing to others. */
static void
check_ids(void)
{
	static const char bad[] = "/<>*%&:\\?+\x01\x7f";
	const char *why;

	for (const char *at = bad; *at != '\0'; at++)
	{
		CHECK(cxsig_dynamics_id(&dynamics, crm_event(psprintf("a%cb", *at), "{}"), &why) == NULL);
		CHECK(strstr(why, "cannot have") != NULL && strstr(why, psprintf("a%cb", *at)) != NULL);
	}
	CHECK(cxsig_dynamics_id(&dynamics, crm_event(NULL, "{}"), &why) == NULL);
	CHECK_TEXT(why, "external_id finds nothing in the event");
	CHECK(cxsig_dynamics_id(&dynamics, crm_event("", "{}"), &why) == NULL);
	CHECK(cxsig_dynamics_check_key(psprintf("%0450d", 1)) == NULL);
	CHECK(cxsig_dynamics_check_key(psprintf("%0451d", 1)) != NULL);
	CHECK_TEXT(cxsig_dynamics_id(&dynamics, crm_event("O'Hara #1 \xc3\xa4", "{}"), &why),
			   "O'Hara #1 \xc3\xa4");
}

static void
check_one(void)
{
	CxsigAttempt odd = crm_attempt("O'Hara #1 \xc3\xa4", "{\"cx_a\":\"x\"}");
	CxsigRequest request;

	CHECK(build(1, 1, &request) == 1);
	CHECK_TEXT(request.method, "PATCH");
	CHECK_TEXT(request.url, "https://x/api/data/v9.2/cx_ts(cx_key='T-1')");
	CHECK_TEXT(request.body.data, "{\"cx_a\":1}");
	CHECK(crm_header(&request, "Authorization") == NULL); /* for want of a credential */
	CHECK_TEXT(crm_header(&request, "Content-Type"), "application/json");
	CHECK_TEXT(crm_header(&request, "OData-Version"), "4.0");
	CHECK_TEXT(crm_header(&request, "OData-MaxVersion"), "4.0");
	CHECK(crm_header(&request, "If-Match") == NULL && crm_header(&request, "Prefer") == NULL);

	dynamics.n_keys = 2;
	dynamics.keys[0] = (CxsigDynamicsKey){"cx_source", "'c''x'"};
	dynamics.keys[1] = (CxsigDynamicsKey){"cx_n", "7"};
	cxsig_dynamics_build(&dynamics.base, &odd, 1, 1000000, &request);
	CHECK_TEXT(request.url, "https://x/api/data/v9.2/"
							"cx_ts(cx_key='O%27%27Hara%20%231%20%C3%A4',cx_source='c''x',cx_n=7)");
	dynamics.n_keys = 0;
}

static void
check_batch(void)
{
	CxsigRequest request;
	CxsigRequest again;
	const char *boundary;
	char *expected;

	CHECK(build(2, 1000000, &request) == 2);
	CHECK_TEXT(request.method, "POST");
	CHECK_TEXT(request.url, "https://x/api/data/v9.2/$batch");
	CHECK_TEXT(crm_header(&request, "Prefer"), "odata.continue-on-error");
	boundary = strstr(crm_header(&request, "Content-Type"), "batch_");
	CHECK_TEXT(crm_header(&request, "Content-Type"),
			   psprintf("multipart/mixed; boundary=%s", boundary));
	CHECK(strlen(boundary) == 42);
	expected = psprintf("--%s\r\nContent-Type: application/http\r\n"
						"Content-Transfer-Encoding: binary\r\n\r\n"
						"PATCH https://x/api/data/v9.2/cx_ts(cx_key='T-1') HTTP/1.1\r\n"
						"Content-Type: application/json\r\n\r\n{\"cx_a\":1}\r\n"
						"--%s\r\nContent-Type: application/http\r\n"
						"Content-Transfer-Encoding: binary\r\n\r\n"
						"PATCH https://x/api/data/v9.2/cx_ts(cx_key='T-2') HTTP/1.1\r\n"
						"Content-Type: application/json\r\n\r\n{\"cx_a\":null}\r\n--%s--\r\n",
						boundary, boundary, boundary);
	CHECK_TEXT(request.body.data, expected);

	/* the same at another attempt, and another for other events */
	attempts[0].attempt = 5;
	CHECK(build(2, 1000000, &again) == 2);
	CHECK_TEXT(again.body.data, request.body.data);
	attempts[0].attempt = 1;
	CHECK(cxsig_dynamics_build(&dynamics.base, attempts + 1, 2, 1000000, &again) == 2);
	CHECK(strstr(again.body.data, boundary) == NULL);
}

static void
check_taken(void)
{
	CxsigRequest request;
	int len;

	/* t-1 is T-1 to the database: it has to wait for it */
	CHECK(build(3, 1000000, &request) == 2);
	len = request.body.len;
	CHECK(build(3, len, &request) == 2 && request.body.len == len);
	CHECK(build(3, len - 1, &request) == 1);
	CHECK_TEXT(request.method, "PATCH");
}

static void
check_status(void)
{
	static const struct
	{
		int status;
		CxsigOutcome one;
		CxsigOutcome many;
	} cases[] = {{204, CXSIG_DELIVERED, CXSIG_RETRY},
				 {200, CXSIG_DELIVERED, CXSIG_RETRY},
				 {201, CXSIG_DELIVERED, CXSIG_RETRY},
				 {400, CXSIG_POISON, CXSIG_SPLIT},
				 {404, CXSIG_POISON, CXSIG_SPLIT},
				 {413, CXSIG_POISON, CXSIG_SPLIT},
				 {401, CXSIG_UNAUTHORISED, CXSIG_UNAUTHORISED},
				 {403, CXSIG_UNAUTHORISED, CXSIG_UNAUTHORISED},
				 {409, CXSIG_RETRY, CXSIG_RETRY},
				 {412, CXSIG_RETRY, CXSIG_RETRY},
				 {429, CXSIG_RETRY, CXSIG_RETRY},
				 {503, CXSIG_RETRY, CXSIG_RETRY},
				 {0, CXSIG_RETRY, CXSIG_RETRY}};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		answered(1, cases[i].status, "", "");
		unit_check(results[0].outcome == cases[i].one, __FILE__, cases[i].status, "one");
		unit_check(results[0].final == (cases[i].status == 403), __FILE__, cases[i].status,
				   "final");
		answered(N, cases[i].status, "", "");
		unit_check(crm_outcomes(results, cases[i].many, cases[i].many, cases[i].many), __FILE__,
				   cases[i].status, "many");
	}
	answered(1, 204, "OData-EntityId: https://x/api/data/v9.2/cx_ts(" GUID ")\n", "");
	CHECK_TEXT(results[0].remote_id, GUID);
	answered(1, 204, "OData-EntityId: https://x/cx_ts(cx_tid=" GUID ")\n", "");
	CHECK_TEXT(results[0].remote_id, GUID);
	answered(1, 204, "OData-EntityId: https://x/cx_ts(cx_key='T-1')\n", "");
	CHECK_TEXT(results[0].remote_id, "cx_key='T-1'");
	answered(1, 204, "OData-EntityId: nothing\n", "");
	CHECK_TEXT(results[0].remote_id, "");
	answered(1, 400, "", "{\"error\":{\"code\":\"0x80048408\",\"message\":\"No such column\"}}");
	CHECK_TEXT(results[0].detail, "0x80048408: No such column");
	answered(1, 400, "", "<html>\nno");
	CHECK_TEXT(results[0].detail, "<html>");

	/* somebody made the row at the same time: once more, and no oftener */
	attempts[0].attempt = 2;
	answered(1, 412, "", "");
	CHECK(results[0].outcome == CXSIG_POISON);
	attempts[0].attempt = 1;
}

static void
check_parts(void)
{
	answered(N, 200, BATCH_TYPE,
			 GOOD PART "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n"
					   "{\"error\":{\"code\":\"0x1\",\"message\":\"bad\"}}\r\n" PART
					   "HTTP/1.1 429 Too Many\r\nRetry-After: 9\r\n\r\n\r\n--r--\r\n");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_POISON, CXSIG_RETRY));
	CHECK_TEXT(results[0].remote_id, GUID);
	CHECK_TEXT(results[1].detail, "0x1: bad");
	CHECK(results[1].status == 400 && results[1].retry_after_ms == -1);
	CHECK(results[2].status == 429 && results[2].retry_after_ms == 9000);
	CHECK_TEXT(results[2].detail, "HTTP status 429 without a word");

	/* one that says its place has it */
	answered(N, 200, BATCH_TYPE,
			 "--r\r\nContent-ID: 3\r\nContent-Type: application/http\r\n\r\n"
			 "HTTP/1.1 404 Not Found\r\n\r\n\r\n--r\r\nContent-ID: 2\r\n"
			 "Content-Type: application/http\r\n\r\nHTTP/1.1 204 No\r\n\r\n\r\n"
			 "--r\r\nContent-ID: 1\r\nContent-Type: application/http\r\n\r\n"
			 "HTTP/1.1 204 No\r\n\r\n\r\n--r--");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_POISON));

	/* a refusal with parts: what came before it was done */
	answered(N, 400, BATCH_TYPE, GOOD PART "HTTP/1.1 400 Bad\r\n\r\n{}\r\n--r--");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_POISON, CXSIG_RETRY));
	CHECK_TEXT(results[2].detail, "the answer has no part for this event");
	answered(N, 200, BATCH_TYPE, GOOD PART "HTTP/1.1 403 Forbidden\r\n\r\n\r\n" GOOD "--r--");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_POISON, CXSIG_DELIVERED) &&
		  !results[1].final);
	answered(N, 200, BATCH_TYPE, GOOD PART "HTTP/1.1 401 No\r\n\r\n\r\n" GOOD "--r--");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_RETRY, CXSIG_DELIVERED));
	answered(N, 200, BATCH_TYPE,
			 PART "HTTP/1.1 403 Forbidden\r\n\r\n\r\n" PART
				  "HTTP/1.1 403 Forbidden\r\n\r\n\r\n" PART
				  "HTTP/1.1 403 Forbidden\r\n\r\n\r\n--r--");
	CHECK(crm_outcomes(results, CXSIG_UNAUTHORISED, CXSIG_UNAUTHORISED, CXSIG_UNAUTHORISED) &&
		  results[1].final);
	attempts[1].attempt = 2;
	answered(N, 200, BATCH_TYPE,
			 PART "HTTP/1.1 412 No\r\n\r\n\r\n" PART "HTTP/1.1 412 No\r\n\r\n\r\n" GOOD "--r--");
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_POISON, CXSIG_DELIVERED));
	attempts[1].attempt = 1;
}

/* What is missing, cut off or garbage is sent again; nothing is taken for a success, none dies of it. */
static void
check_bad_parts(void)
{
	answered(N, 200, BATCH_TYPE, GOOD PART "garbage\r\n" GOOD "--r--");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_RETRY, CXSIG_DELIVERED));
	answered(N, 200, BATCH_TYPE, GOOD GOOD PART "HTTP/1.1 204 No Con");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_RETRY));
	answered(N, 200, BATCH_TYPE, GOOD GOOD GOOD GOOD GOOD "--r--");
	CHECK(crm_outcomes(results, CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_DELIVERED));
	answered(N, 200, BATCH_TYPE, "--r--");
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
	answered(N, 200, BATCH_TYPE, "[]");
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
	CHECK_TEXT(results[0].detail, "HTTP status 200, but the answer has no parts");
	answered(N, 200, "", GOOD GOOD GOOD "--r--");
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
	answered(N, 200, BATCH_TYPE,
			 "--r\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n"
			 "Content-Type: application/http\r\n\r\nHTTP/1.1 204 No\r\n\r\n\r\n--c--\r\n--r--");
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
	answered(N, 503, BATCH_TYPE, GOOD GOOD GOOD "--r--");
	CHECK(crm_outcomes(results, CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
}

static void
check_fetch(void)
{
	CxsigRecord records[N] = {0};
	CxsigRequest request;
	CxsigResponse response;

	dynamics.n_keys = 1;
	CHECK(cxsig_dynamics_build_fetch(&dynamics.base, attempts, N, &request) == N);
	CHECK_TEXT(request.method, "GET");
	CHECK_TEXT(request.url,
			   "https://x/api/data/v9.2/cx_ts?$select=cx_key,cx_a&$filter=cx_source%20eq%20'c''x'"
			   "%20and%20(cx_key%20eq%20'T-1'%20or%20cx_key%20eq%20'T-2'%20or%20"
			   "cx_key%20eq%20't-1')");
	dynamics.n_keys = 0;
	attempts[2] = crm_attempt("T-3", "{\"cx_a\":3}");
	response = crm_answer(200, "",
						  "{\"value\":[{\"cx_key\":\"t-2\",\"cx_tid\":\"" GUID
						  "\",\"cx_a\":2},{\"cx_a\":1,\"cx_key\":\"T-1\"}]}");
	cxsig_dynamics_read_fetch(&dynamics.base, attempts, N, &response, records);
	CHECK(records[0].state == CXSIG_RECORD_EQUAL);
	CHECK(records[1].state == CXSIG_RECORD_DIFFERS);
	CHECK_TEXT(records[1].remote_id, GUID);
	CHECK(records[2].state == CXSIG_RECORD_MISSING);

	memset(records, 0, sizeof(records));
	response = crm_answer(200, "", "{\"value\":[],\"@odata.nextLink\":\"https://x/more\"}");
	cxsig_dynamics_read_fetch(&dynamics.base, attempts, N, &response, records);
	CHECK(records[0].state == CXSIG_RECORD_UNKNOWN);
	response = crm_answer(400, "", "{\"error\":{\"code\":\"0x1\",\"message\":\"bad\"}}");
	cxsig_dynamics_read_fetch(&dynamics.base, attempts, N, &response, records);
	CHECK(records[2].state == CXSIG_RECORD_UNKNOWN);
	CHECK_TEXT(records[2].detail, "400: 0x1: bad");
	response = crm_answer(200, "", "{\"value\":{}}");
	cxsig_dynamics_read_fetch(&dynamics.base, attempts, N, &response, records);
	CHECK_TEXT(records[0].detail, "the answer has no list of rows");
}

static int
build(int n, int max_bytes, CxsigRequest *request)
{
	memset(request, 0, sizeof(*request));
	return cxsig_dynamics_build(&dynamics.base, attempts, n, max_bytes, request);
}

static void
answered(int n, int status, const char *headers, const char *body)
{
	CxsigResponse response = crm_answer(status, headers, body);

	crm_clear(results, lengthof(results));
	cxsig_dynamics_read(&dynamics.base, attempts, n, &response, results);
}
