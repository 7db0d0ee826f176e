/*
 * webhook.c
 *	  The `webhook` transport: one event a request, signed as Standard Webhooks has it, with
 *	  CloudEvents or plain JSON as the body. Runs in the dispatcher for every request, and in a
 *	  backend that tests a destination. No table, no lock.
 *
 * What names the event to the receiver (webhook-id, CloudEvents id, Idempotency-Key) and the body
 * depend on the event alone and are the same at every attempt; the timestamp, the signature over it
 * and the parent in traceparent are each attempt's own.
 */
#include "postgres.h"

#include "event/json.h"
#include "transport/cloudevent.h"
#include "transport/outcome.h"
#include "transport/sign.h"
#include "transport/trace.h"
#include "transport/webhook.h"
#include "transport/webhook_config.h"
#include "utils/timestamp.h"

#define SIGNING_SECRET "signing"
#define TYPE_PREFIX "cx."
#define SOURCE_PREFIX "/cxsig/"
#define PING_SOURCE "/cxsig"
#define SEQUENCE_DIGITS 20

/* content-type, webhook-id, -timestamp, -signature, idempotency-key, traceparent, tracestate */
#define OWN_HEADERS 7

/* Room for the texts of one request that are not the body; names may add to it. */
#define TEXT_SIZE 512

typedef struct CxsigWebhook
{
	CxsigTransport base; /* must be first */
	const CxsigView *view;
	CxsigWebhookConfig config;
	CxsigSigner *signer;  /* NULL: unsigned */
	CxsigSecret *secrets; /* those that headers name, newest first */
	int n_secrets;
} CxsigWebhook;

/* One request on its way: the texts its headers point to, and the headers. */
typedef struct WebhookRequest
{
	CxsigWebhook *webhook;
	CxsigRequest *request;
	TimestampTz at;
	StringInfoData text; /* never grows: see start_request */
	CxsigCloudEvent event;
} WebhookRequest;

static CxsigTransport *webhook_prepare(Jsonb *config, const CxsigSecret *secrets, int n_secrets,
									   const CxsigView *view, const char *destination_name);
static int webhook_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						 int max_bytes, CxsigRequest *request);
static void webhook_build_ping(CxsigTransport *transport, CxsigRequest *request);
static void webhook_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						 const CxsigResponse *response, CxsigResult *results);
static void take_secrets(CxsigWebhook *webhook, const CxsigSecret *secrets, int n_secrets);
static bool is_named_by_header(const CxsigWebhook *webhook, const char *secret);
static const char *current_secret(const CxsigWebhook *webhook, const char *name, TimestampTz at);
static void start_request(WebhookRequest *this, CxsigWebhook *webhook, CxsigRequest *request,
						  TimestampTz at, size_t names_len);
static void start_body(WebhookRequest *this);
static void finish_request(WebhookRequest *this, const pg_uuid_t *id);
static void add_header(CxsigRequest *request, char *name, const char *value);
static void add_signature(WebhookRequest *this);
static void add_idempotency_key(WebhookRequest *this);
static void add_trace(WebhookRequest *this, const pg_uuid_t *id);
static void add_config_headers(WebhookRequest *this);
static const char *put_text(StringInfo text, const char *a, const char *b);
static const char *put_uuid(StringInfo text, const pg_uuid_t *uuid);
static const char *put_timestamp(StringInfo text, TimestampTz at);
static const char *put_number(StringInfo text, int64 value, int width);

const CxsigTransportOps cxsig_webhook_ops = {
	.name = "webhook",
	.prepare = webhook_prepare,
	.build = webhook_build,
	.build_ping = webhook_build_ping,
	.read = webhook_read,
};

static CxsigTransport *
webhook_prepare(Jsonb *config, const CxsigSecret *secrets, int n_secrets, const CxsigView *view,
				const char *destination_name)
{
	CxsigWebhook *webhook = palloc0(sizeof(CxsigWebhook));

	webhook->base.ops = &cxsig_webhook_ops;
	webhook->base.max_batch = 1;
	webhook->view = view;
	cxsig_webhook_config_parse(config, pstrdup(destination_name), &webhook->config);
	if (n_secrets >= 0)
		take_secrets(webhook, secrets, n_secrets);
	return &webhook->base;
}

