/*
 * unit_results.c
 *	  Answers to batches: refused whole, told apart by id or by place, and bodies that mean nothing.
 */
#include "postgres.h"

#include "transport/webhook_results.h"
#include "unit.h"

#define N 3
#define ID_1 "11111111-1111-1111-1111-111111111111"
#define ID_2 "22222222-2222-2222-2222-222222222222"
#define ID_3 "33333333-3333-3333-3333-333333333333"

static CxsigWebhook webhook = {.config = {.format = CXSIG_FORMAT_JSON_ARRAY}};
static CxsigEvent events[N];
static CxsigAttempt attempts[N];
static CxsigResponse response;
static CxsigResult results[N];

static void check_whole(void);
static void check_single(void);
static void check_by_id(void);
static void check_by_place(void);
static void check_missing(void);
static void check_hostile(void);
static void check_words(void);
static void answered(int n, int status, const char *body);
static bool outcomes(CxsigOutcome first, CxsigOutcome second, CxsigOutcome third);
static const char *no_header(const CxsigResponse *from, const char *name);

void
unit_results(void)
{
	for (int i = 0; i < N; i++)
	{
		memset(&events[i].event_id, 0x11 * (i + 1), UUID_LEN);
		attempts[i].event = &events[i];
	}
	response.header = no_header;
	response.error = "";
	check_whole();
	check_single();
	check_by_id();
	check_by_place();
	check_missing();
	check_hostile();
	check_words();
}

/* One answer for all: what would be poison for one is split, the rest is as for one. */
static void
check_whole(void)
{
	static const int split[] = {302, 400, 404, 405, 413, 415, 422};
	static const struct
	{
		int status;
		CxsigOutcome outcome;
	} others[] = {{200, CXSIG_DELIVERED},	 {202, CXSIG_DELIVERED},	{204, CXSIG_DELIVERED},
				  {0, CXSIG_RETRY},			 {408, CXSIG_RETRY},		{409, CXSIG_RETRY},
				  {429, CXSIG_RETRY},		 {500, CXSIG_RETRY},		{503, CXSIG_RETRY},
				  {401, CXSIG_UNAUTHORISED}, {403, CXSIG_UNAUTHORISED}, {410, CXSIG_GONE}};

	for (int i = 0; i < (int) lengthof(split); i++)
	{
		answered(N, split[i], "no");
		unit_check(outcomes(CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT), __FILE__, split[i], "split");
		answered(1, split[i], "no");
		unit_check(results[0].outcome == CXSIG_POISON, __FILE__, split[i], "poison alone");
	}
	for (int i = 0; i < (int) lengthof(others); i++)
	{
		answered(N, others[i].status, "");
		unit_check(outcomes(others[i].outcome, others[i].outcome, others[i].outcome), __FILE__,
				   others[i].status, "for all");
	}
	answered(N, 422, "T-2 is closed");
	CHECK_TEXT(results[2].detail, "T-2 is closed");
	CHECK(results[2].status == 422);

	/* without a key, 409 is what any other refusal is */
	webhook.config.key_style = CXSIG_KEY_OFF;
	answered(N, 409, "");
	CHECK(outcomes(CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT));
	webhook.config.key_style = CXSIG_KEY_BARE;
	response.retry_after_ms = 7000;
	answered(N, 503, "");
	CHECK(results[0].retry_after_ms == 7000 && results[2].retry_after_ms == 7000);
	answered(N, 409, "");
	CHECK(results[1].retry_after_ms == 7000);
	answered(N, 422, "");
	CHECK(results[1].retry_after_ms == -1);
}

/* What a refused answer says of single events is not what decides about it. */
static void
check_single(void)
{
	answered(N, 422, "{\"results\":[{\"status\":200},{\"status\":422},{\"status\":200}]}");
	CHECK(outcomes(CXSIG_SPLIT, CXSIG_SPLIT, CXSIG_SPLIT));
	answered(1, 207, "{\"results\":[{\"id\":\"" ID_1 "\",\"status\":422,\"error\":\"no\"}]}");
	CHECK(results[0].outcome == CXSIG_POISON && results[0].status == 422);
	answered(1, 200, "{\"results\":[{\"status\":503}]}");
	CHECK(results[0].outcome == CXSIG_RETRY && results[0].status == 503);
}

