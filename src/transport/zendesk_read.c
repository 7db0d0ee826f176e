/*
 * zendesk_read.c
 *	  What Zendesk's last answer says of each event. Runs in the dispatcher, and in a backend that
 *	  tests a destination. No table, no lock.
 *
 * Of a ticket that is read before it is written (CXSIG_ZENDESK_SAFE) an answer that cannot be read
 * may be the one before: nothing was written then, so only a ticket as it has to be is a success.
 */
#include "postgres.h"

#include "transport/outcome.h"
#include "transport/zendesk_job.h"

static void read_ping(CxsigZendesk *zendesk, const CxsigResponse *response, CxsigResult *result);
static void read_many(CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n,
					  const CxsigResponse *response, CxsigResult *results);
static void read_one(CxsigZendesk *zendesk, const CxsigEvent *event, const CxsigResponse *response,
					 CxsigResult *result);
static void unreadable(const CxsigResponse *response, const char *what, CxsigResult *result);
static void read_words(const CxsigResponse *response, CxsigResult *result);

void
cxsig_zendesk_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
				   const CxsigResponse *response, CxsigResult *results)
{
	CxsigZendesk *zendesk = (CxsigZendesk *) transport;

	cxsig_zendesk_read_status(zendesk, response, &results[0]);
	if (attempts == NULL)
		read_ping(zendesk, response, &results[0]);
	else if (cxsig_zendesk_has_job(zendesk))
		read_many(zendesk, attempts, n, response, results);
	else if (results[0].outcome == CXSIG_DELIVERED)
		read_one(zendesk, attempts[0].event, response, &results[0]);
}

void
cxsig_zendesk_read_status(CxsigZendesk *zendesk, const CxsigResponse *response, CxsigResult *result)
{
	int64 wait = cxsig_zendesk_note_rate(zendesk, response);

	cxsig_outcome_read(response, result);
	result->remote_id[0] = '\0';
	switch (response->status)
	{
		case 401:
			result->outcome = CXSIG_UNAUTHORISED;
			break;
		case 403:
			result->outcome = CXSIG_UNAUTHORISED;
			result->final = true;
			break;
		case 404:
			/* a list or a job has no record that could be missing: it is the URL, or the job is over */
			if (cxsig_zendesk_has_job(zendesk))
				result->outcome = CXSIG_RETRY;
			break;
		case 409:
			result->outcome = CXSIG_RETRY;
			break;
		default:
			break;
	}
	result->retry_after_ms = -1;
	if (result->outcome == CXSIG_RETRY)
		result->retry_after_ms = response->retry_after_ms;
	if (result->retry_after_ms < 0 &&
		(result->outcome == CXSIG_RETRY || result->outcome == CXSIG_DELIVERED))
		result->retry_after_ms = wait;
	if (result->outcome != CXSIG_DELIVERED && response->status != 0)
		read_words(response, result);
}

/* Zendesk answers a caller whom it does not know as well: that is nobody. */
static void
read_ping(CxsigZendesk *zendesk, const CxsigResponse *response, CxsigResult *result)
{
	CxsigJsonSpan user;

	if (result->outcome != CXSIG_DELIVERED)
		return;
	if (!cxsig_crm_is_object(response))
	{
		unreadable(response, "user", result);
		return;
	}
	user = cxsig_json_member(response->body, "user");
	if (user.start == NULL || *user.start != '{')
		unreadable(response, "user", result);
	else if (cxsig_json_is_empty(cxsig_json_member(user.start, "id")))
	{
		result->outcome = CXSIG_UNAUTHORISED;
		strlcpy(result->detail, "Zendesk does not know who is calling", sizeof(result->detail));
	}
}

