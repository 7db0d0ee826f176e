/*
 * dynamics_config.c
 *	  The config of a Dynamics destination, checked and taken apart. Runs in the dispatcher when it
 *	  loads a destination, and in backends that define, test or verify one. No table, no lock.
 */
#include "postgres.h"

#include "event/mapping.h"
#include "nodes/pg_list.h"
#include "transport/credential.h"
#include "transport/dynamics.h"
#include "utils/builtins.h"

#define EXAMPLE "{\"cx_sentiment\": \"$.sentiment\"}"

#define WORD_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

static const char *const known_keys[] = {"url",		   "api_path",	  "tenant", "auth",
										 "entity_set", "external_id", "keys",	NULL};
static const char *const flows[] = {"client_credentials", "bearer", NULL};

static void parse_urls(const CxsigConfigObject *config, CxsigDynamics *dynamics, char *url);
static void parse_auth(const CxsigTransportSource *source, const CxsigConfigObject *config,
					   const char *url, CxsigDynamics *dynamics);
static void parse_keys(const CxsigConfigObject *config, CxsigDynamics *dynamics);
static void parse_key(const CxsigConfigObject *keys, const char *column, const JsonbValue *value,
					  CxsigDynamics *dynamics);
static char *key_literal(const CxsigConfigObject *keys, const char *column,
						 const JsonbValue *value);
static void check_mapping(const CxsigConfigObject *config, const CxsigDynamics *dynamics);
static bool is_key_column(const CxsigDynamics *dynamics, const char *name);
static bool is_word(const char *text);

CxsigTransport *
cxsig_dynamics_prepare(const CxsigTransportSource *source)
{
	CxsigDynamics *dynamics = palloc0(sizeof(CxsigDynamics));
	CxsigConfigObject config = {pstrdup(source->destination), "", source->config};
	char *url;

	dynamics->base.ops = &cxsig_dynamics_ops;
	dynamics->base.max_batch = CXSIG_DYNAMICS_MAX_BATCH;
	dynamics->base.batches_by = "transport \"dynamics\"";
	dynamics->base.batch_hint = "Dataverse takes at most 1,000 requests in a batch.";
	dynamics->view = source->view;
	cxsig_config_known(&config, known_keys);
	url = cxsig_config_url(&config, "url", false, NULL);
	parse_urls(&config, dynamics, url);
	cxsig_record_external_id(&config, source->order_scope, NULL, &dynamics->id);
	if (!is_word(dynamics->id.field))
		cxsig_config_refuse(&config, "external_id.field", "is not the name of a column",
							"It has letters, digits and \"_\" only.");
	parse_keys(&config, dynamics);
	cxsig_record_check_mapping(source->view, "dynamics", config.destination, EXAMPLE);
	check_mapping(&config, dynamics);
	parse_auth(source, &config, url, dynamics);
	return &dynamics->base;
}

static void
parse_urls(const CxsigConfigObject *config, CxsigDynamics *dynamics, char *url)
{
	char *path = cxsig_config_string(config, "api_path", false);

	if (path == NULL)
		path = pstrdup("/api/data/v9.2");
	if (path[0] != '/' || path[strlen(path) - 1] == '/' ||
		strspn(path, WORD_CHARS "/.-~") != strlen(path))
		cxsig_config_refuse(config, "api_path",
							"does not start with \"/\", ends with it, or is no path",
							"The default is \"/api/data/v9.2\".");
	dynamics->api = psprintf("%s%s", url, path);
	dynamics->entity_set = cxsig_config_string(config, "entity_set", true);
	if (!is_word(dynamics->entity_set))
		cxsig_config_refuse(config, "entity_set", "is not the name of a table in URLs",
							"It has letters, digits and \"_\" only, as in \"contacts\".");
}

