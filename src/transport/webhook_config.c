/*
 * webhook_config.c
 *	  The config of a webhook destination, checked and taken apart. Runs in the dispatcher when it
 *	  loads a destination, and in backends that define or test one. No table, no lock.
 */
#include "postgres.h"

#include "transport/config_read.h"
#include "transport/webhook_config.h"

#define MAX_SOURCE_LEN 255

static const char *const known_keys[] = {"url", "format", "ce_source", "headers", "idempotency_key",
										 "tls", "auth",	  NULL};

/* In the order of the enums, the default first. */
static const char *const formats[] = {"structured",		   "binary",	 "plain",
									  "cloudevents_batch", "json_array", NULL};
static const char *const key_styles[] = {"bare", "quoted", "off", NULL};

/* Headers the transport or curl sets itself; a name that ends with a dash stands for all under it. */
static const char *const reserved_headers[] = {"content-type",
											   "content-length",
											   "content-encoding",
											   "host",
											   "transfer-encoding",
											   "connection",
											   "keep-alive",
											   "expect",
											   "te",
											   "trailer",
											   "upgrade",
											   "webhook-",
											   "ce-",
											   "proxy-",
											   "idempotency-key",
											   "traceparent",
											   "tracestate"};

/* Headers whose value is always a secret: the config can be read, so it must not stand there. */
static const char *const secret_headers[] = {"authorization", "cookie"};

static int parse_choice(const CxsigConfigObject *config, const char *key, const char *const *words);
static char *parse_source(const CxsigConfigObject *config);
static CxsigTls *parse_tls(const CxsigConfigObject *config, const char *url);
static void parse_headers(CxsigWebhookConfig *into, const CxsigConfigObject *headers);
static void parse_header(CxsigWebhookConfig *into, const CxsigConfigObject *headers, char *name,
						 const JsonbValue *value);
static void check_header_name(const CxsigWebhookConfig *into, const CxsigConfigObject *headers,
							  const char *name);
static char *parse_secret_name(const CxsigConfigObject *headers, const char *name,
							   const JsonbValue *value);
static bool is_token(const char *name);
static bool is_listed(const char *name, const char *const *list, int n);
static char *take_text(const JsonbValue *value);

void
cxsig_webhook_config_parse(Jsonb *json, const char *destination, CxsigWebhookConfig *into)
{
	CxsigConfigObject config = {destination, "", json};
	CxsigConfigObject headers;

	memset(into, 0, sizeof(*into));
	into->destination = destination;
	cxsig_config_known(&config, known_keys);
	into->url = cxsig_config_string(&config, "url", false);
	if (into->url == NULL)
		cxsig_config_refuse(&config, "url", "is missing",
							"Give it as {\"url\": \"https://host/path\"}.");
	cxsig_config_check_url(&config, "url", into->url);
	into->format = parse_choice(&config, "format", formats);
	into->ce_source = parse_source(&config);
	headers = cxsig_config_object(&config, "headers");
	if (headers.json != NULL)
		parse_headers(into, &headers);
	into->key_style = parse_choice(&config, "idempotency_key", key_styles);
	into->tls = parse_tls(&config, into->url);
	into->auth = cxsig_config_value(&config, "auth") != NULL;
	for (int i = 0; into->auth && i < into->n_headers; i++)
		if (pg_strcasecmp(into->headers[i].name, "authorization") == 0)
			cxsig_config_refuse(&config, "auth", "cannot stand beside a header Authorization",
								"Leave one of them out.");
}

const char *
cxsig_webhook_format_name(CxsigWebhookFormat format)
{
	return formats[format];
}

/* The place of the value among the words; 0 where the key is absent. */
static int
parse_choice(const CxsigConfigObject *config, const char *key, const char *const *words)
{
	const char *word = cxsig_config_word(config, key, words, words[0]);
	int i = 0;

	while (words[i] != word)
		i++;
	return i;
}

/* A URI reference: what can stand in one, as it will be sent. */
static char *
parse_source(const CxsigConfigObject *config)
{
	char *source = cxsig_config_string(config, "ce_source", false);

	if (source != NULL &&
		(!cxsig_webhook_is_header_value(source) || strpbrk(source, " \"<>\\^`{|}") != NULL ||
		 strlen(source) > MAX_SOURCE_LEN))
		cxsig_config_refuse(config, "ce_source", "is not a URI reference of 1 to 255 characters",
							"Write a path such as \"/support/signals\", or a whole URI.");
	return source;
}

