/*
 * dynamics_read.c
 *	  What Dataverse's answer says of each event. Runs in the dispatcher, and in a backend that tests a
 *	  destination. No table, no lock.
 *
 * A batch is answered by as many answers, in the order of the requests. A part that is missing, cut
 * off or none that can be read says nothing of its row: that is sent again, which changes nothing if
 * it was there.
 */
#include "postgres.h"

#include "transport/dynamics.h"
#include "transport/http_answer.h"
#include "transport/multipart.h"
#include "transport/outcome.h"
#include "utils/timestamp.h"

#define GUID_LEN 36

static void decide(CxsigResult *result, int attempt, int64 retry_after_ms);
static bool has_parts(const CxsigResponse *response);
static void read_batch(const CxsigAttempt *attempts, int n, const CxsigResponse *response,
					   CxsigResult *results);
static void take_part(const CxsigMultipartPart *part, const CxsigAttempt *attempt,
					  const CxsigResponse *response, CxsigResult *result);
static void settle_refused(CxsigResult *results, int n);
static int64 retry_after(const CxsigMultipartPart *part, const CxsigResponse *response);
static void read_words(const char *body, size_t len, bool whole, CxsigResult *result);
static void read_remote_id(const char *url, size_t len, CxsigResult *result);
static bool is_guid(const char *text, size_t len);

void
cxsig_dynamics_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
					const CxsigResponse *response, CxsigResult *results)
{
	int attempt = attempts != NULL && n == 1 ? attempts[0].attempt : 1;

	if (attempts != NULL && n > 1 && has_parts(response))
	{
		read_batch(attempts, n, response, results);
		return;
	}
	cxsig_dynamics_read_status(response, attempt, &results[0]);
	if (attempts == NULL)
		return;
	if (n > 1 && results[0].outcome == CXSIG_DELIVERED)
	{
		results[0].outcome = CXSIG_RETRY;
		results[0].remote_id[0] = '\0';
		snprintf(results[0].detail, sizeof(results[0].detail),
				 "HTTP status %d, but the answer has no parts", response->status);
	}
	/* a refusal of all need not be one of each: nothing is dead for what was wrong with another */
	if (n > 1 && results[0].outcome == CXSIG_POISON)
		results[0].outcome = CXSIG_SPLIT;
	for (int i = 1; i < n; i++)
		results[i] = results[0];
}

void
cxsig_dynamics_read_status(const CxsigResponse *response, int attempt, CxsigResult *result)
{
	const char *url;

	cxsig_outcome_read(response, result);
	result->remote_id[0] = '\0';
	decide(result, attempt, response->retry_after_ms);
	if (response->status == 0)
		return;
	url = response->header(response, "odata-entityid");
	if (result->outcome != CXSIG_DELIVERED)
		read_words(response->body, response->body_len,
				   !response->body_truncated && response->error[0] == '\0', result);
	else if (url != NULL)
		read_remote_id(url, strlen(url), result);
}

/* Outcome and Retry-After from result->status. */
static void
decide(CxsigResult *result, int attempt, int64 retry_after_ms)
{
	result->outcome = cxsig_outcome_of_status(result->status);
	switch (result->status)
	{
		case 403:
			result->final = true;
			break;
		case 409:
		case 412:
			/* somebody else made the row at the same time: it is there now */
			result->outcome = attempt > 1 ? CXSIG_POISON : CXSIG_RETRY;
			break;
		default:
			break;
	}
	result->retry_after_ms = result->outcome == CXSIG_RETRY ? retry_after_ms : INT64CONST(-1);
}

/* Some answers of batches are refusals that still have a part for each row, or for some. */
static bool
has_parts(const CxsigResponse *response)
{
	CxsigMultipart multipart;

	switch (response->status)
	{
		case 0:
		case 401:
		case 403:
		case 429:
			return false;
		default:
			return response->status < 500 && cxsig_multipart_start(&multipart, response);
	}
}

