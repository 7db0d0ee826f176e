/*
 * alert_config.c
 *	  The config of a destination that alerts people. Runs in the dispatcher when it loads a
 *	  destination, and in backends that define or test one. No table, no lock.
 */
#include "postgres.h"

#include "event/path.h"
#include "transport/alert_config.h"
#include "transport/http.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define DEFAULT_WINDOW "1 hour"
#define MAX_FLAG_URL 1024
#define URL_SECRET "url"
#define KEY_SECRET "routing_key"

static const char *const known_keys[] = {"condition", "condition_name", "noise",
										 "severity",  "flag_url",		"resolve",
										 "url",		  "source",			NULL};
static const char *const noise_keys[] = {"per", "window", NULL};
static const char *const scopes[] = {"ticket", "account", NULL};

static void parse_way(const CxsigConfigObject *config, const char *url, CxsigAlertConfig *into);
static void parse_condition(const CxsigConfigObject *config, CxsigAlertConfig *into);
static void parse_name(const CxsigConfigObject *config, CxsigAlertConfig *into);
static void parse_noise(const CxsigConfigObject *config, const char *order_scope,
						CxsigAlertConfig *into);
static void parse_window(const CxsigConfigObject *noise, CxsigAlertConfig *into);
static bool read_input(PGFunction function, const char *text, Datum *value);
static void parse_severity(const CxsigConfigObject *config, CxsigAlertConfig *into);
static CxsigSeverity severity_of(const CxsigConfigObject *object, const char *key,
								 CxsigSeverity fallback);
static void parse_flag_url(const CxsigConfigObject *config, CxsigAlertConfig *into);
static void check_flag_url(const CxsigConfigObject *config, const char *template);
static void take_secret(const CxsigTransportSource *source, bool by_key, CxsigAlertConfig *into);

CxsigAlerter *
cxsig_alerter_create(const CxsigTransportSource *source, const CxsigTransportOps *ops,
					 const char *url)
{
	CxsigAlerter *alerter = palloc0(sizeof(CxsigAlerter));
	CxsigAlertConfig *into = &alerter->config;
	CxsigConfigObject config = {pstrdup(source->destination), "", source->config};

	alerter->base.ops = ops;
	alerter->base.max_batch = 1;
	alerter->base.batches_by = psprintf("transport \"%s\"", ops->name);
	alerter->base.batch_hint = "A message is about one ticket, or one account.";
	into->destination = config.destination;
	if (source->view->mapping != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"mapping\" of destination \"%s\" is for nothing with "
							   "transport \"%s\"",
							   config.destination, ops->name),
						errhint("Leave it out: an alert says what a person has to know.")));
	cxsig_config_known(&config, known_keys);
	parse_way(&config, url, into);
	parse_condition(&config, into);
	parse_name(&config, into);
	parse_noise(&config, source->order_scope, into);
	parse_severity(&config, into);
	parse_flag_url(&config, into);
	into->resolve = cxsig_config_bool(&config, "resolve", true);
	if (source->n_secrets >= 0)
		take_secret(source, url != NULL, into);
	return alerter;
}

/* Where to: in the config, or a secret. */
static void
parse_way(const CxsigConfigObject *config, const char *url, CxsigAlertConfig *into)
{
	if (url == NULL)
	{
		if (cxsig_config_value(config, "url") != NULL)
			cxsig_config_refuse(config, "url", "is a secret, and the config can be read",
								psprintf("Leave it out, and give it with cxsig.set_secret('%s', "
										 "'url', ...).",
										 config->destination));
		if (cxsig_config_value(config, "source") != NULL)
			cxsig_config_refuse(config, "source", "is for transport \"pagerduty\" only",
								"Leave it out.");
		return;
	}
	into->url = cxsig_config_url(config, "url", false, url);
	into->source = cxsig_config_string(config, "source", false);
	if (into->source == NULL)
		into->source = pstrdup("cxsig");
	if (strlen(into->source) > 255)
		cxsig_config_refuse(config, "source", "is longer than 255 bytes", NULL);
}

