/*
 * webhook_request.c
 *	  A webhook's request: the body event by event, the signature and the other headers. Runs in the
 *	  dispatcher for every request, and in a backend that tests a destination. No table, no lock.
 *
 * What names an event or a request to the receiver, and the body, depend on the events alone and are
 * the same at every attempt; the timestamp, the signature over it and the parent in traceparent are
 * each attempt's own.
 */
#include "postgres.h"

#include "event/json.h"
#include "transport/credential.h"
#include "transport/trace.h"
#include "transport/webhook_request.h"
#include "utils/timestamp.h"

#define TYPE_PREFIX "cx."
#define SOURCE_PREFIX "/cxsig/"
#define PING_SOURCE "/cxsig"
#define SEQUENCE_DIGITS 20

/*
 * content-type, webhook-id, -timestamp, -signature, idempotency-key, traceparent, tracestate,
 * authorization
 */
#define OWN_HEADERS 8

/* Room for an event's attributes, its names not counted, and for the values of headers beside them. */
#define EVENT_TEXT_SIZE 256
#define HEADER_TEXT_SIZE 256

static bool has_attributes_in_headers(const CxsigWebhook *webhook);
static void append_plain_start(const CxsigCloudEvent *event, StringInfo body);
static const char *content_type(CxsigWebhookFormat format);
static void add_header(CxsigRequest *request, char *name, const char *value);
static void add_signature(CxsigWebhookRequest *this);
static void add_idempotency_key(CxsigWebhookRequest *this);
static void add_trace(CxsigWebhookRequest *this, const pg_uuid_t *id);
static void add_token(CxsigWebhookRequest *this);
static void add_config_headers(CxsigWebhookRequest *this);
static const char *put_text(StringInfo text, const char *a, const char *b);
static const char *put_timestamp(StringInfo text, TimestampTz at);
static const char *put_number(StringInfo text, int64 value, int width);

void
cxsig_webhook_start(CxsigWebhookRequest *this, CxsigWebhook *webhook, CxsigRequest *request,
					TimestampTz at)
{
	int most = OWN_HEADERS + webhook->config.n_headers +
			   (has_attributes_in_headers(webhook) ? CXSIG_CLOUDEVENT_HEADERS : 0);

	memset(this, 0, sizeof(*this));
	this->webhook = webhook;
	this->request = request;
	this->at = at;
	initStringInfo(&this->text);

	request->method = "POST";
	request->url = webhook->config.url;
	request->tls = webhook->config.tls;
	request->headers = palloc(sizeof(CxsigHeader) * most);
	request->n_headers = 0;
	initStringInfo(&request->body);
}

void
cxsig_webhook_describe(const CxsigWebhook *webhook, const CxsigEvent *event, StringInfo text,
					   CxsigCloudEvent *into)
{
	const char *source = webhook->config.ce_source;

	memset(into, 0, sizeof(*into));
	enlargeStringInfo(text, EVENT_TEXT_SIZE + HEADER_TEXT_SIZE + (int) strlen(event->event_type) +
								(int) strlen(event->source_system));
	into->id = cxsig_webhook_put_uuid(text, &event->event_id);
	into->source = source != NULL ? source : put_text(text, SOURCE_PREFIX, event->source_system);
	into->type = put_text(text, TYPE_PREFIX, event->event_type);
	into->time = put_timestamp(text, event->occurred_at);
	into->subject = event->ticket_id;
	into->sequence = put_number(text, event->version, SEQUENCE_DIGITS);
	if (cxsig_trace_is_valid(event->traceparent))
	{
		into->traceparent = event->traceparent;
		if (cxsig_trace_is_valid_state(event->tracestate))
			into->tracestate = event->tracestate;
	}
}

void
cxsig_webhook_describe_ping(const CxsigWebhook *webhook, const pg_uuid_t *id, TimestampTz at,
							StringInfo text, CxsigCloudEvent *into)
{
	const char *source = webhook->config.ce_source;

	memset(into, 0, sizeof(*into));
	enlargeStringInfo(text, EVENT_TEXT_SIZE + HEADER_TEXT_SIZE);
	into->id = cxsig_webhook_put_uuid(text, id);
	into->source = source != NULL ? source : PING_SOURCE;
	into->type = TYPE_PREFIX "ping";
	into->time = put_timestamp(text, at);
}

void
cxsig_webhook_open_event(const CxsigWebhook *webhook, const CxsigCloudEvent *event, StringInfo body)
{
	switch (webhook->config.format)
	{
		case CXSIG_FORMAT_STRUCTURED:
		case CXSIG_FORMAT_CLOUDEVENTS_BATCH:
			cxsig_cloudevent_append_start(event, body);
			break;
		case CXSIG_FORMAT_JSON_ARRAY:
			/* in a request of one event the headers name it */
			appendStringInfoString(body, "{\"id\":");
			cxsig_json_append_string(body, event->id);
			appendStringInfoString(body, ",\"type\":");
			append_plain_start(event, body);
			break;
		case CXSIG_FORMAT_PLAIN:
			appendStringInfoString(body, "{\"type\":");
			append_plain_start(event, body);
			break;
		case CXSIG_FORMAT_BINARY:
			break;
	}
}

/* {"type": as far as the data */
static void
append_plain_start(const CxsigCloudEvent *event, StringInfo body)
{
	cxsig_json_append_string(body, event->type);
	appendStringInfoString(body, ",\"timestamp\":");
	cxsig_json_append_string(body, event->time);
	appendStringInfoString(body, ",\"data\":");
}

void
cxsig_webhook_close_event(const CxsigWebhook *webhook, StringInfo body)
{
	if (!has_attributes_in_headers(webhook))
		appendStringInfoChar(body, '}');
}

