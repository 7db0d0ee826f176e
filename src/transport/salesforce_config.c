/*
 * salesforce_config.c
 *	  The config of a Salesforce destination, checked and taken apart. Runs in the dispatcher when it
 *	  loads a destination, and in backends that define, test or verify one. No table, no lock.
 */
#include "postgres.h"

#include "event/mapping.h"
#include "nodes/pg_list.h"
#include "transport/credential.h"
#include "transport/salesforce.h"

#define EXAMPLE "{\"Sentiment__c\": \"$.sentiment\", \"Evidence__c\": \"$.evidence_url\"}"
#define MAX_NAME 80
#define MAX_BACKOFF_MS (24 * 60 * 60 * 1000)

static const char *const known_keys[] = {
	"url",		   "api_version", "auth",			"object",
	"external_id", "mode",		  "event_id_field", "limit_backoff_ms",
	NULL};
static const char *const modes[] = {"collections", "single", "event", NULL};
static const char *const flows[] = {"client_credentials", "jwt_bearer", "bearer", NULL};

static char *parse_version(const CxsigConfigObject *config);
static CxsigSalesforceMode parse_mode(const CxsigConfigObject *config);
static char *parse_name(const CxsigConfigObject *config, const char *key);
static void parse_record(const CxsigConfigObject *config, const char *order_scope,
						 CxsigSalesforce *salesforce);
static void parse_event(const CxsigConfigObject *config, CxsigSalesforce *salesforce);
static void parse_batch(CxsigSalesforce *salesforce);
static void parse_auth(const CxsigTransportSource *source, CxsigSalesforce *salesforce);
static void check_mapping(const CxsigConfigObject *config, const CxsigMapping *mapping,
						  CxsigSalesforce *salesforce);
static void check_field(const CxsigConfigObject *config, const char *field, const char *own);
static bool is_name(const char *text);

CxsigTransport *
cxsig_salesforce_prepare(const CxsigTransportSource *source)
{
	CxsigSalesforce *salesforce = palloc0(sizeof(CxsigSalesforce));
	CxsigConfigObject config = {pstrdup(source->destination), "", source->config};

	salesforce->base.ops = &cxsig_salesforce_ops;
	salesforce->view = source->view;
	cxsig_config_known(&config, known_keys);
	salesforce->url = cxsig_config_url(&config, "url", false, NULL);
	salesforce->api_version = parse_version(&config);
	salesforce->mode = parse_mode(&config);
	salesforce->object = parse_name(&config, "object");
	salesforce->limit_backoff_ms =
		cxsig_config_int(&config, "limit_backoff_ms", 1, MAX_BACKOFF_MS, 60000);
	if (salesforce->mode == CXSIG_SALESFORCE_EVENT)
		parse_event(&config, salesforce);
	else
		parse_record(&config, source->order_scope, salesforce);
	parse_batch(salesforce);
	cxsig_record_check_mapping(source->view, "salesforce", config.destination, EXAMPLE);
	check_mapping(&config, source->view->mapping, salesforce);
	parse_auth(source, salesforce);
	return &salesforce->base;
}

/* vNN.N */
static char *
parse_version(const CxsigConfigObject *config)
{
	char *version = cxsig_config_string(config, "api_version", false);
	const char *at = version;
	size_t digits;

	if (version == NULL)
		return pstrdup("v60.0");
	digits = *at == 'v' ? strspn(at + 1, "0123456789") : 0;
	if (digits < 2 || digits > 3 || at[digits + 1] != '.' ||
		!isdigit((unsigned char) at[digits + 2]) || at[digits + 3] != '\0')
		cxsig_config_refuse(config, "api_version",
							psprintf("is \"%.32s\", which is no version", version),
							"Write it as \"v60.0\".");
	return version;
}

static CxsigSalesforceMode
parse_mode(const CxsigConfigObject *config)
{
	const char *word = cxsig_config_word(config, "mode", modes, modes[0]);

	if (strcmp(word, "event") == 0)
		return CXSIG_SALESFORCE_EVENT;
	return strcmp(word, "single") == 0 ? CXSIG_SALESFORCE_SINGLE : CXSIG_SALESFORCE_COLLECTIONS;
}

