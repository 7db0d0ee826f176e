/*
 * validate_links.c
 *	  Readers of the fields that point elsewhere: the link to the evidence, and the trace context.
 *
 * Runs in every backend that ingests. Touches no table (the taxonomy is cached), takes no lock, and
 * refuses by CxsigProblem instead of raising.
 */
#include "postgres.h"

#include "ingest/signal.h"
#include "ingest/taxonomy.h"
#include "ingest/validate.h"
#include "utils/builtins.h"

#define MEMBER(reading, type) ((type *) ((char *) (reading)->signal + (reading)->rule->member))

static bool link_has_user(CxsigString url);
static bool link_split_url(CxsigString url, CxsigString *host, char **complaint);
static bool link_is_port(CxsigString text);
static bool link_is_hex(const char *data, int len, bool nonzero);

bool
cxsig_read_evidence_url(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;
	CxsigString host;
	char *complaint = NULL;
	const char *allowed = NULL;

	if (!cxsig_read_text(reading, value) || !cxsig_reading_text(reading, value, &text))
		return false;
	/* not shown: the message goes to the log */
	if (link_has_user(text))
		return cxsig_reading_refuse(
			reading, ERRCODE_CHECK_VIOLATION,
			psprintf("field \"%s\" has a user or password in its link", reading->rule->name),
			pstrdup("Allowed is a link without them; whoever follows it has an own account."));
	if (!link_split_url(text, &host, &complaint))
		return cxsig_reading_refuse_value(reading, ERRCODE_CHECK_VIOLATION, text, complaint);
	if (!cxsig_taxonomy_allows_host(reading->signal->source_system, host, &allowed))
		return cxsig_reading_refuse_value(
			reading, ERRCODE_CHECK_VIOLATION, text,
			psprintf("Hosts allowed for source \"%.*s\" are: %s. See cxsig.define_source().",
					 reading->signal->source_system.len, reading->signal->source_system.data,
					 allowed));
	*MEMBER(reading, CxsigString) = text;
	return true;
}

/* Is there an "@" in front of the path? */
static bool
link_has_user(CxsigString url)
{
	int i = 0;

	while (i < url.len && url.data[i] != '/')
		i++;
	while (i < url.len && url.data[i] == '/')
		i++;
	for (; i < url.len && strchr("/?#", url.data[i]) == NULL; i++)
	{
		if (url.data[i] == '@')
			return true;
	}
	return false;
}

/* The host of an https URL, lower-case, in the current context; false with what is wrong. */
static bool
link_split_url(CxsigString url, CxsigString *host, char **complaint)
{
	CxsigString port = {NULL, 0};
	char *lower;
	int i;

	if (url.len < 9 || pg_strncasecmp(url.data, "https://", 8) != 0 ||
		memcmp(url.data, "https", 5) != 0)
	{
		*complaint = pstrdup("Allowed is a link that starts with https://.");
		return false;
	}
	*complaint = pstrdup("Allowed is https://, a host name, an optional port and a path, without "
						 "white space and without user or password.");
	host->data = url.data + 8;
	host->len = 0;
	for (i = 0; i < url.len; i++)
	{
		if (url.data[i] == ' ' || url.data[i] == '\\')
			return false;
	}
	while (host->len < url.len - 8 && strchr("/?#", host->data[host->len]) == NULL)
		host->len++;
	for (i = 0; i < host->len; i++)
	{
		if (host->data[i] == ':')
		{
			port.data = host->data + i + 1;
			port.len = host->len - i - 1;
			host->len = i;
		}
	}
	if (host->len == 0 || !link_is_port(port))
		return false;
	lower = pnstrdup(host->data, host->len);
	for (i = 0; i < host->len; i++)
	{
		lower[i] = pg_tolower((unsigned char) lower[i]);
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-_", lower[i]) == NULL)
			return false;
	}
	host->data = lower;
	return true;
}

static bool
link_is_port(CxsigString text)
{
	int i;

	if (text.data == NULL)
		return true;
	for (i = 0; i < text.len; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	}
	return text.len > 0 && text.len <= 5;
}

static bool
link_is_hex(const char *data, int len, bool nonzero)
{
	bool zero = true;
	int i;

	for (i = 0; i < len; i++)
	{
		if (!((data[i] >= '0' && data[i] <= '9') || (data[i] >= 'a' && data[i] <= 'f')))
			return false;
		zero = zero && data[i] == '0';
	}
	return !(nonzero && zero);
}

/* W3C Trace Context: a traceparent that does not parse is ignored, never a reason to refuse. */
bool
cxsig_read_traceparent(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;

	if (!cxsig_scalar_text(value, &text))
		return true;
	text = cxsig_scan_trim(text);
	if (text.len < 55 || text.len > 255 || text.data[2] != '-' || text.data[35] != '-' ||
		text.data[52] != '-')
		return true;
	if (!link_is_hex(text.data, 2, false) || !link_is_hex(text.data + 3, 32, true) ||
		!link_is_hex(text.data + 36, 16, true) || !link_is_hex(text.data + 53, 2, false))
		return true;
	if (memcmp(text.data, "ff", 2) == 0 || cxsig_scan_has_control(text, false))
		return true;
	/* a later version may carry more behind another dash, version 00 may not */
	if (text.len > 55 && (memcmp(text.data, "00", 2) == 0 || text.data[55] != '-'))
		return true;
	*MEMBER(reading, CxsigString) = text;
	return true;
}

bool
cxsig_read_tracestate(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;
	int i;

	if (!cxsig_scalar_text(value, &text))
		return true;
	text = cxsig_scan_trim(text);
	if (text.len > reading->rule->limit || cxsig_scan_has_control(text, false))
		return true;
	for (i = 0; i < text.len; i++)
	{
		if (IS_HIGHBIT_SET(text.data[i]))
			return true;
	}
	*MEMBER(reading, CxsigString) = text;
	return true;
}
