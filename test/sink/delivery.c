/*
 * delivery.c
 *	  What a receiver does with a delivery. HTTP thread only; the hot path of the sink.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "delivery.h"
#include "event.h"

/* Settings read from a query string, and whether they are all right. */
typedef struct QuerySettings
{
	SinkBehaviour behaviour;
	bool wrong;
} QuerySettings;

/* What became of one event of a batch. */
typedef struct Decision
{
	SinkId *id;
	int status;
} Decision;

/* Of the batch at hand; kept for the next one. */
static Decision *decisions;
static size_t n_decisions;
static size_t cap_decisions;

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name,
								   const char *value);
static enum MHD_Result take_setting(void *cls, enum MHD_ValueKind kind, const char *name,
									const char *value);
static const SinkBehaviour *behaviour_for(SinkPath *path, struct MHD_Connection *connection);
static const SinkBehaviour *spend_quota(SinkPath *path, const SinkBehaviour *behaviour);
static void answer_status(SinkAnswer *answer, int status);
static int recorded_status(const SinkAnswer *answer);
static void decide_batch(SinkRequest *request, struct MHD_Connection *connection,
						 const SinkBehaviour *behaviour, SinkEnvelope *envelope,
						 const SinkHeaders *headers, SinkText body);
static void decide_event(SinkRequest *request, const SinkBehaviour *behaviour,
						 const SinkEvent *event);
static void append_result(SinkBuffer *results, const SinkEvent *event, int status, bool first);
static void decide_single(SinkRequest *request, struct MHD_Connection *connection,
						  const SinkBehaviour *behaviour, const SinkEnvelope *envelope,
						  SinkEventReader *reader);
static void count_malformed(SinkRequest *request, const SinkEnvelope *envelope, int status);
static void key_in_flight(SinkRequest *request, struct MHD_Connection *connection, SinkKey *key,
						  const SinkId *id);

static enum MHD_Result
take_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void) kind;
	sink_headers_take(cls, name, value);
	return MHD_YES;
}

static enum MHD_Result
take_setting(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	QuerySettings *query = cls;
	const char *wrong;

	(void) kind;
	wrong = sink_behave_set(&query->behaviour, name, value != NULL ? value : "");
	if (wrong != NULL)
	{
		fprintf(stderr, "sink: query string: %s: %s\n", name, wrong);
		query->wrong = true;
	}
	return MHD_YES;
}

/* NULL where the query string has a setting that is none: a misspelt test must not pass. */
static const SinkBehaviour *
behaviour_for(SinkPath *path, struct MHD_Connection *connection)
{
	static SinkBehaviour plain;
	static QuerySettings query;

	if (path->behaviour != NULL)
		return path->behaviour;
	if (MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, NULL, NULL) == 0)
	{
		if (plain.poison_status == 0)
			sink_behave_init(&plain);
		return &plain;
	}
	sink_behave_init(&query.behaviour);
	query.wrong = false;
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_setting, &query);
	return query.wrong ? NULL : &query.behaviour;
}

/* A request of the path's quota; how it is answered where there is none left. */
static const SinkBehaviour *
spend_quota(SinkPath *path, const SinkBehaviour *behaviour)
{
	static SinkBehaviour refused;

	if (behaviour->quota_used + path->quota_spent++ < behaviour->quota_limit)
		return behaviour;
	sink_behave_init(&refused);
	(void) sink_behave_set(&refused, "status", "429");
	return &refused;
}

static void
answer_status(SinkAnswer *answer, int status)
{
	memset(answer, 0, sizeof(*answer));
	answer->fault = SINK_FAULT_STATUS;
	answer->status = status;
}

/* What the sender gets to see: 0 for what is no HTTP answer. */
static int
recorded_status(const SinkAnswer *answer)
{
	switch (answer->fault)
	{
		case SINK_FAULT_HANG:
		case SINK_FAULT_CLOSE:
		case SINK_FAULT_GARBAGE:
			return 0;
		case SINK_FAULT_NONE:
		case SINK_FAULT_STATUS:
		case SINK_FAULT_BODY:
		case SINK_FAULT_RESULTS:
			break;
	}
	return answer->status;
}