static void
parse_auth(const CxsigTransportSource *source, const CxsigConfigObject *config, const char *url,
		   CxsigDynamics *dynamics)
{
	CxsigConfigObject auth = cxsig_config_object(config, "auth");
	char *tenant = cxsig_config_string(config, "tenant", false);
	CxsigCredentialRules rules = {.flows = flows};
	const char *flow = cxsig_config_word(&auth, "flow", flows, flows[0]);

	if (tenant != NULL && strspn(tenant, WORD_CHARS "-.") != strlen(tenant))
		cxsig_config_refuse(config, "tenant", "is neither the id nor a domain of a tenant", NULL);
	if (tenant == NULL && strcmp(flow, "bearer") != 0 &&
		cxsig_config_value(&auth, "token_url") == NULL)
		cxsig_config_refuse(config, "tenant", "is missing",
							"It is the id of the Entra tenant, or one of its domains.");
	if (tenant != NULL)
		rules.token_url =
			psprintf("https://login.microsoftonline.com/%s/oauth2/v2.0/token", tenant);
	rules.scope = psprintf("%s/.default", url);
	dynamics->base.credential = cxsig_credential_create(source, &rules);
}

static void
parse_keys(const CxsigConfigObject *config, CxsigDynamics *dynamics)
{
	CxsigConfigObject keys = cxsig_config_object(config, "keys");
	JsonbIterator *iterator;
	JsonbValue value;
	JsonbIteratorToken token;
	char *column = NULL;

	if (keys.json == NULL)
		return;
	iterator = JsonbIteratorInit(&keys.json->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			column = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			parse_key(&keys, column, &value, dynamics);
	}
}

static void
parse_key(const CxsigConfigObject *keys, const char *column, const JsonbValue *value,
		  CxsigDynamics *dynamics)
{
	CxsigDynamicsKey *key;

	if (!is_word(column))
		cxsig_config_refuse(keys, column, "is not the name of a column",
							"It has letters, digits and \"_\" only.");
	if (strcmp(column, dynamics->id.field) == 0)
		cxsig_config_refuse(keys, column, "is the column of external_id", NULL);
	if (dynamics->n_keys == CXSIG_DYNAMICS_MAX_KEYS)
		cxsig_config_refuse(keys, column, "is one too many: there may be 8", NULL);
	key = &dynamics->keys[dynamics->n_keys++];
	key->column = pstrdup(column);
	key->literal = key_literal(keys, column, value);
}

static char *
key_literal(const CxsigConfigObject *keys, const char *column, const JsonbValue *value)
{
	StringInfoData literal;
	const char *why;
	char *text;

	if (value->type == jbvString)
	{
		text = pnstrdup(value->val.string.val, value->val.string.len);
		why = cxsig_dynamics_check_key(text);
		if (why != NULL)
			cxsig_config_refuse(keys, column, psprintf("cannot be sent: %s", why), NULL);
		initStringInfo(&literal);
		cxsig_dynamics_append_string(&literal, text);
		return literal.data;
	}
	if (value->type == jbvNumeric)
	{
		text =
			DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		if (strspn(text, "-0123456789") == strlen(text))
			return text;
	}
	cxsig_config_refuse(keys, column, "is neither a string nor a whole number", NULL);
}

/* Dataverse refuses a row that names its key's columns again. */
static void
check_mapping(const CxsigConfigObject *config, const CxsigDynamics *dynamics)
{
	List *names = cxsig_mapping_keys(dynamics->view->mapping, NULL);
	ListCell *cell;

	foreach (cell, names)
	{
		const char *name = lfirst(cell);

		if (is_key_column(dynamics, name))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("mapping key \"%s\" of destination \"%s\" is a column of the "
								   "row's key",
								   name, config->destination),
							errhint("Leave it out: external_id and keys of the config set it.")));
	}
}

static bool
is_key_column(const CxsigDynamics *dynamics, const char *name)
{
	if (strcmp(name, dynamics->id.field) == 0)
		return true;
	for (int i = 0; i < dynamics->n_keys; i++)
	{
		if (strcmp(name, dynamics->keys[i].column) == 0)
			return true;
	}
	return false;
}

static bool
is_word(const char *text)
{
	return text[0] != '\0' && strspn(text, WORD_CHARS) == strlen(text);
}