static void
check_by_id(void)
{
	response.retry_after_ms = 7000;
	answered(N, 207,
			 "{\"results\":[{\"id\":\"" ID_3 "\",\"status\":503},{\"id\":\"" ID_1
			 "\",\"status\":201,\"remote_id\":\"r-1\"},{\"status\":422,\"id\":\"" ID_2
			 "\",\"error\":\"no ticket \\u201cT-2\\u201d\\nat all\"}]}");
	CHECK(outcomes(CXSIG_DELIVERED, CXSIG_POISON, CXSIG_RETRY));
	CHECK(results[0].status == 201 && results[1].status == 422 && results[2].status == 503);
	CHECK_TEXT(results[0].remote_id, "r-1");
	CHECK_TEXT(results[0].detail, "");
	CHECK_TEXT(results[1].detail, "no ticket \xe2\x80\x9cT-2\xe2\x80\x9d at all");
	CHECK_TEXT(results[2].detail, "status 503 for this event without a word");
	CHECK(results[0].retry_after_ms == -1 && results[1].retry_after_ms == -1);
	CHECK(results[2].retry_after_ms == 7000);
	response.retry_after_ms = -1;

	/* as if it were the answer for that event alone */
	answered(N, 200,
			 "{\"x\":[{}],\"results\":[{\"id\":\"" ID_1 "\",\"status\":401},{\"id\":\"" ID_2
			 "\",\"status\":410},{\"id\":\"" ID_3 "\",\"status\":409}]}");
	CHECK(outcomes(CXSIG_UNAUTHORISED, CXSIG_GONE, CXSIG_RETRY));

	/* upper case, an id of nobody's, and twice the same one: the first counts */
	memset(&events[0].event_id, 0xab, UUID_LEN);
	answered(N, 200,
			 "{\"results\":[{\"id\":\"ABABABAB-ABAB-abab-ABAB-ABABABABABAB\",\"status\":422},"
			 "{\"id\":\"abababab-abab-abab-abab-abababababab\",\"status\":200},"
			 "{\"id\":\"99999999-9999-9999-9999-999999999999\",\"status\":422},"
			 "{\"id\":\"" ID_2 " \",\"status\":422},{\"id\":17,\"status\":422}]}");
	CHECK(outcomes(CXSIG_POISON, CXSIG_DELIVERED, CXSIG_DELIVERED));
	memset(&events[0].event_id, 0x11, UUID_LEN);
}

static void
check_by_place(void)
{
	answered(N, 207,
			 "{\"results\":[{\"status\":200},{\"status\":400,\"error\":{\"code\":7}},"
			 "{\"status\":500}]}");
	CHECK(outcomes(CXSIG_DELIVERED, CXSIG_POISON, CXSIG_RETRY));
	CHECK_TEXT(results[1].detail, "{\"code\":7}");

	/* one too few, one too many, or one with an id: no place says anything */
	answered(N, 200, "{\"results\":[{\"status\":422},{\"status\":422}]}");
	CHECK(outcomes(CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_DELIVERED));
	answered(N, 200,
			 "{\"results\":[{\"status\":422},{\"status\":422},{\"status\":422},{\"status\":422}]}");
	CHECK(outcomes(CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_DELIVERED));
	answered(N, 200,
			 "{\"results\":[{\"status\":422},{\"status\":422},{\"id\":\"" ID_1
			 "\",\"status\":422}]}");
	CHECK(outcomes(CXSIG_POISON, CXSIG_DELIVERED, CXSIG_DELIVERED));
}