static void
count_malformed(SinkRequest *request, const SinkEnvelope *envelope, int status)
{
	SinkEvent nothing;

	memset(&nothing, 0, sizeof(nothing));
	request->path->counters.malformed++;
	answer_status(&request->answer, status);
	sink_store_record(request->path, envelope, &nothing, NULL, status);
}

/*
 * Note that the key has a request in flight. One that came for another event of the key and is
 * not answered yet, its sender still waiting, is an overlap: a lane had two at once.
 */
static void
key_in_flight(SinkRequest *request, struct MHD_Connection *connection, SinkKey *key,
			  const SinkId *id)
{
	if (key->in_flight > 0 && key->latest_request != NULL && key->latest_id != id->entry.index &&
		!sink_peer_gone(key->latest_request))
		request->path->counters.overlaps++;
	key->in_flight++;
	key->latest_request = connection;
	key->latest_id = id->entry.index;
	if (request->n_keys == request->cap_keys)
	{
		request->cap_keys = request->cap_keys > 0 ? request->cap_keys * 2 : 1;
		request->keys = sink_realloc(request->keys, request->cap_keys * sizeof(SinkKey *));
	}
	request->keys[request->n_keys++] = key;
	request->epoch = request->path->epoch;
}

static void
decide_single(SinkRequest *request, struct MHD_Connection *connection,
			  const SinkBehaviour *behaviour, const SinkEnvelope *envelope, SinkEventReader *reader)
{
	SinkEvent event;
	SinkId *id;
	SinkKey *key;
	uint32_t attempt;
	bool rejected = request->path->n_secrets > 0 && envelope->signature != SINK_SIGNATURE_OK;

	if (sink_event_next(reader, &event) <= 0)
	{
		count_malformed(request, envelope, rejected ? 401 : 400);
		return;
	}
	id = sink_store_attempt(request->path, &event, &attempt);
	if (rejected)
		answer_status(&request->answer, 401);
	else
		sink_behave_decide(behaviour, event.key, event.id, attempt, &request->answer);
	key = sink_store_record(request->path, envelope, &event, id, recorded_status(&request->answer));
	if (key != NULL && id != NULL && !rejected)
		key_in_flight(request, connection, key, id);
}

/*
 * One answer for the whole batch: that of its first event that gets a fault, else the first's. With
 * `results`, a status is the event's own.
 */
static void
decide_batch(SinkRequest *request, struct MHD_Connection *connection,
			 const SinkBehaviour *behaviour, SinkEnvelope *envelope, const SinkHeaders *headers,
			 SinkText body)
{
	SinkEventReader reader;
	SinkEvent event;
	SinkKey *key;
	bool rejected = request->path->n_secrets > 0 && envelope->signature != SINK_SIGNATURE_OK;
	int more;
	size_t i;

	sink_store_batch(request->path, envelope, body);
	n_decisions = 0;
	answer_status(&request->answer, 200);
	request->answer.fault = SINK_FAULT_NONE;
	sink_event_open(&reader, headers, body);
	while ((more = sink_event_next(&reader, &event)) > 0)
		decide_event(request, behaviour, &event);
	if (rejected)
		answer_status(&request->answer, 401);
	else if (more < 0)
		answer_status(&request->answer, 400);
	else if (behaviour->results && request->answer.fault <= SINK_FAULT_STATUS)
	{
		request->answer.fault = SINK_FAULT_RESULTS;
		request->answer.status = 207;
	}
	if (more < 0)
		request->path->counters.malformed++;

	sink_event_open(&reader, headers, body);
	for (i = 0; i < n_decisions && sink_event_next(&reader, &event) > 0; i++)
	{
		if (request->answer.fault == SINK_FAULT_RESULTS)
			append_result(&request->results, &event, decisions[i].status, i == 0);
		else
			decisions[i].status = recorded_status(&request->answer);
		key = sink_store_record(request->path, envelope, &event, decisions[i].id,
								decisions[i].status);
		if (key != NULL && decisions[i].id != NULL && !rejected && more == 0)
			key_in_flight(request, connection, key, decisions[i].id);
	}
	if (request->answer.fault == SINK_FAULT_RESULTS)
		sink_buffer_printf(&request->results, "%s]}", n_decisions == 0 ? "{\"results\":[" : "");
	if ((int64_t) n_decisions > request->path->counters.max_batch)
		request->path->counters.max_batch = (int64_t) n_decisions;
}

