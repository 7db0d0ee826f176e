/*
 * outcome.c
 *	  From an HTTP answer to an outcome. Runs in the dispatcher for every answer, and in a backend
 *	  that tests a destination. No locks.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "transport/outcome.h"

/* Headers in which servers name a request, the most telling first. */
static const char *const id_headers[] = {"x-message-id", "x-request-id", "request-id",
										 "x-correlation-id"};

static void read_remote_id(const CxsigResponse *response, CxsigResult *result);
static void read_detail(const CxsigResponse *response, CxsigResult *result);
static bool is_blank(unsigned char c);
static int legal_length(const char *text, size_t left);

CxsigOutcome
cxsig_outcome_of_status(int status)
{
	if (status >= 200 && status < 300)
		return CXSIG_DELIVERED;
	switch (status)
	{
		case 401:
		case 403:
			return CXSIG_UNAUTHORISED;
		case 408:
		case 423:
		case 425:
		case 429:
			return CXSIG_RETRY;
		case 410:
			return CXSIG_GONE;
		default:
			break;
	}
	return status >= 300 && status < 500 ? CXSIG_POISON : CXSIG_RETRY;
}

void
cxsig_outcome_read(const CxsigResponse *response, CxsigResult *result)
{
	result->outcome = cxsig_outcome_of_status(response->status);
	result->status = response->status;
	result->retry_after_ms =
		result->outcome == CXSIG_RETRY ? response->retry_after_ms : INT64CONST(-1);
	result->remote_id[0] = '\0';
	result->detail[0] = '\0';
	if (response->status != 0)
		read_remote_id(response, result);
	if (result->outcome != CXSIG_DELIVERED)
		read_detail(response, result);
}

static void
read_remote_id(const CxsigResponse *response, CxsigResult *result)
{
	for (int i = 0; i < (int) lengthof(id_headers); i++)
	{
		const char *value = response->header(response, id_headers[i]);

		if (value == NULL || value[0] == '\0')
			continue;
		cxsig_outcome_copy_line(result->remote_id, sizeof(result->remote_id), value, strlen(value));
		return;
	}
}

static void
read_detail(const CxsigResponse *response, CxsigResult *result)
{
	const char *location;

	if (response->status == 0)
	{
		cxsig_outcome_copy_line(result->detail, sizeof(result->detail), response->error,
								strlen(response->error));
		return;
	}
	if (response->status >= 300 && response->status < 400 &&
		(location = response->header(response, "location")) != NULL)
	{
		char text[600];

		snprintf(text, sizeof(text), "redirects are not followed; this one leads to %s", location);
		cxsig_outcome_copy_line(result->detail, sizeof(result->detail), text, strlen(text));
		return;
	}
	cxsig_outcome_copy_line(result->detail, sizeof(result->detail), response->body,
							response->body_len);
	if (result->detail[0] == '\0' && response->error[0] != '\0')
		cxsig_outcome_copy_line(result->detail, sizeof(result->detail), response->error,
								strlen(response->error));
	if (result->detail[0] == '\0')
		snprintf(result->detail, sizeof(result->detail), "HTTP status %d without a word",
				 response->status);
}

void
cxsig_outcome_copy_line(char *into, size_t size, const char *text, size_t len)
{
	size_t end;

	while (len > 0 && is_blank((unsigned char) *text))
	{
		text++;
		len--;
	}
	for (end = 0; end < len && text[end] != '\n' && text[end] != '\r'; end++)
		;
	cxsig_outcome_copy_text(into, size, text, end);
}

void
cxsig_outcome_copy_text(char *into, size_t size, const char *text, size_t len)
{
	bool utf8 = GetDatabaseEncoding() == PG_UTF8;
	char *at = into;
	char *end = into + size - 1;

	while (len > 0 && at < end)
	{
		unsigned char c = (unsigned char) *text;
		int n = 1;

		if (c < 0x20 || c == 0x7f)
			*at++ = ' ';
		else if (c < 0x7f)
			*at++ = *text;
		else if (!utf8 || (n = legal_length(text, len)) == 0)
		{
			n = 1;
			*at++ = '?';
		}
		else if (n > end - at)
			break;
		else
		{
			memcpy(at, text, n);
			at += n;
		}
		text += n;
		len -= n;
	}
	while (at > into && at[-1] == ' ')
		at--;
	*at = '\0';
}

static bool
is_blank(unsigned char c)
{
	return c <= 0x20 || c == 0x7f;
}

/* How many bytes the character takes that starts here; 0 where it is not valid UTF-8. */
static int
legal_length(const char *text, size_t left)
{
	const unsigned char *bytes = (const unsigned char *) text;
	int n = pg_utf_mblen(bytes);

	return (size_t) n <= left && pg_utf8_islegal(bytes, n) ? n : 0;
}