/* 207 says that it tells them apart: what it does not name is sent again, and is not lost. */
static void
check_missing(void)
{
	answered(N, 207, "{\"results\":[{\"id\":\"" ID_2 "\",\"status\":200}]}");
	CHECK(outcomes(CXSIG_RETRY, CXSIG_DELIVERED, CXSIG_RETRY));
	CHECK_TEXT(results[0].detail, "the answer has no result for this event");
	CHECK(results[0].status == 207 && results[1].status == 200);
	answered(N, 200, "{\"results\":[{\"id\":\"" ID_2 "\",\"status\":422}]}");
	CHECK(outcomes(CXSIG_DELIVERED, CXSIG_POISON, CXSIG_DELIVERED));
	response.retry_after_ms = 3000;
	answered(N, 207, "{\"results\":[]}");
	CHECK(outcomes(CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
	CHECK(results[1].retry_after_ms == 3000);
	response.retry_after_ms = -1;
}

/* What is no list of results: a 200 counts as it stands, a 207 says nothing. */
static void
check_hostile(void)
{
	static char deep[200001];
	static const char *const bodies[] = {
		"",
		"ok",
		"null",
		"[]",
		"{}",
		"\xff\xfe\x01",
		"{\"results\":null}",
		"{\"results\":7}",
		"{\"results\":{\"status\":422}}",
		"{\"results\":[null,null,null]}",
		"{\"results\":[1,2,3]}",
		"{\"results\":[[],[],[]]}",
		"{\"results\":[{},{},{}]}",
		"{\"results\":[{\"status\":\"422\"},{\"status\":42},{\"status\":4220}]}",
		"{\"results\":[{\"status\":-42},{\"status\":4.2},{\"status\":600}]}",
		"{\"results\":[{\"status\":099},{\"status\":422},{\"status\":422}]}",
		"{\"results\":[{\"status\":422},{\"status\":422},{\"status\":422}]",
		"{\"results\":[{\"status\":422},{\"status\":422},{\"status\":422}]}}",
		"{\"results\":[{\"id\":\"" ID_1 "\",\"status\":422},{\"id\":\"" ID_2 "\",\"st",
		deep,
	};

	memset(deep, '[', sizeof(deep) - 1);
	for (int i = 0; i < (int) lengthof(bodies); i++)
	{
		answered(N, 200, bodies[i]);
		unit_check(outcomes(CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_DELIVERED), __FILE__, __LINE__,
				   bodies[i]);
		answered(N, 207, bodies[i]);
		unit_check(outcomes(CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY), __FILE__, __LINE__, bodies[i]);
	}

	/* valid as far as it was kept, or as far as it came */
	response.body_truncated = true;
	answered(N, 207, "{\"results\":[{\"status\":422},{\"status\":422},{\"status\":422}]}");
	CHECK(outcomes(CXSIG_RETRY, CXSIG_RETRY, CXSIG_RETRY));
	response.body_truncated = false;
	response.error = "the connection broke";
	answered(N, 200, "{\"results\":[{\"status\":422},{\"status\":422},{\"status\":422}]}");
	CHECK(outcomes(CXSIG_DELIVERED, CXSIG_DELIVERED, CXSIG_DELIVERED));
	response.error = "";
}

/* Words of any length and kind are cut to what is kept of them. */
static void
check_words(void)
{
	static char body[10000];
	char *at = body;

	at += sprintf(at, "{\"results\":[{\"id\":\"" ID_1 "\",\"status\":422,\"remote_id\":17,"
					  "\"error\":\"");
	for (int i = 0; i < 1000; i++)
		at += sprintf(at, "\\u20ac");
	at += sprintf(at, "\"},{\"id\":\"" ID_2 "\",\"status\":422,\"error\":\"a\\u0000\\ud800b\xff\","
					  "\"remote_id\":\"");
	memset(at, 'r', 1000);
	strcpy(at + 1000, "\"}]}");
	answered(N, 207, body);
	CHECK(strlen(results[0].detail) == 510); /* of three bytes each, cut between them */
	CHECK_TEXT(results[0].remote_id, "17");
	CHECK_TEXT(results[1].detail, "a ?b?");
	CHECK(strlen(results[1].remote_id) == sizeof(results[1].remote_id) - 1);
}

static void
answered(int n, int status, const char *body)
{
	response.status = status;
	response.body = body;
	response.body_len = strlen(body);
	memset(results, 0, sizeof(results));
	for (int i = 0; i < n; i++)
		results[i].retry_after_ms = -1;
	cxsig_webhook_read_batch(&webhook, attempts, n, &response, results);
}

static bool
outcomes(CxsigOutcome first, CxsigOutcome second, CxsigOutcome third)
{
	return results[0].outcome == first && results[1].outcome == second &&
		   results[2].outcome == third;
}

static const char *
no_header(const CxsigResponse *from, const char *name)
{
	return NULL;
}
