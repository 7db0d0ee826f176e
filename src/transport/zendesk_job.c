/*
 * zendesk_job.c
 *	  What Zendesk says of a job, the answer to a request for many records. Runs in the dispatcher
 *	  for every answer with one. No table, no lock.
 *
 * A job's results name the ticket (id) or the user (external_id), or where neither is there, the
 * record's place in the request (index); their order says nothing. A result that names nothing is a
 * stray: of a batch that it may be about, nobody is poison for it.
 */
#include "postgres.h"

#include "transport/zendesk_job.h"

/* In the name of an error that may pass. */
static const char *const passing[] = {"conflict",	 "timeout",		"toomany",
									  "ratelimit",	 "rate limit",	"internalerror",
									  "servererror", "unavailable", "jobinterrupt"};

/* The events of a batch, and what was found of them. */
typedef struct JobBatch
{
	const CxsigZendesk *zendesk;
	char **ids;
	bool *found;
	CxsigResult *results;
	int n;
	int n_found;
	int next; /* results mostly come in the order of the request: look here first */
} JobBatch;

/* Rows that name no event. */
typedef struct Strays
{
	CxsigJsonSpan failure; /* one that is no success */
	int successes;
} Strays;

static CxsigZendeskJobState parse_state(CxsigJsonSpan status);
static bool is_job_id(const char *id, size_t len);
static void take_rows(JobBatch *batch, CxsigJsonSpan list, Strays *strays);
static int find_event(JobBatch *batch, CxsigJsonSpan row);
static int find_id(JobBatch *batch, CxsigJsonSpan id);
static int read_index(CxsigJsonSpan value, int n);
static bool is_success(CxsigJsonSpan row);
static void take_row(JobBatch *batch, int i, CxsigJsonSpan row);
static void take_error(CxsigResult *result, CxsigJsonSpan row);
static bool may_pass(const char *error);
static void settle_rest(JobBatch *batch, const CxsigZendeskJob *job, const Strays *strays);
static void set_rest(JobBatch *batch, CxsigOutcome outcome, const char *why, CxsigJsonSpan words);

bool
cxsig_zendesk_job_parse(const CxsigResponse *response, CxsigZendeskJob *job)
{
	CxsigJsonSpan status;
	CxsigJsonSpan id;
	size_t len;

	if (!cxsig_crm_is_object(response))
		return false;
	status = cxsig_json_member(response->body, "job_status");
	if (status.start == NULL || *status.start != '{')
		return false;
	id = cxsig_json_member(status.start, "id");
	if (id.start == NULL || *id.start != '"' || id.len > CXSIG_ZENDESK_JOB_ID + 2)
		return false;
	len = cxsig_json_unescape(id, job->id, sizeof(job->id));
	if (!is_job_id(job->id, len))
		return false;
	job->state = parse_state(cxsig_json_member(status.start, "status"));
	job->results = cxsig_json_member(status.start, "results");
	job->message = cxsig_json_member(status.start, "message");
	return true;
}

/* A word that is not known is not an end. */
static CxsigZendeskJobState
parse_state(CxsigJsonSpan status)
{
	if (cxsig_crm_is(status, "\"completed\""))
		return CXSIG_JOB_COMPLETED;
	if (cxsig_crm_is(status, "\"failed\""))
		return CXSIG_JOB_FAILED;
	if (cxsig_crm_is(status, "\"killed\""))
		return CXSIG_JOB_KILLED;
	return CXSIG_JOB_PENDING;
}

/* It becomes part of a URL, so it has to be nothing but a name. */
static bool
is_job_id(const char *id, size_t len)
{
	return len > 0 && len == strlen(id) &&
		   strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == len;
}

void
cxsig_zendesk_job_read(const CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n,
					   const CxsigZendeskJob *job, CxsigResult *results)
{
	JobBatch batch = {.zendesk = zendesk, .results = results, .n = n};
	Strays strays = {{NULL, 0}, 0};

	batch.ids = palloc(sizeof(char *) * n);
	batch.found = palloc0(sizeof(bool) * n);
	for (int i = 0; i < n; i++)
	{
		const char *why;

		batch.ids[i] = cxsig_zendesk_id(zendesk, attempts[i].event, &why);
	}
	if (job->results.start != NULL && *job->results.start == '[')
		take_rows(&batch, job->results, &strays);
	if (batch.n_found < n)
		settle_rest(&batch, job, &strays);
}

static void
take_rows(JobBatch *batch, CxsigJsonSpan list, Strays *strays)
{
	CxsigJsonSpan row;

	for (row = cxsig_json_first_element(list.start); row.start != NULL;
		 row = cxsig_json_next_element(row))
	{
		int event = *row.start == '{' ? find_event(batch, row) : -1;

		if (event >= 0 && !batch->found[event])
			take_row(batch, event, row);
		else if (event < 0 && *row.start == '{' && is_success(row))
			strays->successes++;
		else if (event < 0)
			strays->failure = row;
	}
}

