/*
 * sender.c
 *	  Requests out, answers in. Runs in dispatchers, never inside a transaction.
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/settings.h"
#include "dispatch/alert.h"
#include "dispatch/batch.h"
#include "dispatch/breaker.h"
#include "dispatch/follow.h"
#include "dispatch/outcome.h"
#include "dispatch/quota.h"
#include "dispatch/sender.h"
#include "dispatch/slot.h"
#include "dispatch/token.h"
#include "storage/ipc.h"
#include "transport/credential.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The engine of this process, and memory for building and reading one request. */
static CxsigHttp *http = NULL;
static MemoryContext scratch = NULL;

/* cxsig.max_connections as the engine was started with. */
static int max_connections = 0;

static void sender_stop(int code, Datum arg);
static void sender_send(CxsigBatch *batch);
static void sender_submit(CxsigBatch *batch, const CxsigRequest *request);
static void sender_refuse(CxsigBatch *batch, TimestampTz at);
static CxsigAttempt *sender_attempts(const CxsigBatch *batch);
static void sender_finish(CxsigHttpCall *call);
static void sender_apply(CxsigBatch *batch, const CxsigResult *results, const CxsigQuota *told,
						 TimestampTz finished_at);
static void sender_redact(const CxsigTransport *transport, CxsigResult *results, int n);
static void sender_landed(CxsigBatch *batch);
static int sender_count(const CxsigResult *results, int n);

void
cxsig_sender_init(void)
{
	before_shmem_exit(sender_stop, (Datum) 0);
	max_connections = cxsig_max_connections;
	http = cxsig_http_create(max_connections);
	scratch = AllocSetContextCreate(TopMemoryContext, "cxsig request", ALLOCSET_DEFAULT_SIZES);
}

static void
sender_stop(int code, Datum arg)
{
	if (http != NULL)
		cxsig_http_destroy(http);
	http = NULL;
}

int
cxsig_sender_fd(void)
{
	return cxsig_http_fd(http);
}

long
cxsig_sender_timeout_ms(void)
{
	long engine = cxsig_http_timeout_ms(http);
	long follow = cxsig_follow_timeout_ms(cxsig_clock_now());

	return engine < 0 || (follow >= 0 && follow < engine) ? follow : engine;
}

int
cxsig_sender_in_flight(void)
{
	return cxsig_http_running(http);
}

void
cxsig_sender_forget_connections(void)
{
	cxsig_http_forget_connections(http);
}

int
cxsig_sender_allows(CxsigDestination *destination, int n_destinations, TimestampTz now)
{
	/* What nobody uses is anybody's; one that hangs stops where as much is left as it has. */
	int own = Max(max_connections / (2 * Max(n_destinations, 1)), 1);
	int share = Max(own, max_connections - cxsig_http_running(http)) - destination->in_flight;
	int breaker = cxsig_breaker_allows(destination, now);

	if (!cxsig_token_ready(destination, now))
		return 0;
	return Min(Min(breaker, share), cxsig_rate_allows(&destination->rate, now));
}

TimestampTz
cxsig_sender_due(CxsigDestination *destination, int n_destinations, TimestampTz now)
{
	TimestampTz due = cxsig_batch_due(destination, now);

	if (due == DT_NOEND)
		return due;
	if (cxsig_alerts_wait(destination))
		return now;
	if (cxsig_breaker_next(destination, now) != DT_NOEND)
		due = Max(due, cxsig_breaker_next(destination, now));
	if (due <= now && cxsig_sender_allows(destination, n_destinations, now) > 0)
		return now;
	if (due <= now && cxsig_rate_allows(&destination->rate, now) > 0)
		return DT_NOEND;
	return Max(due, cxsig_rate_next(&destination->rate, now));
}

void
cxsig_sender_start(CxsigDestination *destination, int n_destinations, TimestampTz now)
{
	int n = cxsig_sender_allows(destination, n_destinations, now);
	CxsigBatch *batch;

	cxsig_alerts_settle(destination);
	while (n-- > 0 && (batch = cxsig_batch_next(destination, now)) != NULL)
	{
		sender_send(batch);
		cxsig_alerts_settle(destination);
	}
}

static void
sender_send(CxsigBatch *batch)
{
	CxsigDestination *destination = batch->destination;
	CxsigRequest request;
	MemoryContext old = MemoryContextSwitchTo(scratch);
	TimestampTz sent_at = GetCurrentTimestamp();
	int i;

	for (i = 0; i < batch->n; i++)
	{
		if (batch->items[i]->attempt++ == 0)
			batch->items[i]->successes_seen = destination->breaker.successes;
		batch->items[i]->sent_at = sent_at;
	}
	sender_refuse(batch, sent_at);
	if (batch->n == 0)
	{
		pfree(batch);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
		return;
	}
	memset(&request, 0, sizeof(request));
	cxsig_batch_cut(batch, destination->transport->ops->build(destination->transport,
															  sender_attempts(batch), batch->n,
															  destination->batch_bytes, &request));
	batch->token_serial = cxsig_token_serial(destination);
	sender_submit(batch, &request);
	cxsig_quota_sent(destination, batch->items[0]->lane->urgent, cxsig_clock_now());
	dlist_push_tail(&destination->in_flight_batches, &batch->node);
	destination->in_flight++;
	destination->in_flight_backfill += batch->backfill;
	pg_atomic_fetch_add_u64(&cxsig_slot->figures.sent, batch->n);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
}

/* A request of a batch goes out: the first, or one that follows, which waits for no rate limit. */
static void
sender_submit(CxsigBatch *batch, const CxsigRequest *request)
{
	batch->owner.landed = sender_finish;
	batch->call = cxsig_http_submit(http, request, &batch->destination->limits, &batch->owner);
	cxsig_rate_take(&batch->destination->rate);
}

