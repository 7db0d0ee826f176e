/*
 * webhook_config.h
 *	  The config of a webhook destination, checked and taken apart.
 *
 *	  url				where to: http or https, without credentials; required
 *	  format			"structured" (CloudEvents in the body, the default), "binary" (CloudEvents in
 *						the headers) or "plain" ({"type", "timestamp", "data"})
 *	  ce_source			CloudEvents source; default /cxsig/<source_system of the event>
 *	  headers			more headers: {"name": "value"} or {"name": {"secret": "name of a secret"}}
 *	  idempotency_key	"bare" (default), "quoted" (as the IETF draft has it) or "off"
 */
#ifndef CXSIG_WEBHOOK_CONFIG_H
#define CXSIG_WEBHOOK_CONFIG_H

#include "utils/jsonb.h"

#define CXSIG_WEBHOOK_MAX_HEADERS 32

typedef enum CxsigWebhookFormat
{
	CXSIG_FORMAT_STRUCTURED,
	CXSIG_FORMAT_BINARY,
	CXSIG_FORMAT_PLAIN
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
} CxsigWebhookConfig;

/*
 * Take a config apart, into the current context. ERROR (invalid_parameter_value) that names the
 * key that is wrong and what is allowed.
 */
extern void cxsig_webhook_config_parse(Jsonb *config, const char *destination,
									   CxsigWebhookConfig *into);

/* Can this be the value of a header: ASCII, without control characters or spaces around it? */
extern bool cxsig_webhook_is_header_value(const char *value);

#endif
