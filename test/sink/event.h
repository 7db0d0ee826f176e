/*
 * event.h
 *	  Finding the events in a request: structured CloudEvents, a batch of them, plain JSON, or data
 *	  alone with the attributes in ce-* headers.
 */
#ifndef SINK_EVENT_H
#define SINK_EVENT_H

#include "json.h"
#include "store.h"

/* The headers that matter; values are NULL where a header is missing. */
typedef struct SinkHeaders
{
	const char *content_type;
	const char *webhook_id;
	const char *webhook_timestamp;
	const char *webhook_signature;
	const char *idempotency_key;
	const char *traceparent;
	const char *ce_id;
	const char *ce_time;
	const char *ce_subject;
	const char *ce_ticket;
	const char *ce_sequence;
} SinkHeaders;

/* Where a request's events are read from, one after the other. */
typedef struct SinkEventReader
{
	const SinkHeaders *headers;
	SinkJsonCursor cursor;
	SinkJson single;
	bool batch;
	bool cloudevents; /* each has to have what a CloudEvent must have */
	bool done;
	char id[SINK_KEY_CAP];
	char key[SINK_KEY_CAP];
} SinkEventReader;

/* Take one header into *headers if it matters. The value is not copied. */
extern void sink_headers_take(SinkHeaders *headers, const char *name, const char *value);

/*
 * False where the body is no JSON object and no array, or is not the one of them that its media type
 * says.
 */
extern bool sink_event_open(SinkEventReader *reader, const SinkHeaders *headers, SinkText body);

/*
 * The next event: 1, 0 at the end, -1 where it is malformed. Its texts live until the next call,
 * in the reader or in the body.
 */
extern int sink_event_next(SinkEventReader *reader, SinkEvent *event);

#endif
