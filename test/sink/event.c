/*
 * event.c
 *	  Finding id, key, version and time in what arrived.
 *
 * Pure functions of the HTTP thread. A name inside "data" wins over the same name beside it; what
 * neither has is taken from the headers.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "event.h"

/* Members found so far; len 0 and kind WORD where not found. */
typedef struct Found
{
	SinkJson id;
	SinkJson event_id;
	SinkJson ticket;
	SinkJson subject;
	SinkJson version;
	SinkJson sequence;
	SinkJson time;
	SinkJson data;
	SinkJson specversion;
	SinkJson source;
	SinkJson type;
	bool stale;
} Found;

static bool has_media_type(const SinkHeaders *headers, const char *type);
static bool is_cloudevent(const Found *found);
static bool read_members(const SinkJson *object, Found *found);
static void take_member(SinkText name, const SinkJson *value, Found *found);
static SinkText first_text(char *out, const SinkJson *a, const SinkJson *b, const char *c,
						   const char *d);

void
sink_headers_take(SinkHeaders *headers, const char *name, const char *value)
{
	switch (name[0] | 0x20)
	{
		case 'w':
			if (strcasecmp(name, "webhook-id") == 0)
				headers->webhook_id = value;
			else if (strcasecmp(name, "webhook-timestamp") == 0)
				headers->webhook_timestamp = value;
			else if (strcasecmp(name, "webhook-signature") == 0)
				headers->webhook_signature = value;
			break;
		case 'i':
			if (strcasecmp(name, "idempotency-key") == 0)
				headers->idempotency_key = value;
			break;
		case 't':
			if (strcasecmp(name, "traceparent") == 0)
				headers->traceparent = value;
			break;
		case 'c':
			if (strcasecmp(name, "ce-id") == 0)
				headers->ce_id = value;
			else if (strcasecmp(name, "ce-time") == 0)
				headers->ce_time = value;
			else if (strcasecmp(name, "ce-subject") == 0)
				headers->ce_subject = value;
			else if (strcasecmp(name, "ce-ticketid") == 0)
				headers->ce_ticket = value;
			else if (strcasecmp(name, "ce-sequence") == 0)
				headers->ce_sequence = value;
			else if (strcasecmp(name, "content-type") == 0)
				headers->content_type = value;
			break;
		default:
			break;
	}
}

/* Parameters, such as a charset, may follow. */
static bool
has_media_type(const SinkHeaders *headers, const char *type)
{
	size_t len = strlen(type);

	return headers->content_type != NULL && strncasecmp(headers->content_type, type, len) == 0 &&
		   strchr("; \t", headers->content_type[len]) != NULL;
}

bool
sink_event_open(SinkEventReader *reader, const SinkHeaders *headers, SinkText body)
{
	bool one = has_media_type(headers, "application/cloudevents+json");
	bool several = has_media_type(headers, "application/cloudevents-batch+json");

	reader->headers = headers;
	reader->done = false;
	reader->batch = false;
	reader->cloudevents = one || several;
	if (!sink_json_parse(body, &reader->single) ||
		(one && reader->single.kind != SINK_JSON_OBJECT) ||
		(several && reader->single.kind != SINK_JSON_ARRAY))
		return false;
	if (reader->single.kind == SINK_JSON_ARRAY)
	{
		reader->batch = true;
		sink_json_open(&reader->cursor, &reader->single);
		return true;
	}
	return reader->single.kind == SINK_JSON_OBJECT;
}

static void
take_member(SinkText name, const SinkJson *value, Found *found)
{
	if (value->kind == SINK_JSON_WORD && value->text.s[0] == 'n')
		return;
	switch (name.len)
	{
		case 2:
			if (sink_text_equal(name, "id"))
				found->id = *value;
			break;
		case 4:
			if (sink_text_equal(name, "time"))
				found->time = *value;
			else if (sink_text_equal(name, "type"))
				found->type = *value;
			else if (sink_text_equal(name, "data") && value->kind == SINK_JSON_OBJECT)
				found->data = *value;
			break;
		case 5:
			if (sink_text_equal(name, "stale"))
				found->stale = sink_json_true(value);
			break;
		case 6:
			if (sink_text_equal(name, "source"))
				found->source = *value;
			break;
		case 7:
			if (sink_text_equal(name, "version"))
				found->version = *value;
			else if (sink_text_equal(name, "subject"))
				found->subject = *value;
			break;
		case 8:
			if (sink_text_equal(name, "event_id"))
				found->event_id = *value;
			else if (sink_text_equal(name, "ticketid") && found->ticket.text.len == 0)
				found->ticket = *value;
			else if (sink_text_equal(name, "sequence"))
				found->sequence = *value;
			break;
		case 9:
			if (sink_text_equal(name, "ticket_id"))
				found->ticket = *value;
			else if (sink_text_equal(name, "timestamp") && found->time.text.len == 0)
				found->time = *value;
			break;
		case 11:
			if (sink_text_equal(name, "occurred_at") && found->time.text.len == 0)
				found->time = *value;
			else if (sink_text_equal(name, "specversion"))
				found->specversion = *value;
			break;
		default:
			break;
	}
}

