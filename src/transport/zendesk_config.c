/*
 * zendesk_config.c
 *	  The config of a Zendesk destination, checked and taken apart. Runs in the dispatcher when it
 *	  loads a destination, and in backends that define, test or verify one. No table, no lock.
 */
#include "postgres.h"

#include "event/mapping.h"
#include "nodes/pg_list.h"
#include "transport/credential.h"
#include "transport/zendesk.h"

#define EXAMPLE "{\"custom_fields\": {\"360001\": \"$.sentiment\"}}"

typedef enum RecordKind
{
	RECORD_TICKET,
	RECORD_USER,
	RECORD_ORGANIZATION
} RecordKind;

static const char *const known_keys[] = {
	"url", "auth", "record", "external_id", "mode", "safe_update", "rate_limit_header", NULL};
static const char *const records[] = {"ticket", "user", "organization", NULL};
static const char *const modes[] = {"many", "single", NULL};
static const char *const flows[] = {"client_credentials", "refresh_token", "bearer", NULL};

/* Fields of a ticket that this transport sets itself, or that a repeated request would add again. */
static const char *const refused_fields[] = {
	"id",		   "comment",	  "comments",	"additional_tags", "remove_tags", "updated_stamp",
	"safe_update", "external_id", "updated_at", "custom_field",	   "fields",	  NULL};

static void check_keys(const CxsigConfigObject *config, RecordKind kind);
static RecordKind parse_record(const CxsigConfigObject *config);
static void parse_way(const CxsigConfigObject *config, RecordKind kind, bool tags,
					  CxsigZendesk *zendesk);
static void parse_ticket_way(const CxsigConfigObject *config, bool tags, CxsigZendesk *zendesk);
static void parse_external_id(const CxsigConfigObject *config, const char *order_scope,
							  RecordKind kind, CxsigZendesk *zendesk);
static void parse_auth(const CxsigTransportSource *source, CxsigZendesk *zendesk);
static bool check_ticket_mapping(const CxsigConfigObject *config, const CxsigMapping *mapping);
static void check_other_mapping(const CxsigConfigObject *config, const CxsigMapping *mapping);
static void check_custom_fields(const CxsigConfigObject *config, const CxsigMapping *mapping);
static void check_tags(const CxsigConfigObject *config, const CxsigMapping *mapping);
static void mapping_error(const CxsigConfigObject *config, const char *key, const char *what,
						  const char *hint) pg_attribute_noreturn();
static bool is_listed(const char *name, const char *const *list);

CxsigTransport *
cxsig_zendesk_prepare(const CxsigTransportSource *source)
{
	CxsigZendesk *zendesk = palloc0(sizeof(CxsigZendesk));
	CxsigConfigObject config = {pstrdup(source->destination), "", source->config};
	RecordKind kind;
	bool tags = false;

	zendesk->base.ops = &cxsig_zendesk_ops;
	zendesk->view = source->view;
	/* where requests carry one record, build takes one: the option's default holds for all */
	zendesk->base.max_batch = CXSIG_ZENDESK_MAX_BATCH;
	zendesk->base.batches_by = "transport \"zendesk\"";
	zendesk->base.batch_hint = "Zendesk takes at most 100 records in a request.";
	cxsig_config_known(&config, known_keys);
	zendesk->url = cxsig_config_url(&config, "url", false, NULL);
	zendesk->rate_header = cxsig_config_string(&config, "rate_limit_header", false);
	kind = parse_record(&config);
	check_keys(&config, kind);
	parse_external_id(&config, source->order_scope, kind, zendesk);
	cxsig_record_check_mapping(source->view, "zendesk", config.destination, EXAMPLE);
	if (kind == RECORD_TICKET)
		tags = check_ticket_mapping(&config, source->view->mapping);
	else
		check_other_mapping(&config, source->view->mapping);
	parse_way(&config, kind, tags, zendesk);
	parse_auth(source, zendesk);
	return &zendesk->base;
}

static RecordKind
parse_record(const CxsigConfigObject *config)
{
	const char *word = cxsig_config_word(config, "record", records, records[RECORD_TICKET]);

	for (int i = RECORD_TICKET; i < RECORD_ORGANIZATION; i++)
	{
		if (strcmp(word, records[i]) == 0)
			return (RecordKind) i;
	}
	return RECORD_ORGANIZATION;
}

/* What is said of tickets is said for nothing where there are none. */
static void
check_keys(const CxsigConfigObject *config, RecordKind kind)
{
	static const char *const of_tickets[] = {"mode", "safe_update"};

	for (int i = 0; kind != RECORD_TICKET && i < (int) lengthof(of_tickets); i++)
	{
		if (cxsig_config_value(config, of_tickets[i]) != NULL)
			cxsig_config_refuse(config, of_tickets[i], "is for tickets only",
								"Leave it out, or set record to \"ticket\".");
	}
}

static void
parse_way(const CxsigConfigObject *config, RecordKind kind, bool tags, CxsigZendesk *zendesk)
{
	switch (kind)
	{
		case RECORD_TICKET:
			parse_ticket_way(config, tags, zendesk);
			break;
		case RECORD_USER:
			zendesk->way = CXSIG_ZENDESK_USERS;
			break;
		case RECORD_ORGANIZATION:
			zendesk->way = CXSIG_ZENDESK_ORGANIZATION;
			break;
	}
}