/* An API name: it stands in URLs and queries as it is. */
static char *
parse_name(const CxsigConfigObject *config, const char *key)
{
	char *name = cxsig_config_string(config, key, true);

	if (!is_name(name))
		cxsig_config_refuse(config, key, psprintf("is \"%.64s\", which is no API name", name),
							"An API name has letters, digits and underscores, as in CX_Signal__c.");
	return name;
}

static void
parse_record(const CxsigConfigObject *config, const char *order_scope, CxsigSalesforce *salesforce)
{
	size_t len = strlen(salesforce->object);

	if (len > 3 && pg_strcasecmp(salesforce->object + len - 3, "__e") == 0)
		cxsig_config_refuse(config, "object", "is a Platform Event, which cannot be upserted",
							"Set mode to \"event\", or name another object.");
	if (cxsig_config_value(config, "event_id_field") != NULL)
		cxsig_config_refuse(config, "event_id_field", "is for mode \"event\" only",
							"Map $.event_id to a field instead.");
	cxsig_record_external_id(config, order_scope, NULL, &salesforce->id);
	if (salesforce->id.field == NULL || !is_name(salesforce->id.field))
		cxsig_config_refuse(config, "external_id.field", "is no API name of a field",
							"Write {\"field\": \"Ticket_Key__c\", \"value\": \"$.ticket_id\"}.");
	if (pg_strcasecmp(salesforce->id.field, "Id") == 0)
		cxsig_config_refuse(config, "external_id.field", "is the record's own id",
							"Name a field of the object that is a unique external id.");
}

static void
parse_event(const CxsigConfigObject *config, CxsigSalesforce *salesforce)
{
	size_t len = strlen(salesforce->object);

	if (len <= 3 || pg_strcasecmp(salesforce->object + len - 3, "__e") != 0)
		cxsig_config_refuse(config, "object", "is no Platform Event, and mode is \"event\"",
							"The API name of a Platform Event ends in __e.");
	if (cxsig_config_value(config, "external_id") != NULL)
		cxsig_config_refuse(config, "external_id", "is not for mode \"event\"",
							"Name the field for the event's id as event_id_field.");
	salesforce->event_id_field = parse_name(config, "event_id_field");
}

static void
parse_batch(CxsigSalesforce *salesforce)
{
	/* where requests carry one record, build takes one: the option's default holds for all */
	salesforce->base.max_batch = CXSIG_SALESFORCE_MAX_BATCH;
	salesforce->base.batches_by = "transport \"salesforce\"";
	salesforce->base.batch_hint = "Salesforce takes at most 200 records in a request.";
}

static void
parse_auth(const CxsigTransportSource *source, CxsigSalesforce *salesforce)
{
	CxsigCredentialRules rules = {
		.flows = flows, .audience = "https://login.salesforce.com", .instance_url = true};

	rules.token_url = psprintf("%s/services/oauth2/token", salesforce->url);
	salesforce->base.credential = cxsig_credential_create(source, &rules);
}

static void
check_mapping(const CxsigConfigObject *config, const CxsigMapping *mapping,
			  CxsigSalesforce *salesforce)
{
	const char *own = salesforce->mode == CXSIG_SALESFORCE_EVENT ? salesforce->event_id_field
																 : salesforce->id.field;
	List *keys = cxsig_mapping_keys(mapping, NULL);
	ListCell *cell;

	salesforce->fields = palloc(sizeof(char *) * Max(list_length(keys), 1));
	foreach (cell, keys)
	{
		char *field = lfirst(cell);

		check_field(config, field, own);
		if (cxsig_mapping_keys(mapping, field) == NIL)
			salesforce->fields[salesforce->n_fields++] = field;
	}
}

static void
check_field(const CxsigConfigObject *config, const char *field, const char *own)
{
	const char *what = NULL;

	if (!is_name(field))
		what = "is no API name of a field";
	else if (pg_strcasecmp(field, "Id") == 0 || pg_strcasecmp(field, "attributes") == 0)
		what = "cannot be set in a record";
	else if (pg_strcasecmp(field, own) == 0)
		what = "is set by the config already";
	if (what != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("mapping key \"%.64s\" of destination \"%s\" %s", field,
							   config->destination, what),
						errhint("Leave it out of the mapping.")));
}

static bool
is_name(const char *text)
{
	size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

	return len > 0 && len <= MAX_NAME && text[len] == '\0' && isalpha((unsigned char) text[0]);
}
