/*
 * unit_batch.c
 *	  Batches of webhooks: what stands in the body, where it is cut, and what names them.
 */
#include "postgres.h"

#include "transport/webhook_batch.h"
#include "unit.h"

#define N 5

static CxsigView view = {CXSIG_PROJECTION_OPS, NULL, NULL};
static CxsigEvent events[N];
static CxsigAttempt attempts[N];

static void make_events(void);
static CxsigWebhook webhook_of(CxsigWebhookFormat format);
static void check_cloudevents(void);
static void check_array(void);
static void check_cut(void);
static void check_ids(void);
static void check_signature(void);
static const char *header(const CxsigRequest *request, const char *name);
static int build(CxsigWebhook *webhook, int from, int n, int max_bytes, CxsigRequest *request);

void
unit_batch(void)
{
	make_events();
	check_cloudevents();
	check_array();
	check_cut();
	check_ids();
	check_signature();
}

static void
make_events(void)
{
	static char *tickets[N] = {"T-1", "T-2", "T \"3\"", "T-4", "T-5"};

	for (int i = 0; i < N; i++)
	{
		memset(&events[i].event_id, 0x11 * (i + 1), UUID_LEN);
		events[i].event_type = "signal.created";
		events[i].source_system = "zendesk";
		events[i].ticket_id = tickets[i];
		events[i].version = i + 1;
		events[i].occurred_at = INT64CONST(830000000000000);
		events[i].sentiment = "negative";
		events[i].evidence_url = "https://help.example.com/1";
		attempts[i].event = &events[i];
		attempts[i].attempt = 1;
		attempts[i].at = INT64CONST(830000001000000);
	}
	events[1].traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
}

static CxsigWebhook
webhook_of(CxsigWebhookFormat format)
{
	CxsigWebhook webhook = {.view = &view};

	webhook.config.destination = "crm";
	webhook.config.url = "https://crm.example.com/in";
	webhook.config.format = format;
	return webhook;
}

static void
check_cloudevents(void)
{
	CxsigWebhook webhook = webhook_of(CXSIG_FORMAT_CLOUDEVENTS_BATCH);
	CxsigRequest request;

	CHECK(build(&webhook, 0, 2, 1000000, &request) == 2);
	CHECK_TEXT(header(&request, "Content-Type"),
			   "application/cloudevents-batch+json; charset=UTF-8");
	CHECK_TEXT(
		request.body.data,
		"[{\"specversion\":\"1.0\",\"id\":\"11111111-1111-1111-1111-111111111111\",\"source\":"
		"\"/cxsig/zendesk\",\"type\":\"cx.signal.created\",\"subject\":\"T-1\",\"time\":"
		"\"2026-04-20T11:33:20.000000Z\",\"partitionkey\":\"T-1\",\"sequence\":"
		"\"00000000000000000001\",\"datacontenttype\":\"application/json\",\"data\":{\"event_id\":"
		"\"11111111-1111-1111-1111-111111111111\",\"event_type\":\"signal.created\",\"occurred_"
		"at\":"
		"\"2026-04-20T11:33:20.000000Z\",\"ticket_id\":\"T-1\",\"version\":1,\"sentiment\":"
		"\"negative\",\"evidence_url\":\"https://help.example.com/1\"}},"
		"{\"specversion\":\"1.0\",\"id\":\"22222222-2222-2222-2222-222222222222\",\"source\":"
		"\"/cxsig/zendesk\",\"type\":\"cx.signal.created\",\"subject\":\"T-2\",\"time\":"
		"\"2026-04-20T11:33:20.000000Z\",\"partitionkey\":\"T-2\",\"sequence\":"
		"\"00000000000000000002\",\"traceparent\":"
		"\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\",\"datacontenttype\":"
		"\"application/json\",\"data\":{\"event_id\":\"22222222-2222-2222-2222-222222222222\","
		"\"event_type\":\"signal.created\",\"occurred_at\":\"2026-04-20T11:33:20.000000Z\","
		"\"ticket_id\":\"T-2\",\"version\":2,\"sentiment\":\"negative\",\"evidence_url\":"
		"\"https://help.example.com/1\"}}]");
	CHECK((int) strlen(request.body.data) == request.body.len);

	/* one is an array too */
	CHECK(build(&webhook, 0, 1, 1000000, &request) == 1);
	CHECK(request.body.data[0] == '[' && request.body.data[request.body.len - 1] == ']');
}

static void
check_array(void)
{
	CxsigWebhook webhook = webhook_of(CXSIG_FORMAT_JSON_ARRAY);
	CxsigRequest request;

	CHECK(build(&webhook, 2, 1, 1000000, &request) == 1);
	CHECK_TEXT(header(&request, "Content-Type"), "application/json");
	CHECK_TEXT(request.body.data,
			   "[{\"id\":\"33333333-3333-3333-3333-333333333333\",\"type\":\"cx.signal.created\","
			   "\"timestamp\":\"2026-04-20T11:33:20.000000Z\",\"data\":{\"event_id\":"
			   "\"33333333-3333-3333-3333-333333333333\",\"event_type\":\"signal.created\","
			   "\"occurred_at\":\"2026-04-20T11:33:20.000000Z\",\"ticket_id\":\"T \\\"3\\\"\","
			   "\"version\":3,\"sentiment\":\"negative\",\"evidence_url\":"
			   "\"https://help.example.com/1\"}}]");
}

