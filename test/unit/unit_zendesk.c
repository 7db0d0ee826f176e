/*
 * unit_zendesk.c
 *	  Requests to Zendesk, byte for byte: lists, changes for several tickets alike, single tickets,
 *	  users and organizations, and what is read back.
 */
#include "postgres.h"

#include "crm.h"
#include "transport/zendesk.h"
#include "transport/zendesk_ticket.h"
#include "unit.h"

#define N 4

static CxsigZendesk zendesk = {.url = "https://x.zendesk.com", .most = 100};
static CxsigAttempt attempts[N];
static CxsigRequest request;

static void check_ids(void);
static void check_tickets(void);
static void check_taken(void);
static void check_alike(void);
static void check_single(void);
static void check_people(void);
static void check_tags(void);
static void check_merge(void);
static void check_fetch_requests(void);
static void check_fetch(void);
static void check_fetch_refused(void);
static int build(CxsigZendeskWay way, int n, int max_bytes);
static const char *merged(const char *record, const char *there);

void
unit_zendesk(void)
{
	attempts[0] = crm_attempt("101", "{\"custom_fields\":{\"360001\":\"a\",\"360002\":null}}");
	attempts[1] = crm_attempt("102", "{\"priority\":\"high\",\"custom_fields\":{}}");
	attempts[2] = crm_attempt("103", "{}");
	attempts[3] = crm_attempt("101", "{\"priority\":\"low\"}");
	check_ids();
	check_tickets();
	check_taken();
	check_alike();
	check_single();
	check_people();
	check_tags();
	check_merge();
	check_fetch_requests();
	check_fetch();
	check_fetch_refused();
}

static void
check_ids(void)
{
	static const char *const bad[] = {"T-1",	"1a",	   " 1",  "0",	 "017",
									  "-1",		"1.5",	   "1e3", "1,2", "1234567890123456789",
									  "1/../2", "\xd9\xa1"};
	const char *why;

	zendesk.way = CXSIG_ZENDESK_TICKETS;
	for (int i = 0; i < (int) lengthof(bad); i++)
	{
		unit_check(cxsig_zendesk_id(&zendesk, crm_event(bad[i], "{}"), &why) == NULL, __FILE__, i,
				   bad[i]);
		CHECK(strstr(why, bad[i]) != NULL && strstr(why, "no id of a ticket") != NULL);
	}
	CHECK(cxsig_zendesk_id(&zendesk, crm_event(NULL, "{}"), &why) == NULL);
	CHECK_TEXT(why, "external_id finds nothing in the event");
	CHECK_TEXT(cxsig_zendesk_id(&zendesk, crm_event("123456789012345678", "{}"), &why),
			   "123456789012345678");
	zendesk.way = CXSIG_ZENDESK_USERS;
	CHECK_TEXT(cxsig_zendesk_id(&zendesk, crm_event("T-1", "{}"), &why), "T-1");
	CHECK(cxsig_zendesk_id(&zendesk, crm_event("", "{}"), &why) == NULL);
}

static void
check_tickets(void)
{
	CHECK(build(CXSIG_ZENDESK_TICKETS, 3, 1000000) == 3);
	CHECK_TEXT(request.method, "PUT");
	CHECK_TEXT(request.url, "https://x.zendesk.com/api/v2/tickets/update_many.json");
	CHECK(crm_header(&request, "Authorization") == NULL); /* for want of a credential */
	CHECK_TEXT(crm_header(&request, "Content-Type"), "application/json");
	CHECK_TEXT(request.body.data,
			   "{\"tickets\":[{\"id\":101,\"custom_fields\":[{\"id\":360001,\"value\":\"a\"},"
			   "{\"id\":360002,\"value\":null}]},{\"id\":102,\"priority\":\"high\","
			   "\"custom_fields\":[]},{\"id\":103}]}");
}

/* A ticket comes once in a request; a body is no longer than allowed, and one always goes. */
static void
check_taken(void)
{
	int sizes[4];

	CHECK(build(CXSIG_ZENDESK_TICKETS, N, 1000000) == 3);
	for (int n = 1; n <= 3; n++)
	{
		build(CXSIG_ZENDESK_TICKETS, n, 1000000);
		sizes[n] = request.body.len;
	}
	for (int n = 1; n <= 3; n++)
	{
		CHECK(build(CXSIG_ZENDESK_TICKETS, 3, sizes[n]) == n && request.body.len == sizes[n]);
		CHECK(build(CXSIG_ZENDESK_TICKETS, 3, sizes[n] - 1) == Max(n - 1, 1));
	}
}

