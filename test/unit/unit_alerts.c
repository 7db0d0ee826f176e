/*
 * unit_alerts.c
 *	  Alerts: what they say to the byte, what hostile words do to them, and what answers mean.
 */
#include "postgres.h"

#include <math.h>

#include "event/json.h"
#include "transport/alert_text.h"
#include "transport/pagerduty.h"
#include "transport/slack.h"
#include "transport/teams.h"
#include "unit.h"

static CxsigEvent event;
static CxsigAlert alert;
static CxsigAttempt attempt;
static CxsigAlerter alerter;

static void make_event(void);
static void check_slack(void);
static void check_teams(void);
static void check_pagerduty(void);
static void check_resolved(void);
static void check_hostile(void);
static void check_long(void);
static void check_plain(void);
static void check_answers(void);
static void check_hidden(void);
static const char *body_of(const CxsigTransportOps *ops);
static CxsigResult answer(const CxsigTransportOps *ops, int status, const char *body);

void
unit_alerts(void)
{
	check_slack();
	check_teams();
	check_pagerduty();
	check_resolved();
	check_hostile();
	check_long();
	check_plain();
	check_answers();
	check_hidden();
}

static void
make_event(void)
{
	memset(&event, 0, sizeof(event));
	memset(&event.event_id, 0x11, UUID_LEN);
	event.event_type = "signal.created";
	event.source_system = "zendesk";
	event.ticket_id = "T 42";
	event.account_id = "acct-1";
	event.version = 3;
	event.occurred_at = INT64CONST(830000000123456);
	event.sentiment = "very_negative";
	event.churn_risk = "high";
	event.churn_score = 0.91;
	event.effort = "unknown";
	event.effort_score = NAN;
	event.canonical_tag = "billing_issue";
	event.driver = "Billing";
	event.evidence_url = "https://help.example.com/42?a=1&b=2#c1";
	event.quotes = "[\"I will leave.\\nToday.\", \"second\"]";
	event.account = "{\"name\": \"Acme GmbH\", \"plan\": \"Enterprise\", \"owner\": \"Jo Doe\", "
					"\"crm_ids\": {}}";
	alert = (CxsigAlert){CXSIG_ALERT_TRIGGER, "cxsig/desk/churn/T 42", event.occurred_at, 0};
	attempt = (CxsigAttempt){&event, 1, event.occurred_at, &alert};
	memset(&alerter, 0, sizeof(alerter));
	alerter.config.destination = "desk";
	alerter.config.condition_name = "churn";
	alerter.config.flag_url = "https://tools.example.com/flag?e={event_id}&t={ticket_id}";
	alerter.config.resolve = true;
	alerter.config.url = "https://hooks.example.com/x";
	alerter.config.routing_key = "0123456789abcdef0123456789abcdef";
	alerter.config.source = "cxsig";
}

static const char *
body_of(const CxsigTransportOps *ops)
{
	CxsigRequest request;

	memset(&request, 0, sizeof(request));
	CHECK(ops->build(&alerter.base, &attempt, 1, 1000000, &request) == 1);
	CHECK_TEXT(request.method, "POST");
	CHECK_TEXT(request.url, "https://hooks.example.com/x");
	CHECK(request.n_headers == 1 && strcmp(request.headers[0].value, "application/json") == 0);
	CHECK(cxsig_json_is_valid(request.body.data, request.body.len));
	return request.body.data;
}

