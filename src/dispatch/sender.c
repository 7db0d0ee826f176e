/*
 * sender.c
 *	  Requests out, answers in. Runs in dispatchers, never inside a transaction.
 */
#include "postgres.h"

#include "base/settings.h"
#include "dispatch/breaker.h"
#include "dispatch/outcome.h"
#include "dispatch/sender.h"
#include "dispatch/slot.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The engine of this process, and memory for building and reading one request. */
static CxsigHttp *http = NULL;
static MemoryContext scratch = NULL;

/* cxsig.max_connections as the engine was started with. */
static int max_connections = 0;

static void sender_stop(int code, Datum arg);
static void sender_send(CxsigDestination *destination, CxsigLane *lane, TimestampTz now);
static void sender_finish(CxsigHttpCall *call);
static void lane_abort(CxsigLane *lane);

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
	return cxsig_http_timeout_ms(http);
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
cxsig_sender_allows(const CxsigDestination *destination, int n_destinations, TimestampTz now)
{
	int share = Max(max_connections / Max(n_destinations, 1), 1);

	return Min(cxsig_breaker_allows(destination, now), share - destination->in_flight);
}

void
cxsig_sender_start(CxsigDestination *destination, int n_destinations, TimestampTz now)
{
	int n = cxsig_sender_allows(destination, n_destinations, now);

	while (n-- > 0 && !dlist_is_empty(&destination->ready))
		sender_send(destination, dlist_head_element(CxsigLane, node, &destination->ready), now);
}

static void
sender_send(CxsigDestination *destination, CxsigLane *lane, TimestampTz now)
{
	CxsigItem *item = cxsig_lane_head(lane);
	CxsigRequest request;
	CxsigAttempt attempt;
	MemoryContext old = MemoryContextSwitchTo(scratch);

	item->attempt++;
	item->sent_at = now;
	attempt.event = item->ref->event;
	attempt.attempt = item->attempt;
	attempt.at = now;
	memset(&request, 0, sizeof(request));
	destination->transport->ops->build(destination->transport, &attempt, 1, destination->batch_bytes,
									   &request);
	item->call = cxsig_http_submit(http, &request, &destination->limits, item);
	cxsig_lane_ready_to_sending(lane);
	destination->in_flight++;
	pg_atomic_fetch_add_u64(&cxsig_slot->figures.sent, 1);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
}

void
cxsig_sender_abort(CxsigDestination *destination)
{
	cxsig_lanes_each(destination->lanes, lane_abort);
}

static void
lane_abort(CxsigLane *lane)
{
	CxsigItem *item = cxsig_lane_head(lane);

	if (lane->state != CXSIG_LANE_SENDING)
		return;
	cxsig_http_release(http, item->call);
	item->call = NULL;
	lane->destination->in_flight--;
	cxsig_lane_sending_to_ready(lane);
}

int
cxsig_sender_drive(void)
{
	CxsigHttpCall *call;
	int n = 0;

	cxsig_http_drive(http);
	while ((call = cxsig_http_next_done(http)) != NULL)
	{
		sender_finish(call);
		n++;
	}
	return n;
}

static void
sender_finish(CxsigHttpCall *call)
{
	CxsigItem *item = call->owner;
	CxsigDestination *destination = item->destination;
	CxsigResult result;
	CxsigAttempt attempt;
	TimestampTz finished_at = call->response.finished_at;
	MemoryContext old = MemoryContextSwitchTo(scratch);

	attempt.event = item->ref->event;
	attempt.attempt = item->attempt;
	attempt.at = item->sent_at;
	memset(&result, 0, sizeof(result));
	result.retry_after_ms = -1;
	destination->transport->ops->read(destination->transport, &attempt, 1, &call->response,
									  &result);
	cxsig_http_release(http, call);
	item->call = NULL;
	destination->in_flight--;
	pg_atomic_fetch_add_u64(result.outcome == CXSIG_DELIVERED ? &cxsig_slot->figures.delivered
															  : &cxsig_slot->figures.failed,
							1);
	cxsig_outcome_apply(item, &result, finished_at);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
}
