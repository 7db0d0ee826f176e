/*
 * http_answer.c
 *	  What an HTTP server answers, kept within bounds. Runs inside curl's callbacks; no locks.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "transport/http.h"
#include "transport/http_answer.h"

/* Buffers up to this size stay with the call for the next answer. */
#define KEEP_SIZE 16384
#define FIRST_SIZE 1024

static bool grow(char **buffer, size_t *size, size_t needed, size_t most);
static bool same_name(const char *a, const char *b, size_t len);

void
cxsig_answer_reset(CxsigAnswer *answer)
{
	if (answer->body_size > KEEP_SIZE)
	{
		free(answer->body);
		answer->body = NULL;
		answer->body_size = 0;
	}
	answer->begun = false;
	answer->headers_len = 0;
	answer->body_len = 0;
	answer->body_seen = 0;
	answer->truncated = false;
	answer->over_limit = false;
}

void
cxsig_answer_free(CxsigAnswer *answer)
{
	free(answer->headers);
	free(answer->body);
	memset(answer, 0, sizeof(*answer));
}

void
cxsig_answer_add_header(CxsigAnswer *answer, const char *line, size_t len)
{
	char *at;

	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
	{
		answer->begun = true;
		answer->headers_len = 0; /* an interim answer (1xx) came before it */
		return;
	}
	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' ' ||
					   line[len - 1] == '\t'))
		len--;
	/* a NUL inside would make two lines of it */
	if (len == 0 || memchr(line, '\0', len) != NULL)
		return;
	if (!grow(&answer->headers, &answer->headers_size, answer->headers_len + len + 1,
			  CXSIG_HEADER_CAP))
		return;
	at = answer->headers + answer->headers_len;
	memcpy(at, line, len);
	at[len] = '\0';
	answer->headers_len += len + 1;
}

bool
cxsig_answer_add_body(CxsigAnswer *answer, const char *data, size_t len)
{
	size_t room = CXSIG_BODY_CAP - answer->body_len;
	size_t kept = Min(len, room);

	answer->body_seen += len;
	if (kept > 0 &&
		grow(&answer->body, &answer->body_size, answer->body_len + kept + 1, CXSIG_BODY_CAP + 1))
	{
		memcpy(answer->body + answer->body_len, data, kept);
		answer->body_len += kept;
		answer->body[answer->body_len] = '\0';
	}
	else
		kept = 0;
	if (kept < len)
		answer->truncated = true;
	if (answer->body_seen > CXSIG_BODY_LIMIT)
		answer->over_limit = true;
	return !answer->over_limit;
}

const char *
cxsig_answer_header(const CxsigAnswer *answer, const char *name)
{
	size_t name_len = strlen(name);
	const char *line = answer->headers;
	const char *end = answer->headers + answer->headers_len;

	while (line < end)
	{
		size_t len = strlen(line);

		if (len > name_len && line[name_len] == ':' && same_name(line, name, name_len))
		{
			const char *value = line + name_len + 1;

			return value + strspn(value, " \t");
		}
		line += len + 1;
	}
	return NULL;
}

int64
cxsig_answer_retry_after(const char *value, int64 now)
{
	size_t digits;
	int64 ms;
	time_t date;

	value += strspn(value, " \t");
	digits = strspn(value, "0123456789");
	if (digits > 0 && value[digits + strspn(value + digits, " \t")] == '\0')
	{
		/* nine digits of seconds are beyond the limit as they stand */
		if (digits > 9)
			return CXSIG_RETRY_AFTER_MAX_MS;
		ms = strtol(value, NULL, 10) * INT64CONST(1000);
		return Min(ms, CXSIG_RETRY_AFTER_MAX_MS);
	}

	/* curl's parser takes "-5" and "1.5" for times of some day; a date starts with a letter */
	if (!((*value >= 'A' && *value <= 'Z') || (*value >= 'a' && *value <= 'z')))
		return -1;
	date = curl_getdate(value, NULL);
	if (date == -1)
		return -1;
	if (date <= now)
		return 0;
	if (date - now > CXSIG_RETRY_AFTER_MAX_MS / 1000)
		return CXSIG_RETRY_AFTER_MAX_MS;
	return (date - now) * INT64CONST(1000);
}

/* Make room for needed bytes, by doubling. False where that is beyond most, or memory is out. */
static bool
grow(char **buffer, size_t *size, size_t needed, size_t most)
{
	size_t new_size = *size > 0 ? *size : FIRST_SIZE;
	char *grown;

	if (needed <= *size)
		return true;
	if (needed > most)
		return false;
	while (new_size < needed)
		new_size *= 2;
	new_size = Min(new_size, most);
	grown = realloc(*buffer, new_size);
	if (grown == NULL)
		return false;
	*buffer = grown;
	*size = new_size;
	return true;
}

/* Header names know no case; ASCII only, whatever the locale. */
static bool
same_name(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (pg_ascii_tolower((unsigned char) a[i]) != pg_ascii_tolower((unsigned char) b[i]))
			return false;
	}
	return true;
}