static void
check_slack(void)
{
	make_event();
	CHECK_TEXT(
		body_of(&cxsig_slack_ops),
		"{\"text\":\"Churn risk high, sentiment very negative: Acme GmbH, ticket T 42\","
		"\"blocks\":[{\"type\":\"header\",\"text\":{\"type\":\"plain_text\",\"text\":"
		"\"Churn risk high, sentiment very negative: Acme GmbH, ticket T 42\"}},"
		"{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":"
		"\"*What:* churn, tag billing_issue, driver Billing\\n"
		"*Who:* Acme GmbH, ticket T 42, plan Enterprise, owner Jo Doe\\n"
		"*How bad:* critical: churn risk high (0.91), sentiment very negative\\n"
		"*Since:* 2026-04-20 11:33:20 UTC\",\"verbatim\":true}},"
		"{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":"
		"\">I will leave. Today.\",\"verbatim\":true}},"
		"{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":"
		"\"<https://help.example.com/42?a=1&amp;b=2#c1|Evidence>\",\"verbatim\":true}},"
		"{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":"
		"\"<https://tools.example.com/flag?e=11111111-1111-1111-1111-111111111111&amp;t=T%2042"
		"|Flag as wrong>\",\"verbatim\":true}}],\"unfurl_links\":false,\"unfurl_media\":false}");
}

static void
check_teams(void)
{
	make_event();
	alert.since -= 3600 * INT64CONST(1000000);
	alert.folded = 999;
	CHECK_TEXT(
		body_of(&cxsig_teams_ops),
		"{\"type\":\"message\",\"attachments\":[{\"contentType\":"
		"\"application/vnd.microsoft.card.adaptive\",\"contentUrl\":null,\"content\":{\"$schema\":"
		"\"http://adaptivecards.io/schemas/adaptive-card.json\",\"type\":\"AdaptiveCard\","
		"\"version\":\"1.4\",\"body\":[{\"type\":\"TextBlock\",\"text\":"
		"\"Still: churn risk high, sentiment very negative: Acme GmbH, ticket T 42\","
		"\"wrap\":true,\"size\":\"Large\",\"weight\":\"Bolder\",\"color\":\"Attention\"},"
		"{\"type\":\"FactSet\",\"facts\":["
		"{\"title\":\"What\",\"value\":\"churn, tag billing_issue, driver Billing\"},"
		"{\"title\":\"Who\",\"value\":"
		"\"Acme GmbH, ticket T 42, plan Enterprise, owner Jo Doe\"},"
		"{\"title\":\"How bad\",\"value\":"
		"\"critical: churn risk high (0.91), sentiment very negative\"},"
		"{\"title\":\"Since\",\"value\":\"2026-04-20 10:33:20 UTC\"},"
		"{\"title\":\"Stands for\",\"value\":\"999 more signals\"}]},"
		"{\"type\":\"TextBlock\",\"text\":"
		"\"\xe2\x80\x9cI will leave. Today.\xe2\x80\x9d\",\"wrap\":true,\"isSubtle\":true}],"
		"\"actions\":[{\"type\":\"Action.OpenUrl\",\"title\":\"Evidence\",\"url\":"
		"\"https://help.example.com/42?a=1&b=2#c1\"},"
		"{\"type\":\"Action.OpenUrl\",\"title\":\"Flag as wrong\",\"url\":"
		"\"https://tools.example.com/flag?e=11111111-1111-1111-1111-111111111111&t=T%2042\"}]}}]}");
}

static void
check_pagerduty(void)
{
	make_event();
	CHECK_TEXT(
		body_of(&cxsig_pagerduty_ops),
		"{\"routing_key\":\"0123456789abcdef0123456789abcdef\",\"event_action\":\"trigger\","
		"\"dedup_key\":\"cxsig/desk/churn/T 42\",\"client\":\"cxsig\",\"payload\":{\"summary\":"
		"\"Churn risk high, sentiment very negative: Acme GmbH, ticket T 42\","
		"\"source\":\"cxsig\",\"severity\":\"critical\",\"timestamp\":"
		"\"2026-04-20T11:33:20.123456Z\",\"component\":\"T 42\",\"group\":\"acct-1\","
		"\"class\":\"churn\",\"custom_details\":{"
		"\"What\":\"churn, tag billing_issue, driver Billing\","
		"\"Who\":\"Acme GmbH, ticket T 42, plan Enterprise, owner Jo Doe\","
		"\"How bad\":\"critical: churn risk high (0.91), sentiment very negative\","
		"\"Since\":\"2026-04-20 11:33:20 UTC\",\"Quote\":\"I will leave. Today.\"}},"
		"\"links\":[{\"href\":\"https://help.example.com/42?a=1&b=2#c1\",\"text\":\"Evidence\"},"
		"{\"href\":\"https://tools.example.com/flag?e=11111111-1111-1111-1111-111111111111&t=T%2042"
		"\",\"text\":\"Flag as wrong\"}]}");
}

