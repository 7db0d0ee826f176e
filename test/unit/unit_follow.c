/*
 * unit_follow.c
 *	  Batches that take several requests, at a transport made up for it, by a clock that stands still.
 */
#include "postgres.h"

#include <limits.h>

#include "base/clock.h"
#include "dispatch/follow.h"
#include "unit.h"
#include "utils/timestamp.h"

#define SECOND INT64CONST(1000000)

static TimestampTz clock_now = SECOND;

/* What the transport does: waits so long before each of so many requests. */
static int64 delay_ms;
static int steps;

static bool fake_follow(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						int max_bytes, const CxsigResponse *response, CxsigFollow *follow,
						CxsigRequest *request);
static CxsigBatch *make_batch(void);
static CxsigFollows answer(CxsigBatch *batch, CxsigRequest *next, CxsigResult *results);
static void check_steps(void);
static void check_order(void);
static void check_end(void);

static const CxsigTransportOps plain_ops = {.name = "plain"};
static const CxsigTransportOps fake_ops = {.name = "fake", .follow = fake_follow};
static CxsigTransport transport;
static CxsigDestination destination;

TimestampTz
cxsig_clock_now(void)
{
	return clock_now;
}

void
unit_follow(void)
{
	destination.transport = &transport;
	check_steps();
	check_order();
	check_end();
}

static bool
fake_follow(CxsigTransport *self, const CxsigAttempt *attempts, int n, int max_bytes,
			const CxsigResponse *response, CxsigFollow *follow, CxsigRequest *request)
{
	static CxsigHeader header;
	char url[32];

	CHECK(follow->step == 1 ? follow->state[0] == '\0' : atoi(follow->state) == follow->step - 1);
	snprintf(follow->state, sizeof(follow->state), "%d", follow->step);
	if (follow->step > steps)
		return false;
	follow->delay_ms = delay_ms;
	snprintf(url, sizeof(url), "http://x/%d", follow->step);
	header.name = pstrdup("Accept");
	header.value = pstrdup("a/b");
	request->method = "GET";
	request->url = pstrdup(url);
	request->headers = &header;
	request->n_headers = 1;
	initStringInfo(&request->body);
	appendBinaryStringInfo(&request->body, "a\0b", 3);
	return true;
}

static CxsigBatch *
make_batch(void)
{
	CxsigBatch *batch = palloc0(offsetof(CxsigBatch, items) + sizeof(CxsigItem *));

	batch->destination = &destination;
	batch->n = 1;
	return batch;
}

static CxsigFollows
answer(CxsigBatch *batch, CxsigRequest *next, CxsigResult *results)
{
	CxsigResponse response = {.status = 202};
	CxsigAttempt attempt = {0};

	return cxsig_follow_answer(batch, &attempt, &response, next, results);
}

/* None, some at once, and some after a while; each once, when it is due and not before. */
static void
check_steps(void)
{
	CxsigBatch *batch = make_batch();
	CxsigResult results[1];
	CxsigRequest next;

	transport.ops = &plain_ops;
	CHECK(answer(batch, &next, results) == CXSIG_FOLLOWS_NOTHING);
	CHECK(batch->following == NULL);
	transport.ops = &fake_ops;
	steps = 2;
	delay_ms = 0;
	CHECK(answer(batch, &next, results) == CXSIG_FOLLOWS_NOW);
	CHECK_TEXT(next.url, "http://x/1");
	CHECK(cxsig_follow_timeout_ms(clock_now) == -1);

	delay_ms = 5000;
	CHECK(answer(batch, &next, results) == CXSIG_FOLLOWS_LATER);
	next.headers[0].value[0] = 'z';
	CHECK(cxsig_follow_timeout_ms(clock_now) == 5000);
	CHECK(cxsig_follow_next_due(clock_now) == NULL);
	clock_now += 5 * SECOND;
	CHECK(cxsig_follow_timeout_ms(clock_now) == 0);
	CHECK(cxsig_follow_next_due(clock_now) == batch);
	CHECK(cxsig_follow_next_due(clock_now) == NULL);
	CHECK_TEXT(cxsig_follow_request(batch)->url, "http://x/2");
	CHECK_TEXT(cxsig_follow_request(batch)->method, "GET");
	CHECK_TEXT(cxsig_follow_request(batch)->headers[0].name, "Accept");
	CHECK_TEXT(cxsig_follow_request(batch)->headers[0].value, "a/b");
	CHECK(cxsig_follow_request(batch)->body.len == 3);
	CHECK(memcmp(cxsig_follow_request(batch)->body.data, "a\0b", 3) == 0);
	CHECK(answer(batch, &next, results) == CXSIG_FOLLOWS_NOTHING);
	cxsig_follow_end(batch);
	CHECK(batch->following == NULL);
}

/* The earliest first, whatever came first; one that is given up meanwhile is not among them. */
static void
check_order(void)
{
	static const int64 delays[] = {3000, 1000, 2000, 1000};
	CxsigBatch *batches[lengthof(delays)];
	CxsigResult results[1];
	CxsigRequest next;

	steps = 1;
	for (int i = 0; i < (int) lengthof(delays); i++)
	{
		batches[i] = make_batch();
		delay_ms = delays[i];
		CHECK(answer(batches[i], &next, results) == CXSIG_FOLLOWS_LATER);
	}
	cxsig_follow_end(batches[2]);
	CHECK(cxsig_follow_timeout_ms(clock_now) == 1000);
	clock_now += 10 * SECOND;
	CHECK(cxsig_follow_next_due(clock_now) == batches[1]);
	CHECK(cxsig_follow_next_due(clock_now) == batches[3]);
	CHECK(cxsig_follow_next_due(clock_now) == batches[0]);
	CHECK(cxsig_follow_next_due(clock_now) == NULL);
	cxsig_follow_end(batches[0]);
	cxsig_follow_end(batches[1]);
	cxsig_follow_end(batches[3]);
}

/* One that does not end is given up: after so many requests, or so long, with a last look then. */
static void
check_end(void)
{
	CxsigBatch *batch = make_batch();
	CxsigResult results[1];
	CxsigRequest next;
	int n = 1;

	steps = INT_MAX;
	delay_ms = 0;
	while (answer(batch, &next, results) == CXSIG_FOLLOWS_NOW && n < 1000)
		n++;
	CHECK(n == 200);
	CHECK(results[0].outcome == CXSIG_RETRY && results[0].status == 202);
	CHECK(results[0].retry_after_ms == -1);
	CHECK_TEXT(results[0].detail, "the job did not end within 200 requests and 10 minutes");
	cxsig_follow_end(batch);

	delay_ms = 7 * 60 * 1000;
	CHECK(answer(batch, &next, results) == CXSIG_FOLLOWS_LATER);
	clock_now += 7 * 60 * SECOND;
	CHECK(cxsig_follow_next_due(clock_now) == batch);
	CHECK(answer(batch, &next, results) == CXSIG_FOLLOWS_LATER);
	CHECK(cxsig_follow_timeout_ms(clock_now) == 3 * 60 * 1000);
	clock_now += 3 * 60 * SECOND;
	CHECK(cxsig_follow_next_due(clock_now) == batch);
	CHECK(answer(batch, &next, results) == CXSIG_FOLLOWS_NO_MORE);
	cxsig_follow_end(batch);
	CHECK(cxsig_follow_timeout_ms(clock_now) == -1);
}
