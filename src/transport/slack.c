/*
 * slack.c
 *	  The `slack` transport: alerts as messages of an incoming webhook. Runs in the dispatcher for every
 *	  request, and in a backend that tests a destination. No table, no lock.
 *
 * Slack folds nothing: a request whose answer was lost may be shown twice.
 */
#include "postgres.h"

#include "event/json.h"
#include "transport/alert_text.h"
#include "transport/slack.h"

/* Characters that a section's text, and a field of it, may have; a byte is a character at most. */
#define MAX_SECTION 3000

static CxsigTransport *slack_prepare(const CxsigTransportSource *source);
static int slack_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
					   int max_bytes, CxsigRequest *request);
static void slack_build_ping(CxsigTransport *transport, CxsigRequest *request);
static void slack_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
					   const CxsigResponse *response, CxsigResult *results);
static void append_body(const CxsigAlertText *text, StringInfo body);
static void append_facts(const CxsigAlertText *text, StringInfo body);
static void append_section(StringInfo body, const char *mrkdwn);
static void append_link(StringInfo body, const char *url, const char *words);
static void append_escaped(StringInfo out, const char *text);

const CxsigTransportOps cxsig_slack_ops = {
	.name = "slack",
	.defaults = "{\"concurrency\": 4, \"rate_limit\": 1}",
	.prepare = slack_prepare,
	.build = slack_build,
	.build_ping = slack_build_ping,
	.read = slack_read,
	.alerts = true,
};

static CxsigTransport *
slack_prepare(const CxsigTransportSource *source)
{
	return &cxsig_alerter_create(source, &cxsig_slack_ops, NULL)->base;
}

static int
slack_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
			CxsigRequest *request)
{
	const CxsigAlertConfig *config = cxsig_alert_config(transport);
	CxsigAlertText text;

	cxsig_alert_text(config, &attempts[0], &text);
	cxsig_alert_request(config, request);
	append_body(&text, &request->body);
	return 1;
}

static void
slack_build_ping(CxsigTransport *transport, CxsigRequest *request)
{
	const CxsigAlertConfig *config = cxsig_alert_config(transport);

	cxsig_alert_request(config, request);
	appendStringInfoString(&request->body, "{\"text\":");
	cxsig_json_append_string(&request->body,
							 psprintf("This is a test: alerts of cxsig's destination %s come here.",
									  config->destination));
	appendStringInfoChar(&request->body, '}');
}

/* text is what notifications show, and what is shown where blocks cannot be. */
static void
append_body(const CxsigAlertText *text, StringInfo body)
{
	StringInfoData line;

	initStringInfo(&line);
	append_escaped(&line, text->headline);
	appendStringInfoString(body, "{\"text\":");
	cxsig_json_append_string(body, line.data);
	appendStringInfoString(body, ",\"blocks\":[{\"type\":\"header\",\"text\":{\"type\":"
								 "\"plain_text\",\"text\":");
	cxsig_json_append_string(body, text->headline);
	appendStringInfoString(body, "}}");
	append_facts(text, body);
	if (text->quote != NULL)
	{
		resetStringInfo(&line);
		appendStringInfoChar(&line, '>');
		append_escaped(&line, text->quote);
		append_section(body, line.data);
	}
	append_link(body, text->evidence_url, "Evidence");
	append_link(body, text->flag_url, "Flag as wrong");
	appendStringInfoString(body, "],\"unfurl_links\":false,\"unfurl_media\":false}");
}

/* One a line: fields side by side are hard to read on a telephone. */
static void
append_facts(const CxsigAlertText *text, StringInfo body)
{
	StringInfoData lines;

	initStringInfo(&lines);
	for (int i = 0; i < text->n_facts; i++)
	{
		appendStringInfo(&lines, "%s*%s:* ", i > 0 ? "\n" : "", text->facts[i].label);
		append_escaped(&lines, text->facts[i].value);
	}
	if (lines.len <= MAX_SECTION)
	{
		append_section(body, lines.data);
		return;
	}
	/* escapes can make it five times as long: a section each, then */
	for (int i = 0; i < text->n_facts; i++)
	{
		resetStringInfo(&lines);
		appendStringInfo(&lines, "*%s:* ", text->facts[i].label);
		append_escaped(&lines, text->facts[i].value);
		append_section(body, lines.data);
	}
}

/* verbatim: what customers wrote makes no links and names nobody. */
static void
append_section(StringInfo body, const char *mrkdwn)
{
	appendStringInfoString(body, ",{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":");
	cxsig_json_append_string(body, mrkdwn);
	appendStringInfoString(body, ",\"verbatim\":true}}");
}

/* A link that is too long for a section is left out: history() has it. */
static void
append_link(StringInfo body, const char *url, const char *words)
{
	StringInfoData link;

	if (url == NULL)
		return;
	initStringInfo(&link);
	appendStringInfoChar(&link, '<');
	append_escaped(&link, url);
	appendStringInfo(&link, "|%s>", words);
	if (link.len <= MAX_SECTION)
		append_section(body, link.data);
}

/* As Slack asks for it. */
static void
append_escaped(StringInfo out, const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
	{
		if (*at == '&')
			appendStringInfoString(out, "&amp;");
		else if (*at == '<')
			appendStringInfoString(out, "&lt;");
		else if (*at == '>')
			appendStringInfoString(out, "&gt;");
		else
			appendStringInfoChar(out, *at);
	}
}

/* A person that is not there is a matter of the settings, not of the event. */
static void
slack_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
		   const CxsigResponse *response, CxsigResult *results)
{
	CxsigResult *result = &results[0];

	cxsig_alert_read(cxsig_alert_config(transport), response, result);
	if (strcmp(result->detail, "user_not_found") == 0)
		result->outcome = CXSIG_UNAUTHORISED;
	result->final = result->outcome == CXSIG_UNAUTHORISED;
	cxsig_alert_say(attempts, result);
}