/* It says that it is over, of what, and why; and asks nobody to flag anything. */
static void
check_resolved(void)
{
	const char *body;

	make_event();
	alert.action = CXSIG_ALERT_RESOLVE;
	alert.folded = 1;
	event.churn_risk = "low";
	event.churn_score = NAN;
	event.sentiment = "neutral";
	body = body_of(&cxsig_slack_ops);
	CHECK(strstr(body, "\"Resolved: churn: Acme GmbH, ticket T 42\"") != NULL);
	CHECK(strstr(body, "*Why:* it fell back: churn risk low, sentiment neutral\\n") != NULL);
	CHECK(strstr(body, "*Stands for:* 1 more signal\"") != NULL);
	CHECK(strstr(body, "Flag") == NULL && strstr(body, "leave") == NULL);
	CHECK(strstr(body_of(&cxsig_teams_ops), "\"color\":\"Good\"") != NULL);
	CHECK_TEXT(body_of(&cxsig_pagerduty_ops),
			   "{\"routing_key\":\"0123456789abcdef0123456789abcdef\",\"event_action\":\"resolve\","
			   "\"dedup_key\":\"cxsig/desk/churn/T 42\"}");
	event.event_type = "signal.retracted";
	CHECK(strstr(body_of(&cxsig_slack_ops), "*Why:* the signal was retracted\\n") != NULL);
	event.event_type = "signal.flagged";
	CHECK(strstr(body_of(&cxsig_slack_ops), "*Why:* the signal was flagged as wrong\\n") != NULL);
}

/* What a customer writes pings nobody, links nowhere and ends no JSON. */
static void
check_hostile(void)
{
	const char *body;

	make_event();
	event.quotes = "[\"<!channel> <https://evil.example|click> \\\"},{ & [x](https://evil.example) "
				   "\\u0007\\u2028\"]";
	event.account = "{\"name\": \"<@U1> \\\\ [a](b)\"}";
	event.evidence_url = "https://h.example/a|b>c\"d<e f";
	body = body_of(&cxsig_slack_ops);
	CHECK(strstr(body, ">&lt;!channel&gt; &lt;https://evil.example|click&gt; \\\"},{ &amp; ") !=
		  NULL);
	CHECK(strstr(body, "*Who:* &lt;@U1&gt; \\\\ [a](b), ticket") != NULL);
	CHECK(strstr(body, "<https://h.example/a%7Cb%3Ec%22d%3Ce%20f|Evidence>") != NULL);
	CHECK(strstr(body, "<!") == NULL && strchr(body, 7) == NULL);
	/* a header is plain text; what notifications show is not */
	CHECK(strstr(body, "{\"text\":\"Churn risk high, sentiment very negative: &lt;@U1&gt;") ==
		  body);
	body = body_of(&cxsig_teams_ops);
	CHECK(strstr(body, "](") == NULL && strstr(body, "[x] (https") != NULL);
	body_of(&cxsig_pagerduty_ops);
}