/* Take out of a batch what no request can be made for. */
static void
sender_refuse(CxsigBatch *batch, TimestampTz at)
{
	CxsigTransport *transport = batch->destination->transport;
	CxsigAttempt *attempts;
	int n = batch->n;
	int i;

	if (transport->ops->refuses == NULL)
		return;
	attempts = sender_attempts(batch);
	batch->n = 0;
	for (i = 0; i < n; i++)
	{
		CxsigResult result = {.outcome = CXSIG_POISON, .retry_after_ms = -1};

		if (transport->ops->refuses(transport, &attempts[i], &result))
			cxsig_outcome_refused(batch->items[i], &result, at);
		else
			batch->items[batch->n++] = batch->items[i];
	}
}

/* The batch as the transport sees it; in the current context. */
static CxsigAttempt *
sender_attempts(const CxsigBatch *batch)
{
	CxsigAttempt *attempts = palloc0(batch->n * sizeof(CxsigAttempt));
	int i;

	for (i = 0; i < batch->n; i++)
	{
		attempts[i].event = batch->items[i]->ref->event;
		attempts[i].attempt = batch->items[i]->attempt;
		attempts[i].at = batch->items[i]->sent_at;
		attempts[i].alert = cxsig_alert_of(batch->items[i]);
	}
	return attempts;
}

void
cxsig_sender_abort(CxsigDestination *destination)
{
	while (!dlist_is_empty(&destination->in_flight_batches))
	{
		CxsigBatch *batch = dlist_head_element(CxsigBatch, node, &destination->in_flight_batches);

		if (batch->call != NULL)
			cxsig_http_release(http, batch->call);
		sender_landed(batch);
		cxsig_batch_undo(batch);
	}
}

/* It is no more in flight. */
static void
sender_landed(CxsigBatch *batch)
{
	cxsig_follow_end(batch);
	dlist_delete(&batch->node);
	batch->call = NULL;
	batch->destination->in_flight--;
	batch->destination->in_flight_backfill -= batch->backfill;
}

int
cxsig_sender_drive(void)
{
	CxsigHttpCall *call;
	CxsigBatch *batch;
	int n = 0;

	while ((batch = cxsig_follow_next_due(cxsig_clock_now())) != NULL)
		sender_submit(batch, cxsig_follow_request(batch));
	cxsig_http_drive(http);
	while ((call = cxsig_http_next_done(http)) != NULL)
	{
		((CxsigCallOwner *) call->owner)->landed(call);
		n++;
	}
	return n;
}

static void
sender_finish(CxsigHttpCall *call)
{
	CxsigBatch *batch = (CxsigBatch *) call->owner; /* its first field is the owner */
	CxsigTransport *transport = batch->destination->transport;
	TimestampTz finished_at = call->response.finished_at;
	MemoryContext old = MemoryContextSwitchTo(scratch);
	CxsigAttempt *attempts = sender_attempts(batch);
	CxsigResult *results = palloc0(batch->n * sizeof(CxsigResult));
	CxsigQuota told = transport->quota;
	CxsigRequest next;
	CxsigFollows follows = cxsig_follow_answer(batch, attempts, &call->response, &next, results);
	int i;

	if (follows == CXSIG_FOLLOWS_NOTHING)
	{
		for (i = 0; i < batch->n; i++)
			results[i].retry_after_ms = -1;
		transport->ops->read(transport, attempts, batch->n, &call->response, results);
	}
	batch->call = NULL;
	if (follows == CXSIG_FOLLOWS_NOW)
		sender_submit(batch, &next);
	cxsig_http_release(http, call);
	if (follows == CXSIG_FOLLOWS_NOTHING || follows == CXSIG_FOLLOWS_NO_MORE)
	{
		sender_landed(batch);
		sender_redact(transport, results, batch->n);
		sender_apply(batch, results, &told, finished_at);
	}
	else
		batch->token_serial = cxsig_token_serial(batch->destination);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
}

/* What follows from the results; with a token that was refused, only that it is sent again. */
static void
sender_apply(CxsigBatch *batch, const CxsigResult *results, const CxsigQuota *told,
			 TimestampTz finished_at)
{
	if (cxsig_token_sends_again(batch, results))
	{
		cxsig_batch_again(batch);
		return;
	}
	cxsig_quota_answered(batch->destination, told, sender_count(results, batch->n) == 0);
	cxsig_outcome_apply(batch, results, finished_at);
}

/* A remote may well show what it was sent. */
static void
sender_redact(const CxsigTransport *transport, CxsigResult *results, int n)
{
	int i;

	for (i = 0; transport->credential != NULL && i < n; i++)
		if (results[i].detail[0] != '\0')
			cxsig_credential_redact(transport->credential, results[i].detail);
}

CxsigHttpCall *
cxsig_sender_submit(const CxsigRequest *request, const CxsigHttpLimits *limits,
					CxsigCallOwner *owner)
{
	return cxsig_http_submit(http, request, limits, owner);
}

void
cxsig_sender_release(CxsigHttpCall *call)
{
	cxsig_http_release(http, call);
}

/* How many were delivered, for the figures and the caller. */
static int
sender_count(const CxsigResult *results, int n)
{
	int delivered = 0;
	int i;

	for (i = 0; i < n; i++)
		delivered += results[i].outcome == CXSIG_DELIVERED;
	if (delivered > 0)
		pg_atomic_fetch_add_u64(&cxsig_slot->figures.delivered, delivered);
	if (delivered < n)
		pg_atomic_fetch_add_u64(&cxsig_slot->figures.failed, n - delivered);
	return delivered;
}
