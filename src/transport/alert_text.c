/*
 * alert_text.c
 *	  What an alert says. Runs in the dispatcher for every alert; touches nothing but memory.
 *
 * It is read at night, on a telephone: the first line says how bad it is and who it is about, the rest
 * is one fact a line, and the links stand last.
 */
#include "postgres.h"

#include <math.h>

#include "event/json.h"
#include "mb/pg_wchar.h"
#include "transport/alert_text.h"
#include "transport/outcome.h"

/* What of a URL is a secret for itself, and looked for. */
#define SECRET_PART 16
#define SECRET_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static char *headline_of(const CxsigAlertConfig *config, const CxsigAttempt *attempt);
static void append_who(StringInfo out, const CxsigEvent *event);
static char *account_value(const CxsigEvent *event, const char *key);
static void append_how_bad(StringInfo out, const CxsigEvent *event, bool scores);
static void append_level(StringInfo out, const char *what, const char *level, double score);
static void add_fact(CxsigAlertText *text, const char *label, const char *value);
static void add_what(const CxsigAlertConfig *config, const CxsigEvent *event, CxsigAlertText *text);
static void add_customer(const CxsigEvent *event, CxsigAlertText *text);
static void add_how_bad(const CxsigEvent *event, CxsigAlertText *text);
static void add_why(const CxsigEvent *event, CxsigAlertText *text);
static void add_folded(const CxsigAlert *alert, CxsigAlertText *text);
static char *moment(TimestampTz at);
static char *first_quote(const CxsigEvent *event);
static char *clean(const char *text, size_t max);
static char *link_of(const char *url);
static char *fill(const char *template, const CxsigEvent *event);
static void append_encoded(StringInfo out, const char *text);
static bool shows_secret(const CxsigAlertConfig *config, const char *words);
static bool shows_part(const char *path, const char *words);

void
cxsig_alert_text(const CxsigAlertConfig *config, const CxsigAttempt *attempt, CxsigAlertText *text)
{
	const CxsigEvent *event = attempt->event;

	memset(text, 0, sizeof(*text));
	text->resolved = attempt->alert->action == CXSIG_ALERT_RESOLVE;
	text->severity = cxsig_alert_severity(config, event);
	text->headline = headline_of(config, attempt);
	if (text->resolved)
		add_why(event, text);
	else
		add_what(config, event, text);
	add_customer(event, text);
	if (!text->resolved)
		add_how_bad(event, text);
	add_fact(text, "Since", moment(attempt->alert->since));
	add_folded(attempt->alert, text);
	if (!text->resolved)
		text->quote = first_quote(event);
	if (event->evidence_url != NULL)
		text->evidence_url = link_of(event->evidence_url);
	if (config->flag_url != NULL && !text->resolved)
		text->flag_url = fill(config->flag_url, event);
}

/* "Churn risk high, sentiment very negative: Acme GmbH, ticket T-42" */
static char *
headline_of(const CxsigAlertConfig *config, const CxsigAttempt *attempt)
{
	StringInfoData line;
	StringInfoData cut;

	initStringInfo(&line);
	if (attempt->alert->action == CXSIG_ALERT_RESOLVE)
		appendStringInfo(&line, "Resolved: %s", config->condition_name);
	else
	{
		if (attempt->alert->since != attempt->event->occurred_at)
			appendStringInfoString(&line, "Still: ");
		append_how_bad(&line, attempt->event, false);
		if (line.len == 0 || line.data[line.len - 1] == ' ')
			appendStringInfoString(&line, config->condition_name);
		line.data[0] = pg_toupper((unsigned char) line.data[0]);
	}
	appendStringInfoString(&line, ": ");
	append_who(&line, attempt->event);
	initStringInfo(&cut);
	/* bytes are no fewer than characters */
	cxsig_alert_append_cut(&cut, line.data, CXSIG_ALERT_HEADLINE);
	return cut.data;
}

static void
append_who(StringInfo out, const CxsigEvent *event)
{
	char *name = account_value(event, "name");

	if (name == NULL && event->account_id != NULL)
		name = clean(event->account_id, 60);
	if (name != NULL)
	{
		cxsig_alert_append_cut(out, name, 60);
		appendStringInfoString(out, ", ");
	}
	appendStringInfo(out, "ticket %s", clean(event->ticket_id, 60));
}

/* A string of the account's metadata, or NULL. */
static char *
account_value(const CxsigEvent *event, const char *key)
{
	CxsigJsonSpan span;
	char buffer[2048];

	if (event->account == NULL)
		return NULL;
	span = cxsig_json_member(event->account, key);
	if (cxsig_json_is_empty(span) || *span.start != '"')
		return NULL;
	cxsig_json_unescape(span, buffer, sizeof(buffer));
	return buffer[0] != '\0' ? clean(buffer, 100) : NULL;
}

