/*
 * pagerduty.c
 *	  The `pagerduty` transport: alerts as events of the Events API v2. Runs in the dispatcher for every
 *	  request, and in a backend that tests a destination. No table, no lock.
 *
 * Events of one dedup_key fold into one alert there too: a request whose answer was lost does no harm.
 */
#include "postgres.h"

#include "event/json.h"
#include "transport/alert_text.h"
#include "transport/outcome.h"
#include "transport/pagerduty.h"

#define DEFAULT_URL "https://events.pagerduty.com/v2/enqueue"

static CxsigTransport *pagerduty_prepare(const CxsigTransportSource *source);
static int pagerduty_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						   int max_bytes, CxsigRequest *request);
static void pagerduty_build_ping(CxsigTransport *transport, CxsigRequest *request);
static void pagerduty_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
						   const CxsigResponse *response, CxsigResult *results);
static void begin_event(const CxsigAlertConfig *config, const char *action, const char *key,
						CxsigRequest *request);
static void append_payload(const CxsigAlertConfig *config, const CxsigEvent *event,
						   const CxsigAlert *alert, const CxsigAlertText *text, StringInfo body);
static void append_member(StringInfo body, const char *key, const char *value);
static void append_details(const CxsigAlertText *text, StringInfo body);
static void append_links(const CxsigAlertText *text, StringInfo body);
static void read_key(const CxsigResponse *response, CxsigResult *result);

const CxsigTransportOps cxsig_pagerduty_ops = {
	.name = "pagerduty",
	.defaults = "{\"concurrency\": 4, \"rate_limit\": 2}",
	.prepare = pagerduty_prepare,
	.build = pagerduty_build,
	.build_ping = pagerduty_build_ping,
	.read = pagerduty_read,
	.alerts = true,
};

static CxsigTransport *
pagerduty_prepare(const CxsigTransportSource *source)
{
	return &cxsig_alerter_create(source, &cxsig_pagerduty_ops, DEFAULT_URL)->base;
}

static int
pagerduty_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
				CxsigRequest *request)
{
	const CxsigAlertConfig *config = cxsig_alert_config(transport);
	const CxsigAlert *alert = attempts[0].alert;
	CxsigAlertText text;

	if (alert->action == CXSIG_ALERT_RESOLVE)
		begin_event(config, "resolve", alert->key, request);
	else
	{
		cxsig_alert_text(config, &attempts[0], &text);
		begin_event(config, "trigger", alert->key, request);
		appendStringInfoString(&request->body, ",\"client\":\"cxsig\"");
		append_payload(config, attempts[0].event, alert, &text, &request->body);
		append_links(&text, &request->body);
	}
	appendStringInfoChar(&request->body, '}');
	return 1;
}

/* Resolving what is not there changes nothing. */
static void
pagerduty_build_ping(CxsigTransport *transport, CxsigRequest *request)
{
	const CxsigAlertConfig *config = cxsig_alert_config(transport);

	begin_event(config, "resolve", psprintf("cxsig/%s/ping", config->destination), request);
	appendStringInfoChar(&request->body, '}');
}

static void
begin_event(const CxsigAlertConfig *config, const char *action, const char *key,
			CxsigRequest *request)
{
	cxsig_alert_request(config, request);
	appendStringInfoString(&request->body, "{\"routing_key\":");
	/* a preview is made without secrets */
	cxsig_json_append_string(&request->body,
							 config->routing_key != NULL ? config->routing_key : "***");
	appendStringInfo(&request->body, ",\"event_action\":\"%s\"", action);
	append_member(&request->body, "dedup_key", key);
}

static void
append_payload(const CxsigAlertConfig *config, const CxsigEvent *event, const CxsigAlert *alert,
			   const CxsigAlertText *text, StringInfo body)
{
	appendStringInfoString(body, ",\"payload\":{\"summary\":");
	cxsig_json_append_string(body, text->headline);
	append_member(body, "source", config->source);
	append_member(body, "severity", cxsig_severity_name(text->severity));
	appendStringInfoString(body, ",\"timestamp\":\"");
	cxsig_append_timestamp(body, alert->since);
	appendStringInfoChar(body, '"');
	append_member(body, "component", event->ticket_id);
	append_member(body, "group", event->account_id);
	append_member(body, "class", config->condition_name);
	append_details(text, body);
	appendStringInfoChar(body, '}');
}

static void
append_member(StringInfo body, const char *key, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(body, ",\"%s\":", key);
	cxsig_json_append_string(body, value);
}

static void
append_details(const CxsigAlertText *text, StringInfo body)
{
	appendStringInfoString(body, ",\"custom_details\":{");
	for (int i = 0; i < text->n_facts; i++)
	{
		appendStringInfo(body, "%s\"%s\":", i > 0 ? "," : "", text->facts[i].label);
		cxsig_json_append_string(body, text->facts[i].value);
	}
	append_member(body, "Quote", text->quote);
	appendStringInfoChar(body, '}');
}

static void
append_links(const CxsigAlertText *text, StringInfo body)
{
	const char *const urls[] = {text->evidence_url, text->flag_url};
	static const char *const words[] = {"Evidence", "Flag as wrong"};
	bool first = true;

	for (size_t i = 0; i < lengthof(urls); i++)
	{
		if (urls[i] == NULL)
			continue;
		appendStringInfoString(body, first ? ",\"links\":[{\"href\":" : ",{\"href\":");
		cxsig_json_append_string(body, urls[i]);
		appendStringInfo(body, ",\"text\":\"%s\"}", words[i]);
		first = false;
	}
	if (!first)
		appendStringInfoChar(body, ']');
}

/* A routing key that is not known is a 400 too, but a matter of the settings, not of the event. */
static void
pagerduty_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
			   const CxsigResponse *response, CxsigResult *results)
{
	CxsigResult *result = &results[0];

	cxsig_alert_read(cxsig_alert_config(transport), response, result);
	if (result->outcome == CXSIG_DELIVERED)
		read_key(response, result);
	else if (result->status == 400 && response->body != NULL &&
			 (strstr(response->body, "routing key") != NULL ||
			  strstr(response->body, "routing_key") != NULL))
		result->outcome = CXSIG_UNAUTHORISED;
	result->final = result->outcome == CXSIG_UNAUTHORISED;
	cxsig_alert_say(attempts, result);
}

static void
read_key(const CxsigResponse *response, CxsigResult *result)
{
	CxsigJsonSpan key;
	char text[512];

	if (response->body_truncated || !cxsig_json_is_valid(response->body, response->body_len))
		return;
	key = cxsig_json_member(response->body, "dedup_key");
	if (key.start != NULL && *key.start == '"')
		cxsig_outcome_copy_text(result->remote_id, sizeof(result->remote_id), text,
								cxsig_json_unescape(key, text, sizeof(text)));
}
