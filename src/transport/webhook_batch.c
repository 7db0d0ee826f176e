/*
 * webhook_batch.c
 *	  Several events in one request: an array of CloudEvents, or of plain JSON. Runs in the
 *	  dispatcher for every request of such a destination. No table, no lock.
 *
 * Everything is rendered straight into the body; an event that does not fit is cut off it again.
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "transport/webhook_batch.h"

/* Room taken for an event to begin with. */
#define USUAL_EVENT_SIZE 768

#define SHA256_LEN 32

static void append_event(const CxsigWebhook *webhook, const CxsigEvent *event, StringInfo text,
						 StringInfo body);

int
cxsig_webhook_build_batch(CxsigWebhook *webhook, const CxsigAttempt *attempts, int n, int max_bytes,
						  CxsigRequest *request)
{
	StringInfo body = &request->body;
	pg_uuid_t *ids = palloc(sizeof(pg_uuid_t) * n);
	CxsigWebhookRequest this;
	StringInfoData text;
	pg_uuid_t id;
	int taken;

	cxsig_webhook_start(&this, webhook, request, attempts[0].at);
	initStringInfo(&text);
	enlargeStringInfo(body, Min(max_bytes, n * USUAL_EVENT_SIZE));
	for (taken = 0; taken < n; taken++)
	{
		int before = body->len;

		appendStringInfoChar(body, taken == 0 ? '[' : ',');
		append_event(webhook, attempts[taken].event, &text, body);
		if (taken > 0 && body->len >= max_bytes) /* the closing bracket comes on top */
		{
			body->len = before;
			break;
		}
		ids[taken] = attempts[taken].event->event_id;
	}
	appendStringInfoChar(body, ']');

	id = cxsig_webhook_batch_id(ids, taken);
	this.id = cxsig_webhook_put_uuid(&this.text, &id);
	cxsig_webhook_finish(&this, &id);
	return taken;
}

/* text is scratch: the attributes are needed until they are in the body. */
static void
append_event(const CxsigWebhook *webhook, const CxsigEvent *event, StringInfo text, StringInfo body)
{
	CxsigCloudEvent attributes;

	resetStringInfo(text);
	cxsig_webhook_describe(webhook, event, text, &attributes);
	cxsig_webhook_open_event(webhook, &attributes, body);
	cxsig_event_render(webhook->view, event, body);
	cxsig_webhook_close_event(webhook, body);
}

/*
 * SHA-256 over the ids as a UUID of version 8 (RFC 9562: made by a rule of one's own). OpenSSL's,
 * because PostgreSQL's wants a resource owner, and here there is no transaction.
 */
pg_uuid_t
cxsig_webhook_batch_id(const pg_uuid_t *event_ids, int n)
{
	unsigned char digest[SHA256_LEN];
	pg_uuid_t id;

	if (!EVP_Digest(event_ids, sizeof(pg_uuid_t) * n, digest, NULL, EVP_sha256(), NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute SHA-256 in OpenSSL")));
	memcpy(id.data, digest, UUID_LEN);
	id.data[6] = 0x80 | (id.data[6] & 0x0f);
	id.data[8] = 0x80 | (id.data[8] & 0x3f);
	return id;
}