static void
check_alike(void)
{
	CxsigAttempt alike[N];

	for (int i = 0; i < N; i++)
		alike[i] = crm_attempt(i == 0 ? "7" : psprintf("%d", 7 + i % 3),
							   "{\"priority\":\"high\",\"tags\":{\"add\":[\"a\"],"
							   "\"remove\":[\"b\"]}}");
	zendesk.way = CXSIG_ZENDESK_ALIKE;
	CHECK(cxsig_zendesk_build(&zendesk.base, alike, N, 1000000, &request) == 3);
	CHECK_TEXT(request.method, "PUT");
	CHECK_TEXT(request.url, "https://x.zendesk.com/api/v2/tickets/update_many.json?ids=7,8,9");
	CHECK_TEXT(request.body.data, "{\"ticket\":{\"priority\":\"high\",\"additional_tags\":[\"a\"],"
								  "\"remove_tags\":[\"b\"]}}");
	zendesk.most = 1;
	CHECK(cxsig_zendesk_build(&zendesk.base, alike, N, 1000000, &request) == 1);
	CHECK(strstr(request.url, "ids=7") != NULL && strstr(request.url, ",") == NULL);
	zendesk.most = 100;
	alike[1] = crm_attempt("8", "{\"tags\":{\"add\":[\"a\"]}}");
	CHECK(cxsig_zendesk_build(&zendesk.base, alike, N, 1000000, &request) == 1);
	CHECK(cxsig_zendesk_build(&zendesk.base, alike + 1, N - 1, 1000000, &request) == 1);
	CHECK_TEXT(request.body.data, "{\"ticket\":{\"additional_tags\":[\"a\"]}}");
	alike[0] = crm_attempt("8", "{\"tags\":{\"add\":[null]}}");
	CHECK(cxsig_zendesk_build(&zendesk.base, alike, 1, 1000000, &request) == 1);
	CHECK_TEXT(request.body.data, "{\"ticket\":{}}");
}

static void
check_single(void)
{
	CxsigResponse ticket = crm_answer(200, "",
									  "{\"ticket\":{\"id\":101,\"tags\":[\"vip\"],\"updated_at\":"
									  "\"2026-11-24T05:00:00Z\"}}");
	CxsigJsonSpan found;
	CxsigEvent *tagged = crm_event("101", "{\"priority\":\"low\",\"tags\":{\"add\":[\"a\"]}}");

	CHECK(build(CXSIG_ZENDESK_ONE, 1, 1) == 1);
	CHECK_TEXT(request.url, "https://x.zendesk.com/api/v2/tickets/101.json");
	CHECK_TEXT(request.method, "PUT");
	CHECK_TEXT(request.body.data, "{\"ticket\":{\"custom_fields\":[{\"id\":360001,\"value\":\"a\"},"
								  "{\"id\":360002,\"value\":null}]}}");

	CHECK(build(CXSIG_ZENDESK_SAFE, 1, 1) == 1);
	CHECK_TEXT(request.url, "https://x.zendesk.com/api/v2/tickets/101.json");
	CHECK_TEXT(request.method, "GET");
	CHECK(request.body.len == 0);
	found = cxsig_zendesk_read_record(&zendesk, "101", &ticket);
	CHECK(found.start != NULL);
	cxsig_zendesk_build_put(&zendesk, tagged, found, &request);
	CHECK_TEXT(request.method, "PUT");
	CHECK_TEXT(request.body.data,
			   "{\"ticket\":{\"priority\":\"low\",\"tags\":[\"vip\",\"a\"],\"updated_stamp\":"
			   "\"2026-11-24T05:00:00Z\",\"safe_update\":true}}");
	/* no tags in the mapping, none in the request */
	cxsig_zendesk_build_put(&zendesk, attempts[2].event, found, &request);
	CHECK_TEXT(request.body.data, "{\"ticket\":{\"updated_stamp\":\"2026-11-24T05:00:00Z\","
								  "\"safe_update\":true}}");
}

static void
check_people(void)
{
	CxsigAttempt people[2] = {crm_attempt("A \"1\"", "{\"user_fields\":{\"churn\":\"high\"}}"),
							  crm_attempt("A-2", "{}")};

	zendesk.way = CXSIG_ZENDESK_USERS;
	CHECK(cxsig_zendesk_build(&zendesk.base, people, 2, 1000000, &request) == 2);
	CHECK_TEXT(request.method, "POST");
	CHECK_TEXT(request.url, "https://x.zendesk.com/api/v2/users/create_or_update_many.json");
	CHECK_TEXT(request.body.data, "{\"users\":[{\"external_id\":\"A \\\"1\\\"\",\"user_fields\":"
								  "{\"churn\":\"high\"}},{\"external_id\":\"A-2\"}]}");
	zendesk.way = CXSIG_ZENDESK_ORGANIZATION;
	CHECK(cxsig_zendesk_build(&zendesk.base, people, 2, 1000000, &request) == 1);
	CHECK_TEXT(request.method, "POST");
	CHECK_TEXT(request.url, "https://x.zendesk.com/api/v2/organizations/create_or_update.json");
	CHECK_TEXT(request.body.data, "{\"organization\":{\"external_id\":\"A \\\"1\\\"\","
								  "\"user_fields\":{\"churn\":\"high\"}}}");
}