/* Keys for signing, values for headers. What is neither was set for nothing, and is let be. */
static void
take_secrets(CxsigWebhook *webhook, const CxsigSecret *secrets, int n_secrets)
{
	const char *destination = webhook->config.destination;

	webhook->secrets = palloc0(sizeof(CxsigSecret) * Max(n_secrets, 1));
	for (int i = 0; i < n_secrets; i++)
	{
		CxsigSecret *kept = &webhook->secrets[webhook->n_secrets];

		if (strcmp(secrets[i].name, SIGNING_SECRET) == 0)
		{
			if (webhook->signer == NULL)
				webhook->signer = cxsig_sign_create();
			cxsig_sign_add_key(webhook->signer, secrets[i].value, secrets[i].expires_at,
							   destination);
		}
		if (!is_named_by_header(webhook, secrets[i].name))
			continue;
		if (!cxsig_webhook_is_header_value(secrets[i].value))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("secret \"%s\" of destination \"%s\" cannot be sent in a header",
								   secrets[i].name, destination),
							errdetail("A header's value is ASCII without control characters or "
									  "spaces around it.")));
		kept->name = pstrdup(secrets[i].name);
		kept->value = pstrdup(secrets[i].value);
		kept->expires_at = secrets[i].expires_at;
		webhook->n_secrets++;
	}

	for (int i = 0; i < webhook->config.n_headers; i++)
	{
		const CxsigWebhookHeader *header = &webhook->config.headers[i];

		if (header->secret != NULL && current_secret(webhook, header->secret, DT_NOBEGIN) == NULL)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("header \"%s\" of destination \"%s\" needs the secret \"%s\"",
								   header->name, destination, header->secret),
							errhint("Set it with cxsig.set_secret('%s', '%s', ...).", destination,
									header->secret)));
	}
}

static bool
is_named_by_header(const CxsigWebhook *webhook, const char *secret)
{
	for (int i = 0; i < webhook->config.n_headers; i++)
	{
		const char *named = webhook->config.headers[i].secret;

		if (named != NULL && strcmp(named, secret) == 0)
			return true;
	}
	return false;
}

/* The value of the newest secret of that name that has not expired at `at`, or NULL. */
static const char *
current_secret(const CxsigWebhook *webhook, const char *name, TimestampTz at)
{
	for (int i = 0; i < webhook->n_secrets; i++)
	{
		const CxsigSecret *secret = &webhook->secrets[i];

		if (secret->expires_at > at && strcmp(secret->name, name) == 0)
			return secret->value;
	}
	return NULL;
}

static int
webhook_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
			  CxsigRequest *request)
{
	CxsigWebhook *webhook = (CxsigWebhook *) transport;
	const CxsigEvent *event = attempts[0].event;
	const char *source = webhook->config.ce_source;
	WebhookRequest this;

	Assert(n == 1);
	start_request(&this, webhook, request, attempts[0].at,
				  strlen(event->event_type) + strlen(event->source_system));
	this.event.id = put_uuid(&this.text, &event->event_id);
	this.event.source =
		source != NULL ? source : put_text(&this.text, SOURCE_PREFIX, event->source_system);
	this.event.type = put_text(&this.text, TYPE_PREFIX, event->event_type);
	this.event.time = put_timestamp(&this.text, event->occurred_at);
	this.event.subject = event->ticket_id;
	this.event.sequence = put_number(&this.text, event->version, SEQUENCE_DIGITS);
	if (cxsig_trace_is_valid(event->traceparent))
	{
		this.event.traceparent = event->traceparent;
		if (cxsig_trace_is_valid_state(event->tracestate))
			this.event.tracestate = event->tracestate;
	}

	start_body(&this);
	cxsig_event_render(webhook->view, event, &request->body);
	finish_request(&this, &event->event_id);
	return 1;
}

static void
webhook_build_ping(CxsigTransport *transport, CxsigRequest *request)
{
	CxsigWebhook *webhook = (CxsigWebhook *) transport;
	const char *source = webhook->config.ce_source;
	TimestampTz now = GetCurrentTimestamp();
	pg_uuid_t id = cxsig_uuid_v7(now);
	WebhookRequest this;

	start_request(&this, webhook, request, now, 0);
	this.event.id = put_uuid(&this.text, &id);
	this.event.source = source != NULL ? source : PING_SOURCE;
	this.event.type = TYPE_PREFIX "ping";
	this.event.time = put_timestamp(&this.text, now);

	start_body(&this);
	appendStringInfoString(&request->body, "{\"ping\":true,\"destination\":");
	cxsig_json_append_string(&request->body, webhook->config.destination);
	appendStringInfoChar(&request->body, '}');
	finish_request(&this, &id);
}

static void
start_request(WebhookRequest *this, CxsigWebhook *webhook, CxsigRequest *request, TimestampTz at,
			  size_t names_len)
{
	int most = OWN_HEADERS + webhook->config.n_headers +
			   (webhook->config.format == CXSIG_FORMAT_BINARY ? CXSIG_CLOUDEVENT_HEADERS : 0);

	memset(this, 0, sizeof(*this));
	this->webhook = webhook;
	this->request = request;
	this->at = at;
	/* sized once for all that is put into it, so that pointers into it stay good */
	initStringInfo(&this->text);
	enlargeStringInfo(&this->text, TEXT_SIZE + (int) names_len);

	request->method = "POST";
	request->url = webhook->config.url;
	request->headers = palloc(sizeof(CxsigHeader) * most);
	request->n_headers = 0;
	initStringInfo(&request->body);
}