static void
append_how_bad(StringInfo out, const CxsigEvent *event, bool scores)
{
	append_level(out, "churn risk", event->churn_risk, scores ? event->churn_score : NAN);
	append_level(out, "sentiment", event->sentiment, NAN);
	if (scores)
		append_level(out, "effort", event->effort, event->effort_score);
}

/* ", churn risk high (0.91)"; nothing of what is not known, or is no risk. */
static void
append_level(StringInfo out, const char *what, const char *level, double score)
{
	char *words;

	if (level == NULL || strcmp(level, "unknown") == 0 || strcmp(level, "none") == 0)
		return;
	words = pstrdup(level);
	for (char *at = words; *at != '\0'; at++)
	{
		if (*at == '_')
			*at = ' ';
	}
	if (out->len > 0 && out->data[out->len - 1] != ' ')
		appendStringInfoString(out, ", ");
	appendStringInfo(out, "%s %s", what, words);
	if (isfinite(score))
		appendStringInfo(out, " (%.2f)", score);
}

static void
add_fact(CxsigAlertText *text, const char *label, const char *value)
{
	CxsigAlertFact *fact = &text->facts[text->n_facts++];

	Assert(text->n_facts <= CXSIG_ALERT_FACTS);
	fact->label = label;
	fact->value = clean(value, CXSIG_ALERT_FACT);
}

static void
add_what(const CxsigAlertConfig *config, const CxsigEvent *event, CxsigAlertText *text)
{
	StringInfoData value;

	initStringInfo(&value);
	appendStringInfoString(&value, config->condition_name);
	if (event->canonical_tag != NULL)
		appendStringInfo(&value, ", tag %s", event->canonical_tag);
	if (event->driver != NULL)
		appendStringInfo(&value, ", driver %s", event->driver);
	add_fact(text, "What", value.data);
}

static void
add_customer(const CxsigEvent *event, CxsigAlertText *text)
{
	static const char *const keys[] = {"plan", "owner"};
	StringInfoData value;

	initStringInfo(&value);
	append_who(&value, event);
	for (size_t i = 0; i < lengthof(keys); i++)
	{
		char *word = account_value(event, keys[i]);

		if (word != NULL)
			appendStringInfo(&value, ", %s %s", keys[i], word);
	}
	add_fact(text, "Who", value.data);
}

static void
add_how_bad(const CxsigEvent *event, CxsigAlertText *text)
{
	StringInfoData value;

	initStringInfo(&value);
	append_how_bad(&value, event, true);
	if (value.len == 0)
		add_fact(text, "How bad", cxsig_severity_name(text->severity));
	else
		add_fact(text, "How bad",
				 psprintf("%s: %s", cxsig_severity_name(text->severity), value.data));
}

/* Why it is over. */
static void
add_why(const CxsigEvent *event, CxsigAlertText *text)
{
	StringInfoData value;

	initStringInfo(&value);
	append_how_bad(&value, event, true);
	if (strcmp(event->event_type, "signal.retracted") == 0)
		add_fact(text, "Why", "the signal was retracted");
	else if (strcmp(event->event_type, "signal.flagged") == 0)
		add_fact(text, "Why", "the signal was flagged as wrong");
	else if (value.len == 0)
		add_fact(text, "Why", "the condition does not hold any more");
	else
		add_fact(text, "Why", psprintf("it fell back: %s", value.data));
}

static void
add_folded(const CxsigAlert *alert, CxsigAlertText *text)
{
	if (alert->folded > 0)
		add_fact(text, "Stands for",
				 psprintf(INT64_FORMAT " more %s", alert->folded,
						  alert->folded == 1 ? "signal" : "signals"));
}

/* "2026-11-24 07:21:57 UTC" */
static char *
moment(TimestampTz at)
{
	StringInfoData text;
	char *point;

	initStringInfo(&text);
	cxsig_append_timestamp(&text, at);
	point = strrchr(text.data, '.');
	if (point != NULL)
	{
		*point = '\0';
		*strrchr(text.data, 'T') = ' ';
	}
	return psprintf("%s UTC", text.data);
}

static char *
first_quote(const CxsigEvent *event)
{
	CxsigJsonSpan quote;
	char buffer[4096];

	if (event->quotes == NULL)
		return NULL;
	quote = cxsig_json_first_element(event->quotes);
	if (quote.start == NULL || *quote.start != '"')
		return NULL;
	cxsig_json_unescape(quote, buffer, sizeof(buffer));
	return buffer[0] != '\0' ? clean(buffer, CXSIG_ALERT_QUOTE) : NULL;
}

/* On one line, without control characters, cut. */
static char *
clean(const char *text, size_t max)
{
	StringInfoData out;

	initStringInfo(&out);
	cxsig_alert_append_cut(&out, text, max);
	for (char *at = out.data; *at != '\0'; at++)
	{
		if ((unsigned char) *at < 0x20 || *at == 0x7f)
			*at = ' ';
	}
	return out.data;
}