static void
read_many(CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n, const CxsigResponse *response,
		  CxsigResult *results)
{
	CxsigZendeskJob job;
	bool delivered = results[0].outcome == CXSIG_DELIVERED;
	bool readable = delivered && cxsig_zendesk_job_parse(response, &job);

	if (delivered && !readable)
		unreadable(response, "job", &results[0]);
	/* a refusal of all need not be one of each: nothing is dead for what was wrong with another */
	if (results[0].outcome == CXSIG_POISON && n > 1)
		results[0].outcome = CXSIG_SPLIT;
	for (int i = 1; i < n; i++)
		results[i] = results[0];
	if (readable)
		cxsig_zendesk_job_read(zendesk, attempts, n, &job, results);
}

static void
read_one(CxsigZendesk *zendesk, const CxsigEvent *event, const CxsigResponse *response,
		 CxsigResult *result)
{
	const char *why;
	const char *id = cxsig_zendesk_id(zendesk, event, &why);
	CxsigJsonSpan record;

	/* a ticket with its history may be longer than what is read of it */
	if (zendesk->way != CXSIG_ZENDESK_SAFE && response->body_truncated)
		return;
	record = cxsig_zendesk_read_record(zendesk, id, response);
	if (record.start == NULL)
		unreadable(response, cxsig_zendesk_record_name(zendesk), result);
	else
		cxsig_crm_copy_value(result->remote_id, sizeof(result->remote_id),
							 cxsig_json_member(record.start, "id"));
}

/* A success that does not show what was done: it is tried again, since it can be repeated. */
static void
unreadable(const CxsigResponse *response, const char *what, CxsigResult *result)
{
	result->outcome = CXSIG_RETRY;
	if (response->error[0] != '\0')
		cxsig_outcome_copy_line(result->detail, sizeof(result->detail), response->error,
								strlen(response->error));
	else
		snprintf(result->detail, sizeof(result->detail), "HTTP status %d, but the answer %s %s",
				 response->status, response->body_truncated ? "is too long to read of a" : "has no",
				 what);
}

CxsigJsonSpan
cxsig_zendesk_read_record(const CxsigZendesk *zendesk, const char *id,
						  const CxsigResponse *response)
{
	CxsigJsonSpan none = {NULL, 0};
	CxsigJsonSpan record;
	CxsigJsonSpan tags;
	CxsigJsonSpan stamp;

	if (id == NULL || !cxsig_crm_is_object(response))
		return none;
	record = cxsig_json_member(response->body, cxsig_zendesk_record_name(zendesk));
	if (record.start == NULL || *record.start != '{')
		return none;
	if (!cxsig_crm_is_text(cxsig_json_member(record.start, cxsig_zendesk_is_ticket(zendesk)
															   ? "id"
															   : "external_id"),
						   id))
		return none;
	if (zendesk->way != CXSIG_ZENDESK_SAFE)
		return record;
	tags = cxsig_json_member(record.start, "tags");
	stamp = cxsig_json_member(record.start, "updated_at");
	if (tags.start == NULL || *tags.start != '[' || stamp.start == NULL || *stamp.start != '"')
		return none;
	return record;
}

/*
 * {"error": "RecordInvalid", "description": "...", "details": {...}}, or {"error": {"title": "...",
 * "message": "..."}}. Some refusals are plain text: that is the detail already.
 */
static void
read_words(const CxsigResponse *response, CxsigResult *result)
{
	CxsigJsonSpan error;

	if (!cxsig_crm_is_object(response))
		return;
	error = cxsig_json_member(response->body, "error");
	if (cxsig_json_is_empty(error))
		return;
	result->detail[0] = '\0';
	if (*error.start == '{')
	{
		cxsig_crm_append_words(result->detail, sizeof(result->detail),
							   cxsig_json_member(error.start, "title"));
		cxsig_crm_append_words(result->detail, sizeof(result->detail),
							   cxsig_json_member(error.start, "message"));
	}
	else
		cxsig_crm_append_words(result->detail, sizeof(result->detail), error);
	cxsig_crm_append_words(result->detail, sizeof(result->detail),
						   cxsig_json_member(response->body, "description"));
	cxsig_crm_append_words(result->detail, sizeof(result->detail),
						   cxsig_json_member(response->body, "details"));
	if (result->detail[0] == '\0')
		cxsig_crm_copy_value(result->detail, sizeof(result->detail), error);
}
