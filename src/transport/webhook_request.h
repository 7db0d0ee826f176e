/*
 * webhook_request.h
 *	  One request of a webhook destination: its body event by event, and the headers around it.
 *
 * What webhook.c (one event) and webhook_batch.c (several) share. Pure functions over memory.
 */
#ifndef CXSIG_WEBHOOK_REQUEST_H
#define CXSIG_WEBHOOK_REQUEST_H

#include "transport/cloudevent.h"
#include "transport/sign.h"
#include "transport/webhook_config.h"

/* A webhook destination made ready. */
typedef struct CxsigWebhook
{
	CxsigTransport base; /* must be first */
	const CxsigView *view;
	CxsigWebhookConfig config;
	CxsigSigner *signer;  /* NULL: unsigned */
	CxsigSecret *secrets; /* those that headers name, newest first */
	int n_secrets;
} CxsigWebhook;

/* One request on its way: what its headers say, and the texts that they point to. */
typedef struct CxsigWebhookRequest
{
	CxsigWebhook *webhook;
	CxsigRequest *request;
	TimestampTz at;
	const char *id;		   /* webhook-id and Idempotency-Key */
	CxsigCloudEvent event; /* the only one; nothing where the request is a batch */
	StringInfoData text;   /* never grows once something points into it */
} CxsigWebhookRequest;

/* Begin a request, in the current context: no header, nothing in the body. */
extern void cxsig_webhook_start(CxsigWebhookRequest *this, CxsigWebhook *webhook,
								CxsigRequest *request, TimestampTz at);

/*
 * The attributes of an event, as this destination shows them. Their texts are the event's own or
 * stand in text, and are good until something else is put there.
 */
extern void cxsig_webhook_describe(const CxsigWebhook *webhook, const CxsigEvent *event,
								   StringInfo text, CxsigCloudEvent *into);

/* The same for a ping of that id. */
extern void cxsig_webhook_describe_ping(const CxsigWebhook *webhook, const pg_uuid_t *id,
										TimestampTz at, StringInfo text, CxsigCloudEvent *into);

/* Append what stands around an event's data in a body: before it, and behind it. */
extern void cxsig_webhook_open_event(const CxsigWebhook *webhook, const CxsigCloudEvent *event,
									 StringInfo body);
extern void cxsig_webhook_close_event(const CxsigWebhook *webhook, StringInfo body);

/*
 * Set the headers of a request whose body is whole; this->id is what names it, and id makes the
 * trace that it belongs to where this->event has none.
 */
extern void cxsig_webhook_finish(CxsigWebhookRequest *this, const pg_uuid_t *id);

/* Append a uuid and a NUL; returns where it starts. */
extern const char *cxsig_webhook_put_uuid(StringInfo text, const pg_uuid_t *uuid);

/* The value of the newest secret of that name that has not expired at `at`, or NULL. */
extern const char *cxsig_webhook_secret(const CxsigWebhook *webhook, const char *name,
										TimestampTz at);

#endif
