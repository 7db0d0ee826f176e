/*
 * webhook_config.c
 *	  The config of a webhook destination, checked and taken apart. Runs in the dispatcher when it
 *	  loads a destination, and in backends that define or test one. No table, no lock.
 */
#include "postgres.h"

#include "transport/http.h"
#include "transport/webhook_config.h"

#define MAX_SOURCE_LEN 255

/* A word of the config and what it stands for. */
typedef struct Choice
{
	const char *word;
	int value;
} Choice;

static const Choice formats[] = {{"structured", CXSIG_FORMAT_STRUCTURED},
								 {"binary", CXSIG_FORMAT_BINARY},
								 {"plain", CXSIG_FORMAT_PLAIN},
								 {"cloudevents_batch", CXSIG_FORMAT_CLOUDEVENTS_BATCH},
								 {"json_array", CXSIG_FORMAT_JSON_ARRAY}};

static const Choice key_styles[] = {
	{"bare", CXSIG_KEY_BARE}, {"quoted", CXSIG_KEY_QUOTED}, {"off", CXSIG_KEY_OFF}};

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

static void parse_member(CxsigWebhookConfig *into, const char *key, const JsonbValue *value);
static char *parse_string(const CxsigWebhookConfig *into, const char *key, const JsonbValue *value);
static int parse_choice(const CxsigWebhookConfig *into, const char *key, const JsonbValue *value,
						const Choice *choices, int n);
static void parse_url(CxsigWebhookConfig *into, const JsonbValue *value);
static void parse_source(CxsigWebhookConfig *into, const JsonbValue *value);
static void parse_headers(CxsigWebhookConfig *into, const JsonbValue *value);
static void parse_header(CxsigWebhookConfig *into, char *name, const JsonbValue *value);
static void check_header_name(const CxsigWebhookConfig *into, const char *name);
static char *parse_secret_name(const CxsigWebhookConfig *into, const char *key,
							   const JsonbValue *value);
static bool is_token(const char *name);
static bool is_listed(const char *name, const char *const *list, int n);
static char *take_text(const JsonbValue *value);
static void config_error(const CxsigWebhookConfig *into, const char *key, const char *detail,
						 const char *hint) pg_attribute_noreturn();

void
cxsig_webhook_config_parse(Jsonb *config, const char *destination, CxsigWebhookConfig *into)
{
	JsonbIterator *it;
	JsonbValue value;
	JsonbIteratorToken token;
	char *key = NULL;

	memset(into, 0, sizeof(*into));
	into->destination = destination;
	if (!JB_ROOT_IS_OBJECT(config))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("config of destination \"%s\" is not a JSON object", destination),
						errhint("The least it needs is {\"url\": \"https://host/path\"}.")));

	it = JsonbIteratorInit(&config->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = take_text(&value);
		else if (token == WJB_VALUE)
			parse_member(into, key, &value);
	}
	if (into->url == NULL)
		config_error(into, "url", "It is missing.", "Give it as {\"url\": \"https://host/path\"}.");
	if (into->tls != NULL && pg_strncasecmp(into->url, "https:", 6) != 0)
		config_error(into, "tls", "The URL is not https, so it would be for nothing.", NULL);
	for (int i = 0; into->auth && i < into->n_headers; i++)
		if (pg_strcasecmp(into->headers[i].name, "authorization") == 0)
			config_error(into, "auth", "\"headers\" sets Authorization as well.", NULL);
}

static void
parse_member(CxsigWebhookConfig *into, const char *key, const JsonbValue *value)
{
	if (strcmp(key, "url") == 0)
		parse_url(into, value);
	else if (strcmp(key, "format") == 0)
		into->format = parse_choice(into, key, value, formats, lengthof(formats));
	else if (strcmp(key, "ce_source") == 0)
		parse_source(into, value);
	else if (strcmp(key, "headers") == 0)
		parse_headers(into, value);
	else if (strcmp(key, "idempotency_key") == 0)
		into->key_style = parse_choice(into, key, value, key_styles, lengthof(key_styles));
	else if (strcmp(key, "tls") == 0)
		into->tls = cxsig_tls_parse(value, into->destination);
	else if (strcmp(key, "auth") == 0)
		into->auth = true;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown key \"%s\" in the config of destination \"%s\"", key,
						into->destination),
				 errhint("The keys of a webhook's config are url, format, ce_source, headers, "
						 "idempotency_key, tls and auth.")));
}

const char *
cxsig_webhook_format_name(CxsigWebhookFormat format)
{
	for (int i = 0; i < (int) lengthof(formats); i++)
	{
		if (formats[i].value == (int) format)
			return formats[i].word;
	}
	return "unknown";
}