static void
parse_ticket_way(const CxsigConfigObject *config, bool tags, CxsigZendesk *zendesk)
{
	const char *mode = cxsig_config_word(config, "mode", modes, tags ? "single" : "many");
	bool many = strcmp(mode, "many") == 0;
	bool safe = cxsig_config_bool(config, "safe_update", tags && !many);

	if (many && safe)
		cxsig_config_refuse(config, "safe_update", "is not possible in mode \"many\"",
							"Set mode to \"single\", or leave safe_update out.");
	if (many)
		zendesk->way = tags ? CXSIG_ZENDESK_ALIKE : CXSIG_ZENDESK_TICKETS;
	else if (safe)
		zendesk->way = CXSIG_ZENDESK_SAFE;
	else
		zendesk->way = tags ? CXSIG_ZENDESK_ALIKE : CXSIG_ZENDESK_ONE;
	zendesk->most = many ? CXSIG_ZENDESK_MAX_BATCH : 1;
}

static void
parse_external_id(const CxsigConfigObject *config, const char *order_scope, RecordKind kind,
				  CxsigZendesk *zendesk)
{
	const char *field = kind == RECORD_TICKET ? "id" : "external_id";

	cxsig_record_external_id(config, order_scope, field, &zendesk->id);
	if (strcmp(zendesk->id.field, field) != 0)
		cxsig_config_refuse(config, "external_id.field",
							psprintf("is \"%.64s\"; a %s is found by its \"%s\"", zendesk->id.field,
									 records[kind], field),
							"Leave the field out.");
}

static void
parse_auth(const CxsigTransportSource *source, CxsigZendesk *zendesk)
{
	CxsigCredentialRules rules = {.flows = flows, .scope = "read write"};

	rules.token_url = psprintf("%s/oauth/tokens", zendesk->url);
	zendesk->base.credential = cxsig_credential_create(source, &rules);
}

/* Does the mapping change tags? */
static bool
check_ticket_mapping(const CxsigConfigObject *config, const CxsigMapping *mapping)
{
	List *keys = cxsig_mapping_keys(mapping, NULL);
	bool tags = false;
	ListCell *cell;

	foreach (cell, keys)
	{
		const char *key = lfirst(cell);

		if (is_listed(key, refused_fields))
			mapping_error(config, key, "is no field that can be kept up to date in a ticket",
						  strcmp(key, "comment") == 0
							  ? "A request that is repeated would add the comment again."
							  : NULL);
		if (strcmp(key, "custom_fields") == 0)
			check_custom_fields(config, mapping);
		else if (strcmp(key, "tags") == 0)
		{
			check_tags(config, mapping);
			tags = true;
		}
	}
	return tags;
}

static void
check_custom_fields(const CxsigConfigObject *config, const CxsigMapping *mapping)
{
	List *keys = cxsig_mapping_keys(mapping, "custom_fields");
	ListCell *cell;

	if (keys == NIL)
		mapping_error(config, "custom_fields", "is not an object of fields",
					  "Write {\"custom_fields\": {\"360001\": \"$.sentiment\"}}.");
	foreach (cell, keys)
	{
		const char *key = lfirst(cell);

		if (strspn(key, "0123456789") != strlen(key) || key[0] == '0' || key[0] == '\0' ||
			strlen(key) > 18)
			mapping_error(config, psprintf("custom_fields.%.64s", key),
						  "is no id of a field: it has to be a number",
						  "Zendesk shows the id of a field in its list of ticket fields.");
	}
}

static void
check_tags(const CxsigConfigObject *config, const CxsigMapping *mapping)
{
	List *keys = cxsig_mapping_keys(mapping, "tags");
	const char *hint = "Write {\"tags\": {\"add\": [...], \"remove\": [...]}}.";
	ListCell *cell;

	if (keys == NIL)
		mapping_error(config, "tags", "would replace all tags of a ticket, an agent's too", hint);
	foreach (cell, keys)
	{
		const char *key = lfirst(cell);

		if (strcmp(key, "add") != 0 && strcmp(key, "remove") != 0)
			mapping_error(config, psprintf("tags.%.64s", key), "is neither add nor remove", hint);
	}
}

/* Users and organizations: their external_id is the config's, and their tags can only be replaced. */
static void
check_other_mapping(const CxsigConfigObject *config, const CxsigMapping *mapping)
{
	List *keys = cxsig_mapping_keys(mapping, NULL);
	ListCell *cell;

	foreach (cell, keys)
	{
		const char *key = lfirst(cell);

		if (strcmp(key, "tags") == 0)
			mapping_error(config, key, "would replace all tags, those that others set too",
						  "Use a custom field of the user or organization instead.");
		if (strcmp(key, "external_id") == 0 || strcmp(key, "id") == 0)
			mapping_error(config, key, "names the record, which external_id of the config does",
						  NULL);
	}
}

static void
mapping_error(const CxsigConfigObject *config, const char *key, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("mapping key \"%s\" of destination \"%s\" %s", key, config->destination, what),
			 hint != NULL ? errhint("%s", hint) : 0));
}

static bool
is_listed(const char *name, const char *const *list)
{
	for (; *list != NULL; list++)
	{
		if (strcmp(name, *list) == 0)
			return true;
	}
	return false;
}