static void
check_tags(void)
{
	CxsigZendeskTags tags = cxsig_zendesk_tags_read(
		"{\"tags\":{\"add\":[\"Churn High\",null,\"\",[\"x\",\"x\",[[\"deep\"]]],7,{\"a\":1}],"
		"\"remove\":[\"x\",\"y\",\"churn_high\",\"y\"]}}");

	CHECK(tags.n_add == 3 && tags.n_remove == 1);
	CHECK_TEXT(tags.add[0], "churn_high");
	CHECK_TEXT(tags.add[1], "x");
	CHECK_TEXT(tags.add[2], "7");
	CHECK_TEXT(tags.remove[0], "y");
	tags = cxsig_zendesk_tags_read("{\"tags\":{\"add\":\"one\",\"remove\":null}}");
	CHECK(tags.n_add == 1 && tags.n_remove == 0);
	tags = cxsig_zendesk_tags_read("{\"tags\":[\"all\"]}");
	CHECK(tags.n_add == 0 && tags.n_remove == 0);
	tags = cxsig_zendesk_tags_read("{\"a\":1}");
	CHECK(tags.n_add == 0 && tags.n_remove == 0);
}

/* Whatever is there and not ours stays, in its order. */
static void
check_merge(void)
{
	CHECK_TEXT(merged("{\"tags\":{\"add\":[\"a\",\"b\"],\"remove\":[\"c\"]}}",
					  "[\"vip\",\"c\",\"b\",\"VIP \\u00e4\"]"),
			   ",\"tags\":[\"vip\",\"b\",\"VIP \xc3\xa4\",\"a\"]");
	CHECK_TEXT(merged("{\"tags\":{\"remove\":[\"c\"]}}", "[\"c\"]"), ",\"tags\":[]");
	CHECK_TEXT(merged("{\"tags\":{\"add\":[\"c\"]}}", "[]"), ",\"tags\":[\"c\"]");
	CHECK_TEXT(merged("{\"tags\":{}}", "[1,null,\"a\"]"), ",\"tags\":[\"a\"]");
}

static void
check_fetch_requests(void)
{
	CxsigAttempt many[60];

	zendesk.way = CXSIG_ZENDESK_SAFE;
	CHECK(cxsig_zendesk_build_fetch(&zendesk.base, attempts, 3, &request) == 3);
	CHECK_TEXT(request.method, "GET");
	CHECK_TEXT(request.url, "https://x.zendesk.com/api/v2/tickets/show_many.json?ids=101,102,103");
	zendesk.way = CXSIG_ZENDESK_USERS;
	many[0] = crm_attempt("A &1", "{}");
	many[1] = crm_attempt("\xc3\xa4", "{}");
	CHECK(cxsig_zendesk_build_fetch(&zendesk.base, many, 2, &request) == 2);
	CHECK_TEXT(request.url, "https://x.zendesk.com/api/v2/users/show_many.json?external_ids="
							"A%20%261,%C3%A4");
	for (int i = 0; i < 60; i++)
		many[i] = crm_attempt(psprintf("%0100d", i), "{}");
	CHECK(cxsig_zendesk_build_fetch(&zendesk.base, many, 60, &request) == 19);
	CHECK(strlen(request.url) <= 2000);
	for (int i = 0; i < 60; i++)
		many[i] = crm_attempt(psprintf("%d", i + 1), "{}");
	zendesk.way = CXSIG_ZENDESK_TICKETS;
	CHECK(cxsig_zendesk_build_fetch(&zendesk.base, many, 60, &request) == 25);
	zendesk.way = CXSIG_ZENDESK_ORGANIZATION;
	CHECK(cxsig_zendesk_build_fetch(&zendesk.base, many, 60, &request) == 50);
	CHECK(strstr(request.url, "/api/v2/organizations/show_many.json?external_ids=1,2,") != NULL);
}