void
cxsig_alert_append_cut(StringInfo out, const char *text, size_t max)
{
	static const char ellipsis[] = "\xe2\x80\xa6";
	size_t len = strlen(text);
	size_t end = 0;

	if (len <= max)
	{
		appendBinaryStringInfo(out, text, len);
		return;
	}
	while (end < len)
	{
		size_t next = end + pg_utf_mblen((const unsigned char *) text + end);

		if (next > max - (sizeof(ellipsis) - 1))
			break;
		end = next;
	}
	appendBinaryStringInfo(out, text, end);
	appendStringInfoString(out, ellipsis);
}

/* A link that no carrier takes for the end of one: what has no place in a URL is percent-encoded. */
static char *
link_of(const char *url)
{
	StringInfoData out;

	initStringInfo(&out);
	for (const unsigned char *at = (const unsigned char *) url; *at != '\0'; at++)
	{
		if (*at <= 0x20 || *at >= 0x7f || strchr("\"<>\\^`{|}()[]", *at) != NULL)
			appendStringInfo(&out, "%%%02X", *at);
		else
			appendStringInfoChar(&out, *at);
	}
	return out.data;
}

static char *
fill(const char *template, const CxsigEvent *event)
{
	StringInfoData out;
	const char *at = template;

	initStringInfo(&out);
	while (*at != '\0')
	{
		if (strncmp(at, "{event_id}", 10) == 0)
		{
			cxsig_append_uuid(&out, &event->event_id);
			at += 10;
		}
		else if (strncmp(at, "{ticket_id}", 11) == 0)
		{
			append_encoded(&out, event->ticket_id);
			at += 11;
		}
		else
			appendStringInfoChar(&out, *at++);
	}
	return link_of(out.data);
}

static void
append_encoded(StringInfo out, const char *text)
{
	for (const unsigned char *at = (const unsigned char *) text; *at != '\0'; at++)
	{
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", *at) !=
			NULL)
			appendStringInfoChar(out, *at);
		else
			appendStringInfo(out, "%%%02X", *at);
	}
}

void
cxsig_alert_request(const CxsigAlertConfig *config, CxsigRequest *request)
{
	CxsigHeader *header = palloc0(sizeof(CxsigHeader));

	header->name = "Content-Type";
	header->value = "application/json";
	request->method = "POST";
	request->url = config->url;
	request->headers = header;
	request->n_headers = 1;
	initStringInfo(&request->body);
}

void
cxsig_alert_read(const CxsigAlertConfig *config, const CxsigResponse *response, CxsigResult *result)
{
	cxsig_outcome_read(response, result);
	if (result->status == 404 || (result->status >= 300 && result->status < 400))
		result->outcome = CXSIG_UNAUTHORISED;
	/* where it leads may well be the same URL with another scheme */
	if (result->status >= 300 && result->status < 400)
		strlcpy(result->detail, "redirects are not followed", sizeof(result->detail));
	else if (shows_secret(config, result->detail))
		strlcpy(result->detail, "what it answered shows the secret", sizeof(result->detail));
}

static bool
shows_secret(const CxsigAlertConfig *config, const char *words)
{
	const char *path = strstr(config->url, "://");

	if (config->routing_key != NULL)
		return strstr(words, config->routing_key) != NULL || shows_part(config->routing_key, words);
	path = path != NULL ? strchr(path + 3, '/') : NULL;
	return path != NULL && path[1] != '\0' &&
		   (strstr(words, path) != NULL || shows_part(path, words));
}

/*
 * An answer may have it escaped in one of many ways, and is cut: what is random in it is letters and
 * digits, and longer than words are.
 */
static bool
shows_part(const char *path, const char *words)
{
	char part[SECRET_PART + 1];

	while (*path != '\0')
	{
		size_t len = strspn(path, SECRET_CHARS);

		if (len >= SECRET_PART)
		{
			strlcpy(part, path, sizeof(part));
			if (strstr(words, part) != NULL)
				return true;
		}
		path += len;
		path += strcspn(path, SECRET_CHARS);
	}
	return false;
}

void
cxsig_alert_say(const CxsigAttempt *attempts, CxsigResult *result)
{
	const CxsigAlert *alert;

	if (attempts == NULL || result->outcome != CXSIG_DELIVERED)
		return;
	alert = attempts[0].alert;
	if (alert->action == CXSIG_ALERT_RESOLVE)
		strlcpy(result->detail, "resolved", sizeof(result->detail));
	else if (alert->folded > 0)
		snprintf(result->detail, sizeof(result->detail), "alerted again, for " INT64_FORMAT " more",
				 alert->folded);
	else
		strlcpy(result->detail, "alerted", sizeof(result->detail));
}