/* The attributes that every CloudEvent has. */
static bool
is_cloudevent(const Found *found)
{
	return sink_text_equal(found->specversion.text, "1.0") && found->id.text.len > 0 &&
		   found->source.text.len > 0 && found->type.text.len > 0;
}

static bool
read_members(const SinkJson *object, Found *found)
{
	SinkJsonCursor cursor;
	SinkText name;
	SinkJson value;
	int more;

	sink_json_open(&cursor, object);
	while ((more = sink_json_next_member(&cursor, &name, &value)) > 0)
		take_member(name, &value, found);
	return more == 0;
}

/* The first of two members and two headers that is there. out has SINK_KEY_CAP bytes. */
static SinkText
first_text(char *out, const SinkJson *a, const SinkJson *b, const char *c, const char *d)
{
	const SinkJson *value = a->text.len > 0 ? a : b;
	const char *header = c != NULL ? c : d;
	SinkText text = {out, 0};

	if (value->text.len > 0)
		text.len = sink_json_text(value, out, SINK_KEY_CAP);
	else if (header != NULL)
	{
		text.s = header;
		text.len = strlen(header);
	}
	return text;
}

int
sink_event_next(SinkEventReader *reader, SinkEvent *event)
{
	const SinkHeaders *headers = reader->headers;
	SinkJson object = reader->single;
	SinkJson envelope_id;
	SinkJson header_value = {SINK_JSON_STRING, {NULL, 0}};
	Found found;
	int more;

	if (reader->done)
		return 0;
	if (reader->batch)
	{
		more = sink_json_next_element(&reader->cursor, &object);
		if (more <= 0)
			return more;
	}
	else
		reader->done = true;
	memset(&found, 0, sizeof(found));
	if (object.kind != SINK_JSON_OBJECT || !read_members(&object, &found) ||
		(reader->cloudevents && !is_cloudevent(&found)))
		return -1;
	envelope_id = found.id;
	if (found.data.text.len > 0 && !read_members(&found.data, &found))
		return -1;

	/* In binary mode the body is the data: a member "id" there is none of the event's. */
	if (headers->ce_id != NULL && !reader->batch)
		event->id = first_text(reader->id, &header_value, &header_value, headers->ce_id, NULL);
	else
		event->id =
			first_text(reader->id, &envelope_id, &found.event_id, headers->webhook_id, NULL);
	if (found.ticket.text.len > 0 || headers->ce_ticket != NULL)
		event->key =
			first_text(reader->key, &found.ticket, &found.ticket, headers->ce_ticket, NULL);
	else
		event->key =
			first_text(reader->key, &found.subject, &found.subject, headers->ce_subject, NULL);

	event->version = 0;
	if (found.version.text.len == 0)
		found.version = found.sequence;
	if (found.version.text.len == 0 && headers->ce_sequence != NULL)
	{
		found.version = header_value;
		found.version.text.s = headers->ce_sequence;
		found.version.text.len = strlen(headers->ce_sequence);
	}
	event->has_version = sink_json_integer(&found.version, &event->version);
	if (found.time.text.len == 0 && headers->ce_time != NULL)
	{
		found.time = header_value;
		found.time.text.s = headers->ce_time;
		found.time.text.len = strlen(headers->ce_time);
	}
	if (!sink_json_time(&found.time, &event->time_us))
		event->time_us = 0;
	event->stale = found.stale;
	event->body_hash = sink_hash(object.text.s, object.text.len, 1) | 1;
	return 1;
}
