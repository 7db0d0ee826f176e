/*
 * webhook_config.h
 *	  The config of a webhook destination, checked and taken apart.
 *
 *	  url				where to: http or https, without credentials; required
 *	  format			"structured" (CloudEvents in the body, the default), "binary" (CloudEvents in
 *						the headers) or "plain" ({"type", "timestamp", "data"}): one event a request;
 *						"cloudevents_batch" (an array of CloudEvents) or "json_array" (an array of
 *						{"id", "type", "timestamp", "data"}): up to the option batch_size, and an
 *						array also where it is one
 *	  ce_source			CloudEvents source; default /cxsig/<source_system of the event>
 *	  headers			more headers: {"name": "value"} or {"name": {"secret": "name of a secret"}}
 *	  idempotency_key	"bare" (default), "quoted" (as the IETF draft has it) or "off"
 *	  tls				see tls.h; for https only
 *	  auth				see credential.h: requests carry a token, as "Authorization: Bearer ..."; any of
 *						the flows, and token_url where one is asked for
 *
 * A batch is named by its events: webhook-id and Idempotency-Key are made of their ids, in order. Its
 * answer is for all of them, unless it is a 2xx with a body that tells them apart:
 *
 *	  {"results": [{"id": "<id of the event>", "status": 200},
 *				   {"id": "...", "status": 422, "error": "no such ticket", "remote_id": "17"}]}
 *
 * Each status is read as if it were the answer for that event alone; error and remote_id may be left
 * out. Where none has an id, and there are as many as events, they are taken in order. What is not in
 * it was taken; but at a 207 it was not, and is sent again.
 */
#ifndef CXSIG_WEBHOOK_CONFIG_H
#define CXSIG_WEBHOOK_CONFIG_H

#include "transport/tls.h"
#include "utils/jsonb.h"

#define CXSIG_WEBHOOK_MAX_HEADERS 32

typedef enum CxsigWebhookFormat
{
	CXSIG_FORMAT_STRUCTURED,
	CXSIG_FORMAT_BINARY,
	CXSIG_FORMAT_PLAIN,
	CXSIG_FORMAT_CLOUDEVENTS_BATCH,
	CXSIG_FORMAT_JSON_ARRAY
} CxsigWebhookFormat;

typedef enum CxsigKeyStyle
{
	CXSIG_KEY_BARE,
	CXSIG_KEY_QUOTED,
	CXSIG_KEY_OFF
} CxsigKeyStyle;

/* A header of the config: a value, or the name of the secret that is the value. */
typedef struct CxsigWebhookHeader
{
	char *name;
	char *value;
	char *secret;
} CxsigWebhookHeader;

typedef struct CxsigWebhookConfig
{
	const char *destination; /* for messages */
	char *url;
	CxsigWebhookFormat format;
	char *ce_source; /* NULL: the default */
	CxsigKeyStyle key_style;
	CxsigWebhookHeader headers[CXSIG_WEBHOOK_MAX_HEADERS];
	int n_headers;
	CxsigTls *tls; /* NULL: nothing special */
	bool auth;	   /* there is that key */
} CxsigWebhookConfig;

/*
 * Take a config apart, into the current context. ERROR (invalid_parameter_value) that names the
 * key that is wrong and what is allowed.
 */
extern void cxsig_webhook_config_parse(Jsonb *config, const char *destination,
									   CxsigWebhookConfig *into);

/* The word for it in the config. */
extern const char *cxsig_webhook_format_name(CxsigWebhookFormat format);

/* Does a request of that format carry several events, as an array? */
static inline bool
cxsig_webhook_is_batch(CxsigWebhookFormat format)
{
	return format == CXSIG_FORMAT_CLOUDEVENTS_BATCH || format == CXSIG_FORMAT_JSON_ARRAY;
}

/* Can this be the value of a header: ASCII, without control characters or spaces around it? */
extern bool cxsig_webhook_is_header_value(const char *value);

#endif