/* The signature needs the body whole. */
void
cxsig_webhook_finish(CxsigWebhookRequest *this, const pg_uuid_t *id)
{
	CxsigRequest *request = this->request;

	add_header(request, "Content-Type", content_type(this->webhook->config.format));
	add_signature(this);
	add_idempotency_key(this);
	add_trace(this, id);
	if (has_attributes_in_headers(this->webhook))
		request->n_headers +=
			cxsig_cloudevent_write_headers(&this->event, request->headers + request->n_headers);
	add_token(this);
	add_config_headers(this);
}

static bool
has_attributes_in_headers(const CxsigWebhook *webhook)
{
	return webhook->config.format == CXSIG_FORMAT_BINARY;
}

static const char *
content_type(CxsigWebhookFormat format)
{
	switch (format)
	{
		case CXSIG_FORMAT_STRUCTURED:
			return "application/cloudevents+json; charset=UTF-8";
		case CXSIG_FORMAT_CLOUDEVENTS_BATCH:
			return "application/cloudevents-batch+json; charset=UTF-8";
		case CXSIG_FORMAT_BINARY:
		case CXSIG_FORMAT_PLAIN:
		case CXSIG_FORMAT_JSON_ARRAY:
			break;
	}
	return "application/json";
}

static void
add_header(CxsigRequest *request, char *name, const char *value)
{
	CxsigHeader *header = &request->headers[request->n_headers++];

	header->name = name;
	header->value = unconstify(char *, value);
}

static void
add_signature(CxsigWebhookRequest *this)
{
	CxsigRequest *request = this->request;
	const char *timestamp;
	StringInfoData signature;

	timestamp = put_number(&this->text,
						   this->at / USECS_PER_SEC +
							   (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * INT64CONST(86400),
						   0);
	add_header(request, "webhook-id", this->id);
	add_header(request, "webhook-timestamp", timestamp);
	if (this->webhook->signer == NULL)
		return;
	initStringInfo(&signature);
	if (cxsig_sign_append(this->webhook->signer, this->at, this->id, timestamp, request->body.data,
						  request->body.len, &signature))
		add_header(request, "webhook-signature", signature.data);
}

static void
add_idempotency_key(CxsigWebhookRequest *this)
{
	switch (this->webhook->config.key_style)
	{
		case CXSIG_KEY_BARE:
			add_header(this->request, "Idempotency-Key", this->id);
			break;
		case CXSIG_KEY_QUOTED:
			add_header(this->request, "Idempotency-Key", psprintf("\"%s\"", this->id));
			break;
		case CXSIG_KEY_OFF:
			break;
	}
}

static void
add_trace(CxsigWebhookRequest *this, const pg_uuid_t *id)
{
	char *traceparent = this->text.data + this->text.len;

	Assert(this->text.len + CXSIG_TRACEPARENT_LEN < this->text.maxlen);
	cxsig_trace_write(this->event.traceparent, id, traceparent);
	this->text.len += CXSIG_TRACEPARENT_LEN + 1;
	add_header(this->request, "traceparent", traceparent);
	if (this->event.tracestate != NULL)
		add_header(this->request, "tracestate", this->event.tracestate);
}

static void
add_token(CxsigWebhookRequest *this)
{
	const CxsigCredential *credential = this->webhook->base.credential;

	if (credential != NULL && cxsig_credential_token(credential) != NULL)
		add_header(this->request, "Authorization",
				   psprintf("Bearer %s", cxsig_credential_token(credential)));
}

/* A secret that has expired is left out: the receiver's refusal then stops the destination. */
static void
add_config_headers(CxsigWebhookRequest *this)
{
	const CxsigWebhookConfig *config = &this->webhook->config;

	for (int i = 0; i < config->n_headers; i++)
	{
		const CxsigWebhookHeader *header = &config->headers[i];
		const char *value = header->value;

		if (header->secret != NULL)
			value = this->webhook->secrets == NULL
						? "***" /* a preview has no secrets */
						: cxsig_webhook_secret(this->webhook, header->secret, this->at);
		if (value != NULL)
			add_header(this->request, header->name, value);
	}
}

const char *
cxsig_webhook_secret(const CxsigWebhook *webhook, const char *name, TimestampTz at)
{
	for (int i = 0; i < webhook->n_secrets; i++)
	{
		const CxsigSecret *secret = &webhook->secrets[i];

		if (secret->expires_at > at && strcmp(secret->name, name) == 0)
			return secret->value;
	}
	return NULL;
}

/* Append a and b and a NUL; returns where they start. */
static const char *
put_text(StringInfo text, const char *a, const char *b)
{
	const char *start = text->data + text->len;

	appendStringInfoString(text, a);
	appendStringInfoString(text, b);
	appendStringInfoChar(text, '\0');
	Assert(start >= text->data && start < text->data + text->len);
	return start;
}

const char *
cxsig_webhook_put_uuid(StringInfo text, const pg_uuid_t *uuid)
{
	const char *start = text->data + text->len;

	cxsig_append_uuid(text, uuid);
	appendStringInfoChar(text, '\0');
	return start;
}

static const char *
put_timestamp(StringInfo text, TimestampTz at)
{
	const char *start = text->data + text->len;

	cxsig_append_timestamp(text, at);
	appendStringInfoChar(text, '\0');
	return start;
}

/* A number that is not negative, filled up with zeros to the width. */
static const char *
put_number(StringInfo text, int64 value, int width)
{
	char digits[24];
	char *at = digits + sizeof(digits) - 1;
	uint64 left = value > 0 ? (uint64) value : 0;

	*at = '\0';
	do
	{
		*--at = '0' + left % 10;
		left /= 10;
	} while (left > 0);
	while (digits + sizeof(digits) - 1 - at < width)
		*--at = '0';
	return put_text(text, at, "");
}