static char *
parse_string(const CxsigWebhookConfig *into, const char *key, const JsonbValue *value)
{
	if (value->type != jbvString)
		config_error(into, key, "It is not a string.", NULL);
	return take_text(value);
}

static int
parse_choice(const CxsigWebhookConfig *into, const char *key, const JsonbValue *value,
			 const Choice *choices, int n)
{
	const char *word = parse_string(into, key, value);
	StringInfoData hint;

	for (int i = 0; i < n; i++)
	{
		if (strcmp(word, choices[i].word) == 0)
			return choices[i].value;
	}
	initStringInfo(&hint);
	appendStringInfoString(&hint, "Allowed are");
	for (int i = 0; i < n; i++)
		appendStringInfo(&hint, "%s \"%s\"", i == 0 ? "" : (i == n - 1 ? " and" : ","),
						 choices[i].word);
	appendStringInfoString(&hint, "; the first is the default.");
	config_error(into, key, psprintf("It is \"%.64s\".", word), hint.data);
}

static void
parse_url(CxsigWebhookConfig *into, const JsonbValue *value)
{
	const char *why;

	into->url = parse_string(into, "url", value);
	why = cxsig_http_check_url(into->url);
	if (why != NULL)
		config_error(into, "url", why, NULL);
}

/* A URI reference: what can stand in one, as it will be sent. */
static void
parse_source(CxsigWebhookConfig *into, const JsonbValue *value)
{
	into->ce_source = parse_string(into, "ce_source", value);
	if (!cxsig_webhook_is_header_value(into->ce_source) ||
		strpbrk(into->ce_source, " \"<>\\^`{|}") != NULL ||
		strlen(into->ce_source) > MAX_SOURCE_LEN)
		config_error(into, "ce_source", "It is not a URI reference of 1 to 255 characters.",
					 "Write a path such as \"/support/signals\", or a whole URI.");
}

static void
parse_headers(CxsigWebhookConfig *into, const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbValue member;
	JsonbIteratorToken token;
	char *name = NULL;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		config_error(into, "headers", "It is not an object.",
					 "Write {\"X-Team\": \"support\"} or {\"X-Api-Key\": {\"secret\": \"name\"}}.");
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &member, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = take_text(&member);
		else if (token == WJB_VALUE)
			parse_header(into, name, &member);
	}
}

static void
parse_header(CxsigWebhookConfig *into, char *name, const JsonbValue *value)
{
	char *key = psprintf("headers.%.64s", name);
	CxsigWebhookHeader *header;

	check_header_name(into, name);
	if (into->n_headers == CXSIG_WEBHOOK_MAX_HEADERS)
		config_error(into, "headers",
					 psprintf("There are more than %d.", CXSIG_WEBHOOK_MAX_HEADERS), NULL);
	header = &into->headers[into->n_headers++];
	header->name = name;
	if (value->type == jbvBinary)
	{
		header->secret = parse_secret_name(into, key, value);
		return;
	}
	header->value = parse_string(into, key, value);
	if (is_listed(name, secret_headers, lengthof(secret_headers)))
		config_error(into, key, "Its value is a secret, and the config can be read.",
					 psprintf("Write {\"%s\": {\"secret\": \"name\"}} and give the value with "
							  "set_secret().",
							  name));
	if (!cxsig_webhook_is_header_value(header->value))
		config_error(into, key,
					 "A header's value is ASCII without control characters or spaces around it.",
					 NULL);
}

static void
check_header_name(const CxsigWebhookConfig *into, const char *name)
{
	if (!is_token(name))
		config_error(into, "headers", psprintf("\"%.64s\" is no name for a header.", name), NULL);
	if (is_listed(name, reserved_headers, lengthof(reserved_headers)))
		config_error(into, "headers", psprintf("\"%.64s\" is set by cxsig itself.", name), NULL);
	for (int i = 0; i < into->n_headers; i++)
	{
		if (pg_strcasecmp(into->headers[i].name, name) == 0)
			config_error(into, "headers", psprintf("\"%.64s\" is there twice.", name), NULL);
	}
}

/* The value of {"secret": "name"}, which has to be all there is. */
static char *
parse_secret_name(const CxsigWebhookConfig *into, const char *key, const JsonbValue *value)
{
	JsonbContainer *container = value->val.binary.data;
	JsonbValue found;

	if (!JsonContainerIsObject(container) || JsonContainerSize(container) != 1 ||
		getKeyJsonValueFromContainer(container, "secret", strlen("secret"), &found) == NULL ||
		found.type != jbvString)
		config_error(into, key, "It is neither a string nor {\"secret\": \"name\"}.", NULL);
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

static void
config_error(const CxsigWebhookConfig *into, const char *key, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid \"%s\" in the config of destination \"%s\"", key, into->destination),
			 errdetail_internal("%s", detail), hint != NULL ? errhint("%s", hint) : 0));
}