/* The body as far as its data, which comes next. */
static void
start_body(WebhookRequest *this)
{
	StringInfo body = &this->request->body;

	switch (this->webhook->config.format)
	{
		case CXSIG_FORMAT_STRUCTURED:
			cxsig_cloudevent_append_start(&this->event, body);
			break;
		case CXSIG_FORMAT_PLAIN:
			appendStringInfoString(body, "{\"type\":");
			cxsig_json_append_string(body, this->event.type);
			appendStringInfoString(body, ",\"timestamp\":");
			cxsig_json_append_string(body, this->event.time);
			appendStringInfoString(body, ",\"data\":");
			break;
		case CXSIG_FORMAT_BINARY:
			break;
	}
}

/* Close the body, and set the headers: the signature needs the body whole. */
static void
finish_request(WebhookRequest *this, const pg_uuid_t *id)
{
	CxsigRequest *request = this->request;
	CxsigWebhookFormat format = this->webhook->config.format;

	if (format != CXSIG_FORMAT_BINARY)
		appendStringInfoChar(&request->body, '}');
	if (format == CXSIG_FORMAT_STRUCTURED)
		add_header(request, "Content-Type", "application/cloudevents+json; charset=UTF-8");
	else
		add_header(request, "Content-Type", "application/json");
	add_signature(this);
	add_idempotency_key(this);
	add_trace(this, id);
	if (format == CXSIG_FORMAT_BINARY)
		request->n_headers +=
			cxsig_cloudevent_write_headers(&this->event, request->headers + request->n_headers);
	add_config_headers(this);
}

static void
add_header(CxsigRequest *request, char *name, const char *value)
{
	CxsigHeader *header = &request->headers[request->n_headers++];

	header->name = name;
	header->value = unconstify(char *, value);
}

static void
add_signature(WebhookRequest *this)
{
	CxsigRequest *request = this->request;
	const char *timestamp;
	StringInfoData signature;

	timestamp = put_number(&this->text,
						   this->at / USECS_PER_SEC +
							   (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * INT64CONST(86400),
						   0);
	add_header(request, "webhook-id", this->event.id);
	add_header(request, "webhook-timestamp", timestamp);
	if (this->webhook->signer == NULL)
		return;
	initStringInfo(&signature);
	if (cxsig_sign_append(this->webhook->signer, this->at, this->event.id, timestamp,
						  request->body.data, request->body.len, &signature))
		add_header(request, "webhook-signature", signature.data);
}

static void
add_idempotency_key(WebhookRequest *this)
{
	switch (this->webhook->config.key_style)
	{
		case CXSIG_KEY_BARE:
			add_header(this->request, "Idempotency-Key", this->event.id);
			break;
		case CXSIG_KEY_QUOTED:
			add_header(this->request, "Idempotency-Key", psprintf("\"%s\"", this->event.id));
			break;
		case CXSIG_KEY_OFF:
			break;
	}
}

static void
add_trace(WebhookRequest *this, const pg_uuid_t *id)
{
	char *traceparent = this->text.data + this->text.len;

	Assert(this->text.len + CXSIG_TRACEPARENT_LEN < this->text.maxlen);
	cxsig_trace_write(this->event.traceparent, id, traceparent);
	this->text.len += CXSIG_TRACEPARENT_LEN + 1;
	add_header(this->request, "traceparent", traceparent);
	if (this->event.tracestate != NULL)
		add_header(this->request, "tracestate", this->event.tracestate);
}

/* A secret that has expired is left out: the receiver's refusal then stops the destination. */
static void
add_config_headers(WebhookRequest *this)
{
	const CxsigWebhookConfig *config = &this->webhook->config;

	for (int i = 0; i < config->n_headers; i++)
	{
		const CxsigWebhookHeader *header = &config->headers[i];
		const char *value = header->value;

		if (header->secret != NULL)
			value = current_secret(this->webhook, header->secret, this->at);
		if (value != NULL)
			add_header(this->request, header->name, value);
	}
}

static void
webhook_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
			 const CxsigResponse *response, CxsigResult *results)
{
	CxsigWebhook *webhook = (CxsigWebhook *) transport;

	Assert(n == 1);
	cxsig_outcome_read(response, &results[0]);
	/* to an Idempotency-Key it means that the first request is still being worked on */
	if (response->status == 409 && webhook->config.key_style != CXSIG_KEY_OFF)
	{
		results[0].outcome = CXSIG_RETRY;
		results[0].retry_after_ms = response->retry_after_ms;
	}
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

static const char *
put_uuid(StringInfo text, const pg_uuid_t *uuid)
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