/* Limits: 150 characters of a header, 3,000 of a section, 28 KB of a card, 1,024 of a summary. */
static void
check_long(void)
{
	static const char *const units[] = {"&", "\xf0\x9f\x98\xa1", "\\\"", "x"};
	char long_text[4001];
	char url[2049];

	memset(url, '&', sizeof(url) - 1);
	url[sizeof(url) - 1] = '\0';
	memcpy(url, "https://h.example/", 18);
	for (size_t i = 0; i < lengthof(units); i++)
	{
		CxsigAlertText text;
		CxsigJsonSpan block;
		const char *body;
		int n = 0;

		make_event();
		long_text[0] = '\0';
		while (strlen(long_text) + strlen(units[i]) < sizeof(long_text))
			strcat(long_text, units[i]);
		event.quotes = psprintf("[\"%s\"]", long_text);
		event.account = psprintf("{\"name\": \"%s\", \"plan\": \"%s\", \"owner\": \"%s\"}",
								 long_text, long_text, long_text);
		event.canonical_tag = long_text;
		event.driver = long_text;
		event.ticket_id = long_text;
		event.evidence_url = url;
		cxsig_alert_text(&alerter.config, &attempt, &text);
		CHECK(strlen(text.headline) <= CXSIG_ALERT_HEADLINE);
		CHECK(strlen(text.quote) <= CXSIG_ALERT_QUOTE);
		CHECK(strcmp(text.quote + strlen(text.quote) - 3, "\xe2\x80\xa6") == 0);
		event.ticket_id = "T-1";
		body = body_of(&cxsig_slack_ops);
		block = cxsig_json_first_element(cxsig_json_member(body, "blocks").start);
		for (; block.start != NULL; block = cxsig_json_next_element(block))
		{
			CxsigJsonSpan inner = cxsig_json_member(block.start, "text");

			CHECK(cxsig_json_member(inner.start, "text").len <= (n++ == 0 ? 152 * 2 : 3100));
		}
		CHECK(n >= 3);
		CHECK(strlen(body_of(&cxsig_teams_ops)) < 28 * 1024);
		CHECK(strlen(body_of(&cxsig_pagerduty_ops)) < 512 * 1024);
	}
}

/* The least that an event has. */
static void
check_plain(void)
{
	const char *body;

	make_event();
	event.account_id = event.account = event.churn_risk = event.sentiment = NULL;
	event.canonical_tag = event.driver = event.quotes = event.effort = NULL;
	event.churn_score = NAN;
	alerter.config.flag_url = NULL;
	body = body_of(&cxsig_slack_ops);
	CHECK(strstr(body, "{\"text\":\"Churn: ticket T 42\",") == body);
	CHECK(strstr(body, "*What:* churn\\n*Who:* ticket T 42\\n*How bad:* warning\\n*Since:*") !=
		  NULL);
	body = body_of(&cxsig_pagerduty_ops);
	CHECK(strstr(body, "\"group\"") == NULL && strstr(body, "Quote") == NULL);
}

static const char *
no_header(const CxsigResponse *response, const char *name)
{
	return NULL;
}

static CxsigResult
answer(const CxsigTransportOps *ops, int status, const char *body)
{
	CxsigResponse response = {.status = status,
							  .retry_after_ms = status == 429 ? 2000 : -1,
							  .body = body,
							  .body_len = strlen(body),
							  .error = status == 0 ? "could not connect" : "",
							  .header = no_header};
	CxsigResult result;

	memset(&result, 0, sizeof(result));
	result.retry_after_ms = -1;
	ops->read(&alerter.base, &attempt, 1, &response, &result);
	return result;
}

