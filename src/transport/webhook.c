/*
 * webhook.c
 *	  The `webhook` transport: signed as Standard Webhooks has it, with CloudEvents or plain JSON as
 *	  the body, one event a request or several (webhook_batch.c). Runs in the dispatcher for every
 *	  request, and in a backend that tests a destination. No table, no lock.
 */
#include "postgres.h"

#include "event/json.h"
#include "transport/credential.h"
#include "transport/ratelimit.h"
#include "transport/webhook.h"
#include "transport/webhook_batch.h"
#include "transport/webhook_results.h"
#include "utils/timestamp.h"

#define SIGNING_SECRET "signing"

static CxsigTransport *webhook_prepare(const CxsigTransportSource *source);
static int webhook_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						 int max_bytes, CxsigRequest *request);
static void webhook_build_ping(CxsigTransport *transport, CxsigRequest *request);
static void webhook_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						 const CxsigResponse *response, CxsigResult *results);
static void take_credential(CxsigWebhook *webhook, const CxsigTransportSource *source);
static void take_secrets(CxsigWebhook *webhook, const CxsigSecret *secrets, int n_secrets);
static bool is_named_by_header(const CxsigWebhook *webhook, const char *secret);

const CxsigTransportOps cxsig_webhook_ops = {
	.name = "webhook",
	.prepare = webhook_prepare,
	.build = webhook_build,
	.build_ping = webhook_build_ping,
	.read = webhook_read,
};

static CxsigTransport *
webhook_prepare(const CxsigTransportSource *source)
{
	CxsigWebhook *webhook = palloc0(sizeof(CxsigWebhook));

	webhook->base.ops = &cxsig_webhook_ops;
	webhook->view = source->view;
	cxsig_webhook_config_parse(source->config, pstrdup(source->destination), &webhook->config);
	webhook->base.max_batch =
		cxsig_webhook_is_batch(webhook->config.format) ? CXSIG_WEBHOOK_MAX_BATCH : 1;
	webhook->base.batches_by =
		psprintf("format \"%s\"", cxsig_webhook_format_name(webhook->config.format));
	webhook->base.batch_hint = "The formats \"cloudevents_batch\" and \"json_array\" carry several "
							   "events, if the receiver takes them.";
	if (source->n_secrets >= 0)
		take_secrets(webhook, source->secrets, source->n_secrets);
	if (webhook->config.auth)
		take_credential(webhook, source);
	return &webhook->base;
}

/* Nothing is known of who gives the tokens. */
static void
take_credential(CxsigWebhook *webhook, const CxsigTransportSource *source)
{
	static const char *const flows[] = {"client_credentials", "refresh_token", "jwt_bearer",
										"bearer", NULL};
	CxsigCredentialRules rules = {.flows = flows, .tls = webhook->config.tls};

	webhook->base.credential = cxsig_credential_create(source, &rules);
}

/* Keys for signing, values for headers. What is neither was set for nothing, and is let be. */
static void
take_secrets(CxsigWebhook *webhook, const CxsigSecret *secrets, int n_secrets)
{
	const char *destination = webhook->config.destination;

	if (webhook->config.tls != NULL)
		cxsig_tls_take_secrets(webhook->config.tls, secrets, n_secrets, destination);
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

		if (header->secret != NULL &&
			cxsig_webhook_secret(webhook, header->secret, DT_NOBEGIN) == NULL)
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

static int
webhook_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
			  CxsigRequest *request)
{
	CxsigWebhook *webhook = (CxsigWebhook *) transport;
	const CxsigEvent *event = attempts[0].event;
	CxsigWebhookRequest this;

	if (cxsig_webhook_is_batch(webhook->config.format))
		return cxsig_webhook_build_batch(webhook, attempts, n, max_bytes, request);

	cxsig_webhook_start(&this, webhook, request, attempts[0].at);
	cxsig_webhook_describe(webhook, event, &this.text, &this.event);
	cxsig_webhook_open_event(webhook, &this.event, &request->body);
	cxsig_event_render(webhook->view, event, &request->body);
	cxsig_webhook_close_event(webhook, &request->body);
	this.id = this.event.id;
	cxsig_webhook_finish(&this, &event->event_id);
	return 1;
}

static void
webhook_build_ping(CxsigTransport *transport, CxsigRequest *request)
{
	CxsigWebhook *webhook = (CxsigWebhook *) transport;
	bool batch = cxsig_webhook_is_batch(webhook->config.format);
	TimestampTz now = GetCurrentTimestamp();
	pg_uuid_t id = cxsig_uuid_v7(now);
	CxsigWebhookRequest this;

	cxsig_webhook_start(&this, webhook, request, now);
	cxsig_webhook_describe_ping(webhook, &id, now, &this.text, &this.event);
	if (batch)
		appendStringInfoChar(&request->body, '[');
	cxsig_webhook_open_event(webhook, &this.event, &request->body);
	appendStringInfoString(&request->body, "{\"ping\":true,\"destination\":");
	cxsig_json_append_string(&request->body, webhook->config.destination);
	appendStringInfoChar(&request->body, '}');
	cxsig_webhook_close_event(webhook, &request->body);
	if (batch)
		appendStringInfoChar(&request->body, ']');
	this.id = this.event.id; /* nobody repeats a ping, so it needs no id of a batch's own */
	cxsig_webhook_finish(&this, &id);
}

static void
webhook_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
			 const CxsigResponse *response, CxsigResult *results)
{
	CxsigWebhook *webhook = (CxsigWebhook *) transport;
	int64 hold_ms;

	/* a ping has no attempts: its status is all there is to know */
	if (attempts != NULL && cxsig_webhook_is_batch(webhook->config.format))
		cxsig_webhook_read_batch(webhook, attempts, n, response, results);
	else
		cxsig_webhook_read_status(webhook, response, &results[0]);
	hold_ms = cxsig_ratelimit_read(response, &transport->quota);
	results[0].retry_after_ms = Max(results[0].retry_after_ms, hold_ms);
}
