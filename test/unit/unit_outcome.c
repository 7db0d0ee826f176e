/*
 * unit_outcome.c
 *	  Answers into outcomes, and what people are shown of them; attributes into headers.
 */
#include "postgres.h"

#include "transport/cloudevent.h"
#include "transport/outcome.h"
#include "unit.h"

static void check_statuses(void);
static void check_results(void);
static void check_lines(void);
static void check_cloudevent(void);
static const char *location_header(const CxsigResponse *response, const char *name);
static const char *line(const char *text, size_t size);

void
unit_outcome(void)
{
	check_statuses();
	check_results();
	check_lines();
	check_cloudevent();
}

static void
check_statuses(void)
{
	static const int retried[] = {0, 408, 423, 425, 429, 500, 502, 503, 504, 599, 600};
	static const int poison[] = {300, 301, 302, 304, 307, 400, 402, 404, 405, 409, 413, 422, 499};

	for (int status = 200; status < 300; status++)
		unit_check(cxsig_outcome_of_status(status) == CXSIG_DELIVERED, __FILE__, status, "2xx");
	for (int i = 0; i < (int) lengthof(retried); i++)
		unit_check(cxsig_outcome_of_status(retried[i]) == CXSIG_RETRY, __FILE__, retried[i],
				   "retried");
	for (int i = 0; i < (int) lengthof(poison); i++)
		unit_check(cxsig_outcome_of_status(poison[i]) == CXSIG_POISON, __FILE__, poison[i],
				   "poison");
	CHECK(cxsig_outcome_of_status(401) == CXSIG_UNAUTHORISED);
	CHECK(cxsig_outcome_of_status(403) == CXSIG_UNAUTHORISED);
	CHECK(cxsig_outcome_of_status(410) == CXSIG_GONE);
}

static void
check_results(void)
{
	CxsigResponse response = {.header = location_header, .body = "", .error = ""};
	CxsigResult result;

	response.status = 200;
	response.body = "all is well";
	response.body_len = 11;
	response.retry_after_ms = 5000;
	cxsig_outcome_read(&response, &result);
	CHECK(result.outcome == CXSIG_DELIVERED && result.status == 200);
	CHECK(result.retry_after_ms == -1);
	CHECK_TEXT(result.remote_id, "req-7");
	CHECK_TEXT(result.detail, "");

	response.status = 503;
	cxsig_outcome_read(&response, &result);
	CHECK(result.outcome == CXSIG_RETRY && result.retry_after_ms == 5000);
	CHECK_TEXT(result.detail, "all is well");

	response.status = 302;
	cxsig_outcome_read(&response, &result);
	CHECK(result.outcome == CXSIG_POISON);
	CHECK_TEXT(result.detail, "redirects are not followed; this one leads to http://10.0.0.1/");

	response.status = 422;
	response.body_len = 0;
	cxsig_outcome_read(&response, &result);
	CHECK_TEXT(result.detail, "HTTP status 422 without a word");

	response.status = 0;
	response.error = "could not connect: no";
	response.retry_after_ms = -1;
	cxsig_outcome_read(&response, &result);
	CHECK(result.outcome == CXSIG_RETRY && result.status == 0);
	CHECK_TEXT(result.remote_id, "");
	CHECK_TEXT(result.detail, "could not connect: no");
}

static void
check_lines(void)
{
	CHECK_TEXT(line("one\ntwo", 100), "one");
	CHECK_TEXT(line("\r\n\t  one \r\ntwo", 100), "one");
	CHECK_TEXT(line("a\tb\001c\177d", 100), "a b c d");
	CHECK_TEXT(line("abcdef", 4), "abc");
	CHECK_TEXT(line("", 4), "");
	CHECK_TEXT(line("\n \n", 4), "");
	CHECK_TEXT(line("gr\xc3\xbc\xc3\x9f", 100), "gr\xc3\xbc\xc3\x9f");
	CHECK_TEXT(line("gr\xc3\xbc\xc3\x9f", 6), "gr\xc3\xbc"); /* not half a character */
	CHECK_TEXT(line("\xff\xfe x \xc3", 100), "?? x ?");
	CHECK_TEXT(line("\xed\xa0\x80", 100), "???"); /* a surrogate */
}

static void
check_cloudevent(void)
{
	CxsigCloudEvent event = {.id = "e1", .source = "/cxsig/z", .type = "cx.signal.created"};
	CxsigHeader headers[CXSIG_CLOUDEVENT_HEADERS];
	StringInfoData out;
	int n;

	event.time = "2026-11-24T07:21:57.123456Z";
	event.subject = "T \"42\" 50% \xe2\x82\xac";
	event.sequence = "00000000000000000003";
	n = cxsig_cloudevent_write_headers(&event, headers);
	CHECK(n == 8);
	CHECK_TEXT(headers[4].name, "ce-subject");
	CHECK_TEXT(headers[4].value, "T%20%2242%22%2050%25%20%E2%82%AC");
	CHECK_TEXT(headers[1].value, "e1");

	event.subject = "T-42";
	initStringInfo(&out);
	cxsig_cloudevent_append_start(&event, &out);
	CHECK_TEXT(out.data, "{\"specversion\":\"1.0\",\"id\":\"e1\",\"source\":\"/cxsig/z\",\"type\":"
						 "\"cx.signal.created\",\"subject\":\"T-42\",\"time\":"
						 "\"2026-11-24T07:21:57.123456Z\",\"partitionkey\":\"T-42\",\"sequence\":"
						 "\"00000000000000000003\",\"datacontenttype\":\"application/json\","
						 "\"data\":");
}

static const char *
location_header(const CxsigResponse *response, const char *name)
{
	if (strcmp(name, "location") == 0)
		return "http://10.0.0.1/";
	if (strcmp(name, "x-request-id") == 0)
		return "req-7";
	return NULL;
}

static const char *
line(const char *text, size_t size)
{
	static char into[128];

	cxsig_outcome_copy_line(into, size, text, strlen(text));
	return into;
}