static void
check_fetch(void)
{
	CxsigAttempt wanted[3] = {
		crm_attempt("1", "{\"priority\":\"high\",\"custom_fields\":{\"360001\":\"a\"},"
						 "\"tags\":{\"add\":[\"x\"],\"remove\":[\"y\"]}}"),
		crm_attempt("2", "{\"custom_fields\":{\"360001\":\"a\"}}"), crm_attempt("3", "{}")};
	CxsigRecord records[3] = {0};
	CxsigResponse response;

	zendesk.way = CXSIG_ZENDESK_TICKETS;
	response = crm_answer(
		200, "",
		"{\"tickets\":[{\"id\":2,\"custom_fields\":[{\"id\":360001,\"value\":\"a\"}]},"
		"{\"id\":1,\"priority\":\"low\",\"via\":{\"channel\":\"web\"},\"tags\":[\"vip\",\"y\"],"
		"\"custom_fields\":[{\"id\":360001,\"value\":null},{\"id\":\"x\\\"\",\"value\":1},7]}]}");
	cxsig_zendesk_read_fetch(&zendesk.base, wanted, 3, &response, records);
	CHECK(records[0].state == CXSIG_RECORD_DIFFERS);
	CHECK_TEXT(records[0].remote_id, "1");
	CHECK_TEXT(records[0].differences,
			   "[{\"field\":\"priority\",\"expected\":\"high\",\"actual\":\"low\"},"
			   "{\"field\":\"custom_fields.360001\",\"expected\":\"a\",\"actual\":null},"
			   "{\"field\":\"tags.x\",\"expected\":true,\"actual\":null},"
			   "{\"field\":\"tags.y\",\"expected\":null,\"actual\":true}]");
	CHECK_TEXT(records[1].remote_id, "2");
	CHECK(records[2].state == CXSIG_RECORD_MISSING);

	zendesk.way = CXSIG_ZENDESK_USERS;
	memset(records, 0, sizeof(records));
	wanted[0] = crm_attempt("A-1", "{\"user_fields\":{\"churn\":\"high\"}}");
	wanted[1] = crm_attempt("A,2", "{}");
	response = crm_answer(200, "",
						  "{\"users\":[{\"external_id\":\"A-1\",\"user_fields\":{\"churn\":"
						  "\"low\"}}]}");
	cxsig_zendesk_read_fetch(&zendesk.base, wanted, 2, &response, records);
	CHECK_TEXT(records[0].differences,
			   "[{\"field\":\"user_fields.churn\",\"expected\":\"high\",\"actual\":\"low\"}]");
	CHECK(records[1].state == CXSIG_RECORD_UNKNOWN);
}

static void
check_fetch_refused(void)
{
	static const char *const bad[] = {
		"", "no", "[]", "{\"tickets\":{}}", "{\"users\":[]}", "{\"tickets\":[{]}"};
	CxsigAttempt wanted = crm_attempt("1", "{}");
	CxsigRecord record = {0};
	CxsigResponse response;

	zendesk.way = CXSIG_ZENDESK_TICKETS;
	for (int i = 0; i < (int) lengthof(bad); i++)
	{
		response = crm_answer(200, "", bad[i]);
		cxsig_zendesk_read_fetch(&zendesk.base, &wanted, 1, &response, &record);
		unit_check(record.state == CXSIG_RECORD_UNKNOWN, __FILE__, i, bad[i]);
		CHECK_TEXT(record.detail, "the answer has no list of records");
	}
	response = crm_answer(200, "", "{\"tickets\":[]}");
	response.body_truncated = true;
	cxsig_zendesk_read_fetch(&zendesk.base, &wanted, 1, &response, &record);
	CHECK_TEXT(record.detail, "the answer is too long to read");
	response = crm_answer(401, "", "{\"error\":\"invalid_token\"}");
	cxsig_zendesk_read_fetch(&zendesk.base, &wanted, 1, &response, &record);
	CHECK_TEXT(record.detail, "401: invalid_token");
	CHECK(record.state == CXSIG_RECORD_UNKNOWN);
	response = crm_answer(200, "", "{\"tickets\":[]}");
	cxsig_zendesk_read_fetch(&zendesk.base, &wanted, 1, &response, &record);
	CHECK(record.state == CXSIG_RECORD_MISSING);
}

static int
build(CxsigZendeskWay way, int n, int max_bytes)
{
	zendesk.way = way;
	memset(&request, 0, sizeof(request));
	return cxsig_zendesk_build(&zendesk.base, attempts, n, max_bytes, &request);
}

static const char *
merged(const char *record, const char *there)
{
	CxsigZendeskTags tags = cxsig_zendesk_tags_read(record);
	StringInfoData out;

	initStringInfo(&out);
	cxsig_zendesk_append_merged(&out, &tags, there);
	return out.data;
}