/* What one event of a batch would get, and what the batch gets for it. */
static void
decide_event(SinkRequest *request, const SinkBehaviour *behaviour, const SinkEvent *event)
{
	static SinkAnswer answer;
	Decision *decision;
	uint32_t attempt;
	int delay_ms = request->answer.delay_ms;

	if (n_decisions == cap_decisions)
	{
		cap_decisions = cap_decisions > 0 ? cap_decisions * 2 : 1024;
		decisions = sink_realloc(decisions, cap_decisions * sizeof(Decision));
	}
	decision = &decisions[n_decisions++];
	decision->id = sink_store_attempt(request->path, event, &attempt);
	sink_behave_decide(behaviour, event->key, event->id, attempt, &answer);
	decision->status = recorded_status(&answer);
	/* with results, what is worse than a status is the whole batch's, whoever comes first */
	if (request->answer.fault == SINK_FAULT_NONE ||
		(behaviour->results && request->answer.fault == SINK_FAULT_STATUS &&
		 answer.fault > SINK_FAULT_STATUS))
		request->answer = answer;
	if (request->answer.delay_ms < delay_ms)
		request->answer.delay_ms = delay_ms;
}

static void
append_result(SinkBuffer *results, const SinkEvent *event, int status, bool first)
{
	sink_buffer_printf(results, "%s{\"id\":", first ? "{\"results\":[" : ",");
	sink_buffer_json(results, event->id.s, event->id.len);
	sink_buffer_printf(results, ",\"status\":%d", status);
	if (status >= 200 && status < 300)
		sink_buffer_printf(results, ",\"remote_id\":\"r-%.*s\"}", (int) event->id.len, event->id.s);
	else
		sink_buffer_printf(results, ",\"error\":\"status %d, as set for this path\"}", status);
}

void
sink_delivery_decide(SinkRequest *request, struct MHD_Connection *connection)
{
	SinkPath *path = request->path;
	SinkText body = {request->body.data, request->body.len};
	SinkHeaders headers;
	SinkEnvelope envelope;
	SinkEventReader reader;
	const SinkBehaviour *behaviour;
	const SinkBehaviour *quota = NULL;

	memset(&headers, 0, sizeof(headers));
	memset(&envelope, 0, sizeof(envelope));
	if (body.s == NULL)
		body.s = "";
	MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, &headers);
	envelope.at_us = sink_now_us();
	envelope.signature =
		sink_verify(path->secrets, path->n_secrets, headers.webhook_id, headers.webhook_timestamp,
					headers.webhook_signature, body, envelope.at_us);
	envelope.webhook_id = headers.webhook_id;
	envelope.idempotency_key = headers.idempotency_key;
	envelope.traceparent = headers.traceparent;
	if (headers.webhook_timestamp != NULL)
		envelope.webhook_timestamp = strtoll(headers.webhook_timestamp, NULL, 10);

	path->counters.requests++;
	if ((int64_t) body.len > path->counters.max_body_bytes)
		path->counters.max_body_bytes = (int64_t) body.len;
	behaviour = behaviour_for(path, connection);
	if (behaviour != NULL && behaviour->quota_limit > 0)
	{
		quota = behaviour;
		behaviour = spend_quota(path, quota);
	}
	if (request->too_large)
		count_malformed(request, &envelope, 413);
	else if (behaviour == NULL || !sink_event_open(&reader, &headers, body))
		count_malformed(request, &envelope, 400);
	else
	{
		envelope.batch = reader.batch;
		if (reader.batch)
			decide_batch(request, connection, behaviour, &envelope, &headers, body);
		else
			decide_single(request, connection, behaviour, &envelope, &reader);
	}
	request->answer.quota_limit = 0;
	if (quota != NULL)
	{
		int64_t left = quota->quota_limit - quota->quota_used - path->quota_spent;

		request->answer.quota_limit = quota->quota_limit;
		request->answer.quota_left = left > 0 ? left : 0;
		request->answer.quota_reset = quota->quota_reset;
	}
	if (path->waits != NULL)
		sink_control_notify(path);
}