static void
parse_condition(const CxsigConfigObject *config, CxsigAlertConfig *into)
{
	char *text = cxsig_config_string(config, "condition", false);
	char *printed;
	Datum path;

	if (!read_input(jsonpath_in, text != NULL ? text : CXSIG_ALERT_CONDITION, &path))
		cxsig_config_refuse(config, "condition", "is no jsonpath",
							"A jsonpath predicate, such as $.churn_risk == \"high\".");
	if (cxsig_path_has_variable(DatumGetJsonPathP(path), &printed))
		cxsig_config_refuse(config, "condition", "names a variable, and there are none",
							"Write $.name for the member \"name\" of the event.");
	into->condition.filter = cxsig_filter_prepare(DatumGetJsonPathP(path));
}

/* It becomes part of a key: a word, as names of destinations are. */
static void
parse_name(const CxsigConfigObject *config, CxsigAlertConfig *into)
{
	char *name = cxsig_config_string(config, "condition_name", false);
	size_t len;

	if (name == NULL)
		name = pstrdup("signal");
	len = strlen(name);
	if (len > 63 ||
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") != len)
		cxsig_config_refuse(config, "condition_name", "is no word",
							"1 to 63 letters, digits and _ . : -, such as \"churn\".");
	into->condition_name = name;
}

static void
parse_noise(const CxsigConfigObject *config, const char *order_scope, CxsigAlertConfig *into)
{
	CxsigConfigObject noise = cxsig_config_object(config, "noise");
	const char *per = cxsig_config_word(&noise, "per", scopes, order_scope);

	cxsig_config_known(&noise, noise_keys);
	if (strcmp(order_scope, "none") == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"order_scope\" of destination \"%s\" cannot be \"none\"",
							   config->destination),
						errhint("What is folded is kept in order: ticket or account.")));
	if (strcmp(per, order_scope) != 0)
		cxsig_config_refuse(
			&noise, "per",
			psprintf("and the option \"order_scope\", which is \"%s\", differ", order_scope),
			"What is folded is kept in order: leave the option out, or give both "
			"the same, ticket or account.");
	into->per_account = strcmp(per, "account") == 0;
	parse_window(&noise, into);
}

static void
parse_window(const CxsigConfigObject *noise, CxsigAlertConfig *into)
{
	char *text = cxsig_config_string(noise, "window", false);
	Datum value;
	const Interval *interval;
	double seconds;

	if (!read_input(interval_in, text != NULL ? text : DEFAULT_WINDOW, &value))
		cxsig_config_refuse(noise, "window", "is no interval", "Write it as \"1 hour\".");
	interval = DatumGetIntervalP(value);
	seconds = (double) interval->month * DAYS_PER_MONTH * SECS_PER_DAY +
			  (double) interval->day * SECS_PER_DAY + (double) interval->time / USECS_PER_SEC;
	if (seconds < 1 || seconds > 366.0 * SECS_PER_DAY)
		cxsig_config_refuse(noise, "window", "is not between a second and a year",
							"Write it as \"1 hour\".");
	into->window_ms = (int64) (seconds * 1000);
}

/* Call a type's input function; false where the text is not of the type. Holds nothing but memory. */
static bool
read_input(PGFunction function, const char *text, Datum *value)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool ok = true;

	PG_TRY();
	{
		*value = DirectFunctionCall3(function, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
									 Int32GetDatum(-1));
	}
	PG_CATCH();
	{
		int category = ERRCODE_TO_CATEGORY(geterrcode());

		if (category != ERRCODE_DATA_EXCEPTION &&
			category != ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR) &&
			category != ERRCODE_FEATURE_NOT_SUPPORTED)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ok = false;
	}
	PG_END_TRY();
	return ok;
}

