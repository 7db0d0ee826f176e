/*
 * teams.c
 *	  The `teams` transport: alerts as adaptive cards, posted to a workflow's webhook. Runs in the
 *	  dispatcher for every request, and in a backend that tests a destination. No table, no lock.
 *
 * Teams folds nothing: a request whose answer was lost may be shown twice. Its 202 says that the card
 * was taken, not that it was posted.
 */
#include "postgres.h"

#include "event/json.h"
#include "transport/alert_text.h"
#include "transport/teams.h"

static CxsigTransport *teams_prepare(const CxsigTransportSource *source);
static int teams_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
					   int max_bytes, CxsigRequest *request);
static void teams_build_ping(CxsigTransport *transport, CxsigRequest *request);
static void teams_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
					   const CxsigResponse *response, CxsigResult *results);
static void begin_card(StringInfo body);
static void end_card(StringInfo body);
static void append_block(StringInfo body, const char *text, const char *style);
static void append_facts(const CxsigAlertText *text, StringInfo body);
static void append_actions(const CxsigAlertText *text, StringInfo body);
static void append_text(StringInfo body, const char *text);

const CxsigTransportOps cxsig_teams_ops = {
	.name = "teams",
	.defaults = "{\"concurrency\": 4, \"rate_limit\": 1}",
	.prepare = teams_prepare,
	.build = teams_build,
	.build_ping = teams_build_ping,
	.read = teams_read,
	.alerts = true,
};

static CxsigTransport *
teams_prepare(const CxsigTransportSource *source)
{
	return &cxsig_alerter_create(source, &cxsig_teams_ops, NULL)->base;
}

static int
teams_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
			CxsigRequest *request)
{
	const CxsigAlertConfig *config = cxsig_alert_config(transport);
	CxsigAlertText text;

	cxsig_alert_text(config, &attempts[0], &text);
	cxsig_alert_request(config, request);
	begin_card(&request->body);
	append_block(&request->body, text.headline,
				 text.resolved ? ",\"size\":\"Large\",\"weight\":\"Bolder\",\"color\":\"Good\""
				 : text.severity <= CXSIG_ERROR
					 ? ",\"size\":\"Large\",\"weight\":\"Bolder\",\"color\":\"Attention\""
					 : ",\"size\":\"Large\",\"weight\":\"Bolder\",\"color\":\"Warning\"");
	append_facts(&text, &request->body);
	if (text.quote != NULL)
	{
		appendStringInfoChar(&request->body, ',');
		append_block(&request->body, psprintf("\xe2\x80\x9c%s\xe2\x80\x9d", text.quote),
					 ",\"isSubtle\":true");
	}
	appendStringInfoChar(&request->body, ']');
	append_actions(&text, &request->body);
	end_card(&request->body);
	return 1;
}

static void
teams_build_ping(CxsigTransport *transport, CxsigRequest *request)
{
	const CxsigAlertConfig *config = cxsig_alert_config(transport);

	cxsig_alert_request(config, request);
	begin_card(&request->body);
	append_block(&request->body,
				 psprintf("This is a test: alerts of cxsig's destination %s come here.",
						  config->destination),
				 "");
	appendStringInfoChar(&request->body, ']');
	end_card(&request->body);
}

/* All up to the first block of the body, which is open then. */
static void
begin_card(StringInfo body)
{
	appendStringInfoString(
		body, "{\"type\":\"message\",\"attachments\":[{\"contentType\":"
			  "\"application/vnd.microsoft.card.adaptive\",\"contentUrl\":null,\"content\":{"
			  "\"$schema\":\"http://adaptivecards.io/schemas/adaptive-card.json\","
			  "\"type\":\"AdaptiveCard\",\"version\":\"1.4\",\"body\":[");
}

static void
end_card(StringInfo body)
{
	appendStringInfoString(body, "}}]}");
}

static void
append_block(StringInfo body, const char *text, const char *style)
{
	appendStringInfoString(body, "{\"type\":\"TextBlock\",\"text\":");
	append_text(body, text);
	appendStringInfo(body, ",\"wrap\":true%s}", style);
}

static void
append_facts(const CxsigAlertText *text, StringInfo body)
{
	appendStringInfoString(body, ",{\"type\":\"FactSet\",\"facts\":[");
	for (int i = 0; i < text->n_facts; i++)
	{
		appendStringInfo(body, "%s{\"title\":\"%s\",\"value\":", i > 0 ? "," : "",
						 text->facts[i].label);
		append_text(body, text->facts[i].value);
		appendStringInfoChar(body, '}');
	}
	appendStringInfoString(body, "]}");
}

static void
append_actions(const CxsigAlertText *text, StringInfo body)
{
	const char *const urls[] = {text->evidence_url, text->flag_url};
	static const char *const titles[] = {"Evidence", "Flag as wrong"};
	bool first = true;

	for (size_t i = 0; i < lengthof(urls); i++)
	{
		if (urls[i] == NULL)
			continue;
		appendStringInfo(body, "%s{\"type\":\"Action.OpenUrl\",\"title\":\"%s\",\"url\":",
						 first ? ",\"actions\":[" : ",", titles[i]);
		cxsig_json_append_string(body, urls[i]);
		appendStringInfoChar(body, '}');
		first = false;
	}
	if (!first)
		appendStringInfoChar(body, ']');
}

/* Texts are in a kind of Markdown: what customers wrote must not become a link that says another. */
static void
append_text(StringInfo body, const char *text)
{
	StringInfoData safe;

	initStringInfo(&safe);
	for (const char *at = text; *at != '\0'; at++)
	{
		appendStringInfoChar(&safe, *at);
		if (*at == ']' && (at[1] == '(' || at[1] == '[' || at[1] == ':'))
			appendStringInfoChar(&safe, ' ');
	}
	cxsig_json_append_string(body, safe.data);
}

static void
teams_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
		   const CxsigResponse *response, CxsigResult *results)
{
	CxsigResult *result = &results[0];

	cxsig_alert_read(cxsig_alert_config(transport), response, result);
	result->final = result->outcome == CXSIG_UNAUTHORISED;
	cxsig_alert_say(attempts, result);
}
