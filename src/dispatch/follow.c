/*
 * follow.c
 *	  Batches that take several requests. Runs in dispatchers, outside transactions; touches nothing
 *	  but memory.
 */
#include "postgres.h"

#include "base/clock.h"
#include "dispatch/follow.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_STEPS 200
#define MAX_MS (10 * 60 * 1000)

/* What is kept of a batch between its requests. */
typedef struct CxsigFollowing
{
	CxsigBatch *batch;
	CxsigFollow follow;
	TimestampTz until; /* given up then */
	bool waits;
	dlist_node node; /* among those that wait */
	TimestampTz due;
	CxsigRequest *request; /* the next: one chunk, strings included */
} CxsigFollowing;

/* The batches of all destinations that wait for their next request, the earliest due first. */
static dlist_head waiting = DLIST_STATIC_INIT(waiting);

static CxsigFollowing *following_begin(CxsigBatch *batch);
static void following_wait(CxsigFollowing *following, const CxsigRequest *request, TimestampTz due);
static void give_up(const CxsigResponse *response, CxsigResult *results, int n);
static CxsigRequest *request_copy(MemoryContext context, const CxsigRequest *request);
static char *copy_text(char **at, const char *text);

CxsigFollows
cxsig_follow_answer(CxsigBatch *batch, const CxsigAttempt *attempts, const CxsigResponse *response,
					CxsigRequest *next, CxsigResult *results)
{
	CxsigTransport *transport = batch->destination->transport;
	CxsigFollowing *following = batch->following;
	TimestampTz now = cxsig_clock_now();

	if (transport->ops->follow == NULL)
		return CXSIG_FOLLOWS_NOTHING;
	if (following == NULL)
		following = following_begin(batch);
	following->follow.step++;
	following->follow.delay_ms = 0;
	memset(next, 0, sizeof(*next));
	if (!transport->ops->follow(transport, attempts, batch->n, batch->destination->batch_bytes,
								response, &following->follow, next))
		return CXSIG_FOLLOWS_NOTHING;
	if (following->follow.step >= MAX_STEPS || now >= following->until)
	{
		give_up(response, results, batch->n);
		return CXSIG_FOLLOWS_NO_MORE;
	}
	if (following->follow.delay_ms <= 0)
		return CXSIG_FOLLOWS_NOW;
	following_wait(following, next,
				   now + Min(following->follow.delay_ms, (int64) MAX_MS) * INT64CONST(1000));
	return CXSIG_FOLLOWS_LATER;
}

static CxsigFollowing *
following_begin(CxsigBatch *batch)
{
	CxsigFollowing *following =
		MemoryContextAllocZero(batch->destination->context, sizeof(CxsigFollowing));

	following->batch = batch;
	following->until = cxsig_clock_now() + MAX_MS * INT64CONST(1000);
	batch->following = following;
	return following;
}

/* The last look is when time is up. Delays are much alike: its place is near the end. */
static void
following_wait(CxsigFollowing *following, const CxsigRequest *request, TimestampTz due)
{
	dlist_node *before = waiting.head.prev;

	if (following->request != NULL)
		pfree(following->request);
	following->request = request_copy(following->batch->destination->context, request);
	following->due = Min(due, following->until);
	following->waits = true;
	while (before != &waiting.head &&
		   dlist_container(CxsigFollowing, node, before)->due > following->due)
		before = before->prev;
	dlist_insert_after(before, &following->node);
}

static void
give_up(const CxsigResponse *response, CxsigResult *results, int n)
{
	int i;

	for (i = 0; i < n; i++)
	{
		memset(&results[i], 0, sizeof(results[i]));
		results[i].outcome = CXSIG_RETRY;
		results[i].status = response->status;
		results[i].retry_after_ms = -1;
		snprintf(results[i].detail, sizeof(results[i].detail),
				 "the job did not end within %d requests and %d minutes", MAX_STEPS,
				 MAX_MS / 60000);
	}
}

CxsigBatch *
cxsig_follow_next_due(TimestampTz now)
{
	CxsigFollowing *following;

	if (dlist_is_empty(&waiting))
		return NULL;
	following = dlist_head_element(CxsigFollowing, node, &waiting);
	if (following->due > now)
		return NULL;
	dlist_delete(&following->node);
	following->waits = false;
	return following->batch;
}

const CxsigRequest *
cxsig_follow_request(const CxsigBatch *batch)
{
	return batch->following->request;
}

long
cxsig_follow_timeout_ms(TimestampTz now)
{
	TimestampTz due;

	if (dlist_is_empty(&waiting))
		return -1;
	due = dlist_head_element(CxsigFollowing, node, &waiting)->due;
	return due <= now ? 0 : (long) ((due - now + 999) / 1000);
}

void
cxsig_follow_end(CxsigBatch *batch)
{
	CxsigFollowing *following = batch->following;

	if (following == NULL)
		return;
	if (following->waits)
		dlist_delete(&following->node);
	if (following->request != NULL)
		pfree(following->request);
	pfree(following);
	batch->following = NULL;
}

/* The request as one chunk; what it points to of the transport's is not copied. */
static CxsigRequest *
request_copy(MemoryContext context, const CxsigRequest *request)
{
	Size size = sizeof(CxsigRequest) + request->n_headers * sizeof(CxsigHeader) +
				strlen(request->method) + strlen(request->url) + 2 + request->body.len + 1;
	CxsigRequest *copy;
	char *at;
	int i;

	for (i = 0; i < request->n_headers; i++)
		size += strlen(request->headers[i].name) + strlen(request->headers[i].value) + 2;
	copy = MemoryContextAllocZero(context, size);
	copy->headers = (CxsigHeader *) (copy + 1);
	copy->n_headers = request->n_headers;
	copy->tls = request->tls;
	at = (char *) (copy->headers + request->n_headers);
	copy->method = copy_text(&at, request->method);
	copy->url = copy_text(&at, request->url);
	for (i = 0; i < request->n_headers; i++)
	{
		copy->headers[i].name = copy_text(&at, request->headers[i].name);
		copy->headers[i].value = copy_text(&at, request->headers[i].value);
	}
	copy->body.data = at;
	copy->body.len = request->body.len;
	copy->body.maxlen = request->body.len + 1;
	if (request->body.len > 0)
		memcpy(at, request->body.data, request->body.len);
	return copy;
}

static char *
copy_text(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = memcpy(*at, text, size);

	*at += size;
	return copy;
}