static void
parse_severity(const CxsigConfigObject *config, CxsigAlertConfig *into)
{
	Jsonb *given = cxsig_config_value(config, "severity");
	CxsigConfigObject map;
	CxsigSeverity rest;

	if (given == NULL)
		return;
	into->severity_given = true;
	if (!JB_ROOT_IS_OBJECT(given))
	{
		for (int i = 0; i < CXSIG_CHURN_LEVELS; i++)
			into->severity[i] = severity_of(config, "severity", CXSIG_WARNING);
		return;
	}
	map = cxsig_config_object(config, "severity");
	cxsig_config_known(&map, cxsig_alert_levels);
	rest = severity_of(&map, "else", CXSIG_WARNING);
	for (int i = 0; i < CXSIG_CHURN_LEVELS; i++)
		into->severity[i] = severity_of(&map, cxsig_alert_levels[i], rest);
}

static CxsigSeverity
severity_of(const CxsigConfigObject *object, const char *key, CxsigSeverity fallback)
{
	const char *word = cxsig_config_word(object, key, cxsig_severities, cxsig_severities[fallback]);

	for (int i = 0; cxsig_severities[i] != NULL; i++)
	{
		if (strcmp(cxsig_severities[i], word) == 0)
			return (CxsigSeverity) i;
	}
	return fallback;
}

static void
parse_flag_url(const CxsigConfigObject *config, CxsigAlertConfig *into)
{
	into->flag_url = cxsig_config_string(config, "flag_url", false);
	if (into->flag_url != NULL)
		check_flag_url(config, into->flag_url);
}

static void
check_flag_url(const CxsigConfigObject *config, const char *template)
{
	static const char *const names[] = {"{event_id}", "{ticket_id}"};
	const char *hint = "Write it as \"https://tools.example.com/flag?event={event_id}\".";

	if (strncmp(template, "https://", 8) != 0 || template[8] == '\0' || template[8] == '/')
		cxsig_config_refuse(config, "flag_url", "is no https link", hint);
	if (strlen(template) > MAX_FLAG_URL)
		cxsig_config_refuse(config, "flag_url", "is longer than 1024 bytes", NULL);
	for (const char *at = template; *at != '\0'; at++)
	{
		size_t i;

		if (*at <= 0x20 || *at >= 0x7f || strchr("\"<>\\^`|", *at) != NULL)
			cxsig_config_refuse(config, "flag_url", "has characters that no link has",
								"Percent-encode them.");
		if (*at == '}')
			cxsig_config_refuse(config, "flag_url", "has a brace that closes nothing", hint);
		if (*at != '{')
			continue;
		for (i = 0; i < lengthof(names) && strncmp(at, names[i], strlen(names[i])) != 0; i++)
			;
		if (i == lengthof(names))
			cxsig_config_refuse(config, "flag_url", "has a brace that names nothing known",
								"There are {event_id} and {ticket_id}.");
		at += strlen(names[i]) - 1;
	}
}

/* The one secret there has to be; others were set for nothing, and are let be. */
static void
take_secret(const CxsigTransportSource *source, bool by_key, CxsigAlertConfig *into)
{
	const char *name = by_key ? KEY_SECRET : URL_SECRET;
	const char *why;
	int i;

	for (i = 0; i < source->n_secrets && strcmp(source->secrets[i].name, name) != 0; i++)
		;
	if (i == source->n_secrets)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("destination \"%s\" needs the secret \"%s\"", source->destination, name),
			 errhint("Set it with cxsig.set_secret('%s', '%s', ...).", source->destination, name)));
	if (by_key)
	{
		into->routing_key = pstrdup(source->secrets[i].value);
		return;
	}
	into->url = pstrdup(source->secrets[i].value);
	why = cxsig_http_check_url(into->url);
	if (why != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("secret \"%s\" of destination \"%s\" is no URL to send to", name,
							   source->destination),
						errdetail_internal("%s", why)));
}
