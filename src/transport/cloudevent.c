/*
 * cloudevent.c
 *	  CloudEvents 1.0. Runs in the dispatcher for every request, and in a backend that tests
 *	  a destination. No locks.
 *
 * "sequence" is compared as text by the standard, within one source. Here it is the revision of
 * the ticket's signal, filled up with zeros: it orders the events of one subject.
 */
#include "postgres.h"

#include "event/json.h"
#include "transport/cloudevent.h"

static void append_member(StringInfo out, const char *start, const char *value);
static int add_header(CxsigHeader *headers, int n, char *name, const char *value);
static char *escape_header(const char *value);
static bool needs_escape(unsigned char c);

void
cxsig_cloudevent_append_start(const CxsigCloudEvent *event, StringInfo out)
{
	append_member(out, "{\"specversion\":\"1.0\",\"id\":", event->id);
	append_member(out, ",\"source\":", event->source);
	append_member(out, ",\"type\":", event->type);
	append_member(out, ",\"subject\":", event->subject);
	append_member(out, ",\"time\":", event->time);
	append_member(out, ",\"partitionkey\":", event->subject);
	append_member(out, ",\"sequence\":", event->sequence);
	append_member(out, ",\"traceparent\":", event->traceparent);
	append_member(out, ",\"tracestate\":", event->tracestate);
	appendStringInfoString(out, ",\"datacontenttype\":\"application/json\",\"data\":");
}

int
cxsig_cloudevent_write_headers(const CxsigCloudEvent *event, CxsigHeader *headers)
{
	int n = 0;

	n = add_header(headers, n, "ce-specversion", "1.0");
	n = add_header(headers, n, "ce-id", event->id);
	n = add_header(headers, n, "ce-source", event->source);
	n = add_header(headers, n, "ce-type", event->type);
	n = add_header(headers, n, "ce-subject", event->subject);
	n = add_header(headers, n, "ce-time", event->time);
	n = add_header(headers, n, "ce-partitionkey", event->subject);
	n = add_header(headers, n, "ce-sequence", event->sequence);
	n = add_header(headers, n, "ce-traceparent", event->traceparent);
	n = add_header(headers, n, "ce-tracestate", event->tracestate);
	Assert(n <= CXSIG_CLOUDEVENT_HEADERS);
	return n;
}

static void
append_member(StringInfo out, const char *start, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfoString(out, start);
	cxsig_json_append_string(out, value);
}

static int
add_header(CxsigHeader *headers, int n, char *name, const char *value)
{
	if (value == NULL)
		return n;
	headers[n].name = name;
	headers[n].value = escape_header(value);
	return n + 1;
}

/* The value with what cannot stand in a header percent-encoded; itself where all of it can. */
static char *
escape_header(const char *value)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *from = value;
	char *escaped;
	char *at;

	while (*from != '\0' && !needs_escape((unsigned char) *from))
		from++;
	if (*from == '\0')
		return unconstify(char *, value);

	escaped = palloc(strlen(value) * 3 + 1);
	at = escaped;
	for (from = value; *from != '\0'; from++)
	{
		unsigned char c = (unsigned char) *from;

		if (needs_escape(c))
		{
			*at++ = '%';
			*at++ = digits[c >> 4];
			*at++ = digits[c & 0x0f];
		}
		else
			*at++ = *from;
	}
	*at = '\0';
	return escaped;
}

static bool
needs_escape(unsigned char c)
{
	return c <= 0x20 || c >= 0x7f || c == '"' || c == '%';
}
