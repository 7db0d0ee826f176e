/*
 * crm.c
 *	  What checks of the transports to CRMs share. An event's record is its custom_metrics, its external
 *	  id its ticket: mappings need a server. There is no credential, and so no token in a request.
 */
#include "postgres.h"

#include "crm.h"
#include "transport/record.h"

static const char *headers_of_answer;

static const char *find_header(const CxsigResponse *response, const char *name);

CxsigResponse
crm_answer(int status, const char *headers, const char *body)
{
	CxsigResponse response = {.status = status, .retry_after_ms = -1, .error = ""};

	if (status == 0)
		response.error = "could not connect";
	headers_of_answer = headers;
	response.body = body;
	response.body_len = strlen(body);
	response.header = find_header;
	return response;
}

static const char *
find_header(const CxsigResponse *response, const char *name)
{
	const char *line = headers_of_answer;
	size_t len = strlen(name);

	for (; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1)
	{
		if (pg_strncasecmp(line, name, len) == 0 && strncmp(line + len, ": ", 2) == 0)
			return pnstrdup(line + len + 2, strcspn(line + len + 2, "\n"));
	}
	return NULL;
}

CxsigEvent *
crm_event(const char *ticket, const char *record)
{
	static unsigned char number = 0;
	CxsigEvent *event = palloc0(sizeof(CxsigEvent));

	event->event_id.data[15] = ++number;
	event->ticket_id = unconstify(char *, ticket);
	event->custom_metrics = unconstify(char *, record);
	return event;
}

CxsigAttempt
crm_attempt(const char *ticket, const char *record)
{
	CxsigAttempt attempt = {0};

	attempt.event = crm_event(ticket, record);
	attempt.attempt = 1;
	return attempt;
}

void
crm_clear(CxsigResult *results, int n)
{
	memset(results, 0, sizeof(CxsigResult) * n);
	for (int i = 0; i < n; i++)
		results[i].retry_after_ms = -1;
}

bool
crm_outcomes(const CxsigResult *results, CxsigOutcome first, CxsigOutcome second,
			 CxsigOutcome third)
{
	return results[0].outcome == first && results[1].outcome == second &&
		   results[2].outcome == third;
}

const char *
crm_header(const CxsigRequest *request, const char *name)
{
	for (int i = 0; i < request->n_headers; i++)
		if (strcmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

char *
cxsig_record_id(const CxsigExternalId *id, const CxsigEvent *event)
{
	return event->ticket_id;
}

void
cxsig_record_render(const CxsigView *view, const CxsigEvent *event, CxsigRecordStyle style,
					StringInfo out)
{
	appendStringInfoString(out, event->custom_metrics);
}