static CxsigTls *
parse_tls(const CxsigConfigObject *config, const char *url)
{
	CxsigConfigObject tls = cxsig_config_object(config, "tls");
	JsonbValue value;

	if (tls.json == NULL)
		return NULL;
	if (pg_strncasecmp(url, "https:", 6) != 0)
		cxsig_config_refuse(config, "tls", "is for nothing: the URL is not https", NULL);
	JsonbToJsonbValue(tls.json, &value);
	return cxsig_tls_parse(&value, config->destination);
}

static void
parse_headers(CxsigWebhookConfig *into, const CxsigConfigObject *headers)
{
	JsonbIterator *it;
	JsonbValue member;
	JsonbIteratorToken token;
	char *name = NULL;

	it = JsonbIteratorInit(&headers->json->root);
	while ((token = JsonbIteratorNext(&it, &member, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = take_text(&member);
		else if (token == WJB_VALUE)
			parse_header(into, headers, name, &member);
	}
}

static void
parse_header(CxsigWebhookConfig *into, const CxsigConfigObject *headers, char *name,
			 const JsonbValue *value)
{
	CxsigWebhookHeader *header;

	check_header_name(into, headers, name);
	if (into->n_headers == CXSIG_WEBHOOK_MAX_HEADERS)
		cxsig_config_refuse(headers, name,
							psprintf("is one too many: there may be %d", CXSIG_WEBHOOK_MAX_HEADERS),
							NULL);
	header = &into->headers[into->n_headers++];
	header->name = name;
	if (value->type == jbvBinary)
	{
		header->secret = parse_secret_name(headers, name, value);
		return;
	}
	header->value = cxsig_config_string(headers, name, true);
	if (is_listed(name, secret_headers, lengthof(secret_headers)))
		cxsig_config_refuse(
			headers, name, "is a secret, and the config can be read",
			psprintf("Write {\"%s\": {\"secret\": \"name\"}} and give the value with "
					 "set_secret().",
					 name));
	if (!cxsig_webhook_is_header_value(header->value))
		cxsig_config_refuse(headers, name, "is no value for a header",
							"ASCII without control characters or spaces around it.");
}

static void
check_header_name(const CxsigWebhookConfig *into, const CxsigConfigObject *headers,
				  const char *name)
{
	if (!is_token(name))
		cxsig_config_refuse(headers, name, "is no name for a header", NULL);
	if (is_listed(name, reserved_headers, lengthof(reserved_headers)))
		cxsig_config_refuse(headers, name, "is set by cxsig itself", NULL);
	for (int i = 0; i < into->n_headers; i++)
	{
		if (pg_strcasecmp(into->headers[i].name, name) == 0)
			cxsig_config_refuse(headers, name, "is there twice", NULL);
	}
}

/* The value of {"secret": "name"}, which has to be all there is. */
static char *
parse_secret_name(const CxsigConfigObject *headers, const char *name, const JsonbValue *value)
{
	JsonbContainer *container = value->val.binary.data;
	JsonbValue found;

	if (!JsonContainerIsObject(container) || JsonContainerSize(container) != 1 ||
		getKeyJsonValueFromContainer(container, "secret", strlen("secret"), &found) == NULL ||
		found.type != jbvString)
		cxsig_config_refuse(headers, name, "is neither a string nor {\"secret\": \"name\"}", NULL);
	return take_text(&found);
}

bool
cxsig_webhook_is_header_value(const char *value)
{
	size_t len = strlen(value);

	if (len == 0 || value[0] == ' ' || value[len - 1] == ' ')
		return false;
	for (const char *at = value; *at != '\0'; at++)
	{
		if (*at < 0x20 || *at > 0x7e)
			return false;
	}
	return true;
}

/* A token as RFC 9110 has it. */
static bool
is_token(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= 64 &&
		   strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
						"!#$%&'*+-.^_`|~") == len;
}

static bool
is_listed(const char *name, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
	{
		size_t len = strlen(list[i]);

		if (pg_strncasecmp(name, list[i], len) == 0 &&
			(name[len] == '\0' || list[i][len - 1] == '-'))
			return true;
	}
	return false;
}

static char *
take_text(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}