/* Which event a row is about; -1 where it does not say. */
static int
find_event(JobBatch *batch, CxsigJsonSpan row)
{
	bool tickets = cxsig_zendesk_is_ticket(batch->zendesk);
	CxsigJsonSpan id = cxsig_json_member(row.start, tickets ? "id" : "external_id");

	if (!cxsig_json_is_empty(id))
		return find_id(batch, id);
	return read_index(cxsig_json_member(row.start, "index"), batch->n);
}

static int
find_id(JobBatch *batch, CxsigJsonSpan id)
{
	for (int i = 0; i < batch->n; i++)
	{
		int event = (batch->next + i) % batch->n;

		if (batch->ids[event] != NULL && cxsig_crm_is_text(id, batch->ids[event]))
		{
			batch->next = event + 1;
			return event;
		}
	}
	return -1;
}

/* A whole number below n, and -1 for everything else. */
static int
read_index(CxsigJsonSpan value, int n)
{
	int index;

	if (value.start == NULL || value.len > 6 || strspn(value.start, "0123456789") != value.len)
		return -1;
	index = atoi(value.start);
	return index < n ? index : -1;
}

static bool
is_success(CxsigJsonSpan row)
{
	CxsigJsonSpan success = cxsig_json_member(row.start, "success");

	if (success.start != NULL)
		return cxsig_crm_is(success, "true");
	return cxsig_json_is_empty(cxsig_json_member(row.start, "error")) &&
		   cxsig_json_is_empty(cxsig_json_member(row.start, "errors")) &&
		   !cxsig_crm_is(cxsig_json_member(row.start, "status"), "\"Failed\"");
}

static void
take_row(JobBatch *batch, int i, CxsigJsonSpan row)
{
	CxsigResult *result = &batch->results[i];

	batch->found[i] = true;
	batch->n_found++;
	if (!is_success(row))
	{
		take_error(result, row);
		return;
	}
	result->outcome = CXSIG_DELIVERED;
	if (cxsig_zendesk_is_ticket(batch->zendesk))
		strlcpy(result->remote_id, batch->ids[i], sizeof(result->remote_id));
	else
		cxsig_crm_copy_value(result->remote_id, sizeof(result->remote_id),
							 cxsig_json_member(row.start, "id"));
}

static void
take_error(CxsigResult *result, CxsigJsonSpan row)
{
	result->detail[0] = '\0';
	cxsig_crm_append_words(result->detail, sizeof(result->detail),
						   cxsig_json_member(row.start, "error"));
	cxsig_crm_append_words(result->detail, sizeof(result->detail),
						   cxsig_json_member(row.start, "errors"));
	result->outcome = may_pass(result->detail) ? CXSIG_RETRY : CXSIG_POISON;
	cxsig_crm_append_words(result->detail, sizeof(result->detail),
						   cxsig_json_member(row.start, "details"));
	cxsig_crm_append_words(result->detail, sizeof(result->detail),
						   cxsig_json_member(row.start, "description"));
	if (result->detail[0] == '\0')
		strlcpy(result->detail, "the job did not change it, without a word",
				sizeof(result->detail));
}

/* Is it the name of an error that another attempt may not meet? */
static bool
may_pass(const char *error)
{
	for (; *error != '\0'; error++)
	{
		for (int i = 0; i < (int) lengthof(passing); i++)
		{
			if (pg_strncasecmp(error, passing[i], strlen(passing[i])) == 0)
				return true;
		}
	}
	return false;
}

/* Events that no row names. */
static void
settle_rest(JobBatch *batch, const CxsigZendeskJob *job, const Strays *strays)
{
	CxsigJsonSpan none = {NULL, 0};

	if (job->state == CXSIG_JOB_PENDING)
		set_rest(batch, CXSIG_RETRY, "the job has not come to its end", none);
	else if (job->state == CXSIG_JOB_KILLED)
		set_rest(batch, CXSIG_RETRY, "the job was killed", job->message);
	else if (batch->n == 1 && strays->failure.start != NULL && *strays->failure.start == '{')
		take_error(&batch->results[0], strays->failure);
	else if (batch->n_found > 0)
		set_rest(batch, CXSIG_RETRY, "the job has no result for this event", none);
	else if (strays->failure.start == NULL && strays->successes == batch->n &&
			 job->state == CXSIG_JOB_COMPLETED)
		set_rest(batch, CXSIG_DELIVERED, "", none);
	else if (job->state == CXSIG_JOB_FAILED || strays->failure.start != NULL)
		set_rest(batch, batch->n > 1 ? CXSIG_SPLIT : CXSIG_RETRY, "the job failed", job->message);
	else
		set_rest(batch, CXSIG_RETRY, "the job has no results", job->message);
}

static void
set_rest(JobBatch *batch, CxsigOutcome outcome, const char *why, CxsigJsonSpan words)
{
	for (int i = 0; i < batch->n; i++)
	{
		CxsigResult *result = &batch->results[i];

		if (batch->found[i])
			continue;
		result->outcome = outcome;
		strlcpy(result->detail, why, sizeof(result->detail));
		cxsig_crm_append_words(result->detail, sizeof(result->detail), words);
	}
}