static void
read_batch(const CxsigAttempt *attempts, int n, const CxsigResponse *response, CxsigResult *results)
{
	bool *found = palloc0(sizeof(bool) * n);
	CxsigMultipart multipart;
	CxsigMultipartPart part;

	(void) cxsig_multipart_start(&multipart, response);
	for (int i = 0; cxsig_multipart_next(&multipart, &part); i++)
	{
		/* a place that a part says itself counts more than the one it has */
		int event = part.content_id > 0 && part.content_id <= n ? part.content_id - 1 : i;

		if (part.status == 0 || event >= n || found[event])
			continue;
		found[event] = true;
		take_part(&part, &attempts[event], response, &results[event]);
	}
	for (int i = 0; i < n; i++)
	{
		if (found[i])
			continue;
		results[i].outcome = CXSIG_RETRY;
		results[i].status = response->status;
		results[i].retry_after_ms = -1;
		strlcpy(results[i].detail, "the answer has no part for this event",
				sizeof(results[i].detail));
	}
	settle_refused(results, n);
}

/*
 * Where another row was taken, missing rights are those to this one, and do not stop the destination;
 * a token that has just ended is for the next request to find out.
 */
static void
settle_refused(CxsigResult *results, int n)
{
	bool taken = false;

	for (int i = 0; i < n; i++)
		taken = taken || results[i].outcome == CXSIG_DELIVERED;
	for (int i = 0; taken && i < n; i++)
	{
		if (results[i].outcome != CXSIG_UNAUTHORISED)
			continue;
		results[i].outcome = results[i].final ? CXSIG_POISON : CXSIG_RETRY;
		results[i].final = false;
	}
}

static void
take_part(const CxsigMultipartPart *part, const CxsigAttempt *attempt,
		  const CxsigResponse *response, CxsigResult *result)
{
	CxsigMultipartText url = cxsig_multipart_header(part, "odata-entityid");

	result->status = part->status;
	decide(result, attempt->attempt, retry_after(part, response));
	if (result->outcome == CXSIG_DELIVERED)
	{
		if (url.start != NULL)
			read_remote_id(url.start, url.len, result);
		return;
	}
	read_words(part->body.start, part->body.len, true, result);
	if (result->detail[0] == '\0')
		snprintf(result->detail, sizeof(result->detail), "HTTP status %d without a word",
				 part->status);
}

static int64
retry_after(const CxsigMultipartPart *part, const CxsigResponse *response)
{
	CxsigMultipartText value = cxsig_multipart_header(part, "retry-after");
	char text[64];

	if (value.start == NULL || value.len >= sizeof(text))
		return response->retry_after_ms;
	memcpy(text, value.start, value.len);
	text[value.len] = '\0';
	return cxsig_answer_retry_after(text, response->finished_at / USECS_PER_SEC +
											  (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
												  INT64CONST(86400));
}

/* {"error": {"code": "0x80040217", "message": "..."}}, or else the text as it is. */
static void
read_words(const char *body, size_t len, bool whole, CxsigResult *result)
{
	CxsigJsonSpan error = {NULL, 0};
	char *text;

	if (len == 0)
		return;
	text = pnstrdup(body, len); /* a part's body is not NUL-terminated, but may have a NUL in it */
	if (whole && cxsig_json_is_valid(text, strlen(text)))
		error = cxsig_json_member(text, "error");
	if (error.start != NULL && *error.start == '{')
	{
		result->detail[0] = '\0';
		cxsig_crm_append_words(result->detail, sizeof(result->detail),
							   cxsig_json_member(error.start, "code"));
		cxsig_crm_append_words(result->detail, sizeof(result->detail),
							   cxsig_json_member(error.start, "message"));
	}
	else
		cxsig_outcome_copy_line(result->detail, sizeof(result->detail), body, len);
	pfree(text);
}

/* The guid in https://org/api/data/v9.2/contacts(guid); the whole of the key where it is none. */
static void
read_remote_id(const char *url, size_t len, CxsigResult *result)
{
	size_t start = len;

	if (len == 0 || url[len - 1] != ')')
		return;
	while (start > 0 && url[start - 1] != '(')
		start--;
	if (start == 0)
		return;
	len = len - 1 - start;
	if (len > GUID_LEN && is_guid(url + start + len - GUID_LEN, GUID_LEN) &&
		url[start + len - GUID_LEN - 1] == '=')
	{
		start += len - GUID_LEN;
		len = GUID_LEN;
	}
	cxsig_outcome_copy_line(result->remote_id, sizeof(result->remote_id), url + start, len);
}

static bool
is_guid(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char) text[i]))
			return false;
	}
	return len == GUID_LEN;
}