static void
check_answers(void)
{
	static const struct
	{
		const CxsigTransportOps *ops;
		int status;
		const char *body;
		CxsigOutcome outcome;
	} rows[] = {
		{&cxsig_slack_ops, 200, "ok", CXSIG_DELIVERED},
		{&cxsig_slack_ops, 400, "invalid_payload", CXSIG_POISON},
		{&cxsig_slack_ops, 400, "user_not_found", CXSIG_UNAUTHORISED},
		{&cxsig_slack_ops, 403, "action_prohibited", CXSIG_UNAUTHORISED},
		{&cxsig_slack_ops, 404, "no_service", CXSIG_UNAUTHORISED},
		{&cxsig_slack_ops, 410, "channel_is_archived", CXSIG_GONE},
		{&cxsig_slack_ops, 429, "rate_limited", CXSIG_RETRY},
		{&cxsig_slack_ops, 500, "rollup_error", CXSIG_RETRY},
		{&cxsig_slack_ops, 0, "", CXSIG_RETRY},
		{&cxsig_slack_ops, 301, "", CXSIG_UNAUTHORISED},
		{&cxsig_teams_ops, 202, "", CXSIG_DELIVERED},
		{&cxsig_teams_ops, 400, "{}", CXSIG_POISON},
		{&cxsig_teams_ops, 401, "{}", CXSIG_UNAUTHORISED},
		{&cxsig_teams_ops, 404, "{}", CXSIG_UNAUTHORISED},
		{&cxsig_teams_ops, 429, "{}", CXSIG_RETRY},
		{&cxsig_pagerduty_ops, 202, "{\"status\":\"success\",\"dedup_key\":\"k\"}",
		 CXSIG_DELIVERED},
		{&cxsig_pagerduty_ops, 400, "{\"errors\":[\"'payload.summary' is missing\"]}",
		 CXSIG_POISON},
		{&cxsig_pagerduty_ops, 400, "{\"errors\":[\"Invalid routing key\"]}", CXSIG_UNAUTHORISED},
		{&cxsig_pagerduty_ops, 404, "{}", CXSIG_UNAUTHORISED},
		{&cxsig_pagerduty_ops, 429, "{}", CXSIG_RETRY},
		{&cxsig_pagerduty_ops, 503, "{}", CXSIG_RETRY},
	};

	make_event();
	for (size_t i = 0; i < lengthof(rows); i++)
	{
		CxsigResult result = answer(rows[i].ops, rows[i].status, rows[i].body);

		CHECK(result.outcome == rows[i].outcome);
		CHECK(result.final == (result.outcome == CXSIG_UNAUTHORISED));
		CHECK(result.retry_after_ms == (rows[i].status == 429 ? 2000 : -1));
	}
	CHECK_TEXT(answer(&cxsig_pagerduty_ops, 202, "{\"dedup_key\":\"k\"}").remote_id, "k");
	CHECK_TEXT(answer(&cxsig_pagerduty_ops, 202, "{\"dedup_key\":7}").remote_id, "");
	CHECK_TEXT(answer(&cxsig_pagerduty_ops, 202, "{\"dedup_key\":").remote_id, "");
	CHECK_TEXT(answer(&cxsig_slack_ops, 200, "ok").detail, "alerted");
	CHECK_TEXT(answer(&cxsig_slack_ops, 301, "").detail, "redirects are not followed");
	CHECK(strstr(answer(&cxsig_pagerduty_ops, 400, "no 0123456789abcdef0123456789abcdef").detail,
				 "0123") == NULL);
	alerter.config.routing_key = NULL;
	alerter.config.url = "https://hooks.example.com/services/T/B/hidden";
	CHECK(strstr(answer(&cxsig_slack_ops, 500, "cannot POST /services/T/B/hidden").detail,
				 "hidden") == NULL);
	alert.action = CXSIG_ALERT_RESOLVE;
	CHECK_TEXT(answer(&cxsig_teams_ops, 202, "").detail, "resolved");
}

/* A secret that an answer shows escaped, or in part, is shown. */
static void
check_hidden(void)
{
	const char *hidden = "what it answered shows the secret";

	make_event();
	CHECK_TEXT(answer(&cxsig_pagerduty_ops, 400, "no: 0123456789abcdef0123").detail, hidden);
	CHECK_TEXT(answer(&cxsig_pagerduty_ops, 400, "no: 0123456789").detail, "no: 0123456789");
	alerter.config.routing_key = NULL;
	alerter.config.url = "https://h.example.com/a/run?v=1.0&sig=AbCdEfGhIjKlMnOpQrStUvWx";
	CHECK_TEXT(answer(&cxsig_teams_ops, 400, "no: /a/run?v=1.0&amp;sig=AbCdEfGhIjKlMnOpQ").detail,
			   hidden);
	CHECK_TEXT(answer(&cxsig_teams_ops, 400, "no: /a/run").detail, "no: /a/run");
}
