/*
 * hubspot_config.c
 *	  The config of a HubSpot destination, checked and taken apart. Runs in the dispatcher when it loads
 *	  a destination, and in backends that define, test or verify one. No table, no lock.
 */
#include "postgres.h"

#include "event/mapping.h"
#include "nodes/pg_list.h"
#include "transport/credential.h"
#include "transport/hubspot.h"

#define EXAMPLE "{\"cxsig_sentiment\": \"$.sentiment\", \"cxsig_evidence\": \"$.evidence_url\"}"
#define DEFAULT_URL "https://api.hubapi.com"
#define DEFAULT_PATH "/crm/v3/objects/{type}"
#define TYPE_MARK "{type}"
#define MAX_BACKOFF_MS (24 * 60 * 60 * 1000)

static const char *const known_keys[] = {
	"url", "path", "object_type", "auth", "external_id", "rate_backoff_ms", "daily_backoff_ms",
	NULL};
static const char *const flows[] = {"bearer", "refresh_token", NULL};

static char *parse_api(const CxsigConfigObject *config, const char *url);
static void parse_auth(const CxsigTransportSource *source, const char *url, CxsigHubspot *hubspot);
static void check_mapping(const CxsigConfigObject *config, const CxsigMapping *mapping,
						  CxsigHubspot *hubspot);
static void mapping_error(const CxsigConfigObject *config, const char *key, const char *what)
	pg_attribute_noreturn();

CxsigTransport *
cxsig_hubspot_prepare(const CxsigTransportSource *source)
{
	CxsigHubspot *hubspot = palloc0(sizeof(CxsigHubspot));
	CxsigConfigObject config = {pstrdup(source->destination), "", source->config};
	char *url;

	hubspot->base.ops = &cxsig_hubspot_ops;
	hubspot->base.max_batch = CXSIG_HUBSPOT_MAX_BATCH;
	hubspot->base.batches_by = "transport \"hubspot\"";
	hubspot->base.batch_hint = "HubSpot takes at most 100 objects in a request.";
	hubspot->view = source->view;
	cxsig_config_known(&config, known_keys);
	url = cxsig_config_url(&config, "url", false, DEFAULT_URL);
	hubspot->api = parse_api(&config, url);
	hubspot->rate_backoff_ms =
		cxsig_config_int(&config, "rate_backoff_ms", 1, MAX_BACKOFF_MS, 10000);
	hubspot->daily_backoff_ms =
		cxsig_config_int(&config, "daily_backoff_ms", 1, MAX_BACKOFF_MS, 900000);
	cxsig_record_external_id(&config, source->order_scope, NULL, &hubspot->id);
	if (hubspot->id.field == NULL || strcmp(hubspot->id.field, "hs_object_id") == 0)
		cxsig_config_refuse(&config, "external_id.field", "is not a unique property of one's own",
							"Name a property that was made with hasUniqueValue.");
	cxsig_record_check_mapping(source->view, "hubspot", config.destination, EXAMPLE);
	check_mapping(&config, source->view->mapping, hubspot);
	parse_auth(source, url, hubspot);
	return &hubspot->base;
}

/* Both stand in URLs as they are. */
static char *
parse_api(const CxsigConfigObject *config, const char *url)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char *type = cxsig_config_string(config, "object_type", true);
	const char *path = cxsig_config_string(config, "path", false);
	const char *mark;
	StringInfoData api;

	if (strspn(type, plain) != strlen(type) || type[0] == '.')
		cxsig_config_refuse(
			config, "object_type", psprintf("is \"%.64s\", which is no type of object", type),
			"Write it as \"tickets\", or \"2-1234567\" for one of the account's own.");
	if (path == NULL)
		path = DEFAULT_PATH;
	mark = strstr(path, TYPE_MARK);
	if (path[0] != '/' || mark == NULL || strstr(mark + 1, TYPE_MARK) != NULL)
		cxsig_config_refuse(config, "path", psprintf("is \"%.128s\"", path),
							"It starts with / and has {type} once, as in " DEFAULT_PATH ".");
	initStringInfo(&api);
	appendStringInfo(&api, "%s%.*s%s%s", url, (int) (mark - path), path, type,
					 mark + strlen(TYPE_MARK));
	for (const char *at = api.data + strlen(url); *at != '\0'; at++)
	{
		if (*at != '/' && strchr(plain, *at) == NULL)
			cxsig_config_refuse(config, "path", "has characters that no path of HubSpot's has",
								"It starts with / and has {type} once, as in " DEFAULT_PATH ".");
	}
	if (api.data[api.len - 1] == '/')
		api.data[--api.len] = '\0';
	return api.data;
}

static void
parse_auth(const CxsigTransportSource *source, const char *url, CxsigHubspot *hubspot)
{
	CxsigCredentialRules rules = {.flows = flows};

	rules.token_url = psprintf("%s/oauth/v1/token", url);
	hubspot->base.credential = cxsig_credential_create(source, &rules);
}

static void
check_mapping(const CxsigConfigObject *config, const CxsigMapping *mapping, CxsigHubspot *hubspot)
{
	List *keys = cxsig_mapping_keys(mapping, NULL);
	ListCell *cell;

	hubspot->properties = palloc(sizeof(char *) * Max(list_length(keys), 1));
	foreach (cell, keys)
	{
		char *key = lfirst(cell);

		if (strcmp(key, hubspot->id.field) == 0)
			mapping_error(config, key, "is set by external_id of the config already");
		if (strcmp(key, "hs_object_id") == 0)
			mapping_error(config, key, "cannot be set in an object");
		if (cxsig_mapping_keys(mapping, key) != NIL)
			mapping_error(config, key, "is an object, and a property is not");
		hubspot->properties[hubspot->n_properties++] = key;
	}
}

static void
mapping_error(const CxsigConfigObject *config, const char *key, const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("mapping key \"%.64s\" of destination \"%s\" %s", key,
						   config->destination, what),
					errhint("Leave it out of the mapping.")));
}