/* The body is never over the limit, never shorter than need be, and one event always goes. */
static void
check_cut(void)
{
	CxsigWebhook webhook = webhook_of(CXSIG_FORMAT_JSON_ARRAY);
	CxsigRequest request;
	int sizes[N + 1];

	for (int n = 1; n <= N; n++)
	{
		build(&webhook, 0, n, 1000000, &request);
		sizes[n] = request.body.len;
	}
	for (int n = 1; n <= N; n++)
	{
		CHECK(build(&webhook, 0, N, sizes[n], &request) == n);
		CHECK(request.body.len == sizes[n] && request.body.data[request.body.len - 1] == ']');
		CHECK(request.body.data[request.body.len - 2] == '}');
		CHECK(build(&webhook, 0, N, sizes[n] - 1, &request) == Max(n - 1, 1));
		CHECK(build(&webhook, 0, n, sizes[n], &request) == n);
	}
	CHECK(build(&webhook, 0, N, 1, &request) == 1);
	CHECK(request.body.len == sizes[1]);
}

/* The same events have the same id, at any attempt and cut out of any more; others have another. */
static void
check_ids(void)
{
	CxsigWebhook webhook = webhook_of(CXSIG_FORMAT_CLOUDEVENTS_BATCH);
	CxsigRequest first;
	CxsigRequest second;
	CxsigRequest cut;
	CxsigRequest other;
	pg_uuid_t ids[2] = {events[0].event_id, events[1].event_id};
	pg_uuid_t there = cxsig_webhook_batch_id(ids, 2);
	pg_uuid_t back;

	build(&webhook, 0, 2, 1000000, &first);
	for (int i = 0; i < N; i++)
	{
		attempts[i].attempt++;
		attempts[i].at += 3600 * INT64CONST(1000000);
	}
	build(&webhook, 0, 2, 1000000, &second);
	CHECK(build(&webhook, 0, N, first.body.len, &cut) == 2);
	build(&webhook, 0, 3, 1000000, &other);

	CHECK_TEXT(header(&second, "webhook-id"), header(&first, "webhook-id"));
	CHECK_TEXT(header(&cut, "webhook-id"), header(&first, "webhook-id"));
	CHECK_TEXT(header(&second, "Idempotency-Key"), header(&first, "webhook-id"));
	CHECK_TEXT(second.body.data, first.body.data);
	CHECK_TEXT(cut.body.data, first.body.data);
	CHECK(strcmp(header(&other, "webhook-id"), header(&first, "webhook-id")) != 0);
	CHECK(strcmp(header(&second, "webhook-timestamp"), header(&first, "webhook-timestamp")) != 0);

	/* one trace for all attempts, a parent for each */
	CHECK(strncmp(header(&second, "traceparent"), header(&first, "traceparent"), 36) == 0);
	CHECK(strcmp(header(&second, "traceparent"), header(&first, "traceparent")) != 0);
	CHECK(header(&first, "tracestate") == NULL);

	/* the first 16 bytes of SHA-256 over 32 bytes, with version and variant */
	CHECK_TEXT(header(&first, "webhook-id"), "2488bf71-3fde-8a7e-9fef-52c0ff6d4f18");
	CHECK((there.data[6] & 0xf0) == 0x80 && (there.data[8] & 0xc0) == 0x80);
	ids[0] = events[1].event_id;
	ids[1] = events[0].event_id;
	back = cxsig_webhook_batch_id(ids, 2);
	CHECK(memcmp(&there, &back, sizeof(there)) != 0);
}

static void
check_signature(void)
{
	CxsigWebhook webhook = webhook_of(CXSIG_FORMAT_JSON_ARRAY);
	CxsigRequest request;
	StringInfoData expected;

	webhook.signer = cxsig_sign_create();
	cxsig_sign_add_key(webhook.signer,
					   "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", DT_NOEND, NULL);
	build(&webhook, 0, N, 1000000, &request);
	initStringInfo(&expected);
	cxsig_sign_append(webhook.signer, attempts[0].at, header(&request, "webhook-id"),
					  header(&request, "webhook-timestamp"), request.body.data, request.body.len,
					  &expected);
	CHECK_TEXT(header(&request, "webhook-signature"), expected.data);
}

static const char *
header(const CxsigRequest *request, const char *name)
{
	for (int i = 0; i < request->n_headers; i++)
		if (strcmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

static int
build(CxsigWebhook *webhook, int from, int n, int max_bytes, CxsigRequest *request)
{
	memset(request, 0, sizeof(*request));
	return cxsig_webhook_build_batch(webhook, attempts + from, n, max_bytes, request);
}
