/*
 * zendesk_follow.c
 *	  The requests behind the first: a job is asked after until it has come to its end; a ticket that
 *	  was read is written, and read again where somebody else was faster. Runs in the dispatcher for
 *	  every answer. No table, no lock.
 *
 * What is remembered between two requests is text: of a job its id, and how often it was asked after
 * ("polls failures id"); of a ticket what was asked last, and how many conflicts there were ("get 1").
 */
#include "postgres.h"

#include "transport/zendesk_job.h"

/* Between two questions after a job. */
#define FIRST_DELAY_MS 250
#define MAX_DELAY_MS 5000

/* Zendesk forgets a job after an hour or more: no longer is it asked after. */
#define MAX_POLLS 730

/* Questions in a row that brought no answer about the job. */
#define MAX_FAILURES 8

/* A wait that is longer is for the whole destination, and not for one batch with its request open. */
#define MAX_WAIT_MS INT64CONST(600000)

/* Times that a ticket is read again because it has changed since. */
#define MAX_CONFLICTS 3
#define CONFLICT_DELAY_MS 200

#define CONFLICT 409

/* A job between two questions. */
typedef struct Poll
{
	int polls;
	int failures;
	char id[CXSIG_ZENDESK_JOB_ID + 1];
} Poll;

static bool follow_job(CxsigZendesk *zendesk, const CxsigResponse *response, int64 wait,
					   CxsigFollow *follow, CxsigRequest *request);
static bool read_poll(const CxsigFollow *follow, Poll *poll);
static bool take_answer(Poll *poll, bool first, const CxsigResponse *response);
static bool is_failure(int status);
static int64 delay_of(const Poll *poll);
static bool follow_ticket(CxsigZendesk *zendesk, const CxsigEvent *event,
						  const CxsigResponse *response, CxsigFollow *follow,
						  CxsigRequest *request);
static int read_conflicts(const char *state, const char *last);
static bool is_success(int status);

bool
cxsig_zendesk_follow(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
					 const CxsigResponse *response, CxsigFollow *follow, CxsigRequest *request)
{
	CxsigZendesk *zendesk = (CxsigZendesk *) transport;
	int64 wait = cxsig_zendesk_note_rate(zendesk, response);

	follow->delay_ms = 0;
	if (cxsig_zendesk_has_job(zendesk))
		return follow_job(zendesk, response, wait, follow, request);
	if (zendesk->way != CXSIG_ZENDESK_SAFE ||
		!follow_ticket(zendesk, attempts[0].event, response, follow, request))
		return false;
	/* however long it is: to read, the ticket as it was before would be the one that was written */
	follow->delay_ms = Max(follow->delay_ms, Min(wait, MAX_WAIT_MS));
	return true;
}

static bool
follow_job(CxsigZendesk *zendesk, const CxsigResponse *response, int64 wait, CxsigFollow *follow,
		   CxsigRequest *request)
{
	Poll poll;
	bool first = !read_poll(follow, &poll);

	if (!take_answer(&poll, first, response))
		return false;
	wait = Max(wait, response->retry_after_ms);
	if (wait > MAX_WAIT_MS)
		return false;
	follow->delay_ms = Max(delay_of(&poll), wait);
	snprintf(follow->state, sizeof(follow->state), "%d %d %s", poll.polls, poll.failures, poll.id);
	cxsig_crm_start(&zendesk->base, "GET",
					psprintf("%s/api/v2/job_statuses/%s.json", zendesk->url, poll.id), request);
	return true;
}

/* What is remembered of a job; false at the answer to the first request. */
static bool
read_poll(const CxsigFollow *follow, Poll *poll)
{
	memset(poll, 0, sizeof(*poll));
	return sscanf(follow->state, "%d %d %128s", &poll->polls, &poll->failures, poll->id) == 3;
}

/* Take what the answer says of the job into account; true where it is to be asked after again. */
static bool
take_answer(Poll *poll, bool first, const CxsigResponse *response)
{
	CxsigZendeskJob job;
	bool readable = is_success(response->status) && cxsig_zendesk_job_parse(response, &job);

	if (readable && (first || strcmp(job.id, poll->id) == 0))
	{
		strlcpy(poll->id, job.id, sizeof(poll->id));
		poll->failures = 0;
		return job.state == CXSIG_JOB_PENDING && ++poll->polls <= MAX_POLLS;
	}
	/* the job goes on, whatever became of the question; but what is no question is not repeated */
	return !first && (is_success(response->status) || is_failure(response->status)) &&
		   ++poll->failures <= MAX_FAILURES;
}

/* A status that another question may not meet. */
static bool
is_failure(int status)
{
	return status == 0 || status == 408 || status == 423 || status == 425 || status == 429 ||
		   status >= 500;
}

static int64
delay_of(const Poll *poll)
{
	int times = Max(poll->polls - 1, 0) + 2 * poll->failures;

	return times > 10 ? MAX_DELAY_MS : Min(FIRST_DELAY_MS << times, MAX_DELAY_MS);
}

static bool
follow_ticket(CxsigZendesk *zendesk, const CxsigEvent *event, const CxsigResponse *response,
			  CxsigFollow *follow, CxsigRequest *request)
{
	int written = read_conflicts(follow->state, "put");
	int conflicts = written >= 0 ? written : Max(read_conflicts(follow->state, "get"), 0);
	const char *why;
	const char *id;
	CxsigJsonSpan ticket;

	if (written >= 0)
	{
		if (response->status != CONFLICT || conflicts == MAX_CONFLICTS)
			return false;
		cxsig_zendesk_build_get(zendesk, event, request);
		snprintf(follow->state, sizeof(follow->state), "get %d", conflicts + 1);
		follow->delay_ms = CONFLICT_DELAY_MS << conflicts;
		return true;
	}
	id = cxsig_zendesk_id(zendesk, event, &why);
	if (id == NULL || !is_success(response->status))
		return false;
	ticket = cxsig_zendesk_read_record(zendesk, id, response);
	if (ticket.start == NULL)
		return false;
	cxsig_zendesk_build_put(zendesk, event, ticket, request);
	snprintf(follow->state, sizeof(follow->state), "put %d", conflicts);
	return true;
}

/* How many conflicts there were, where that was asked last; else -1. */
static int
read_conflicts(const char *state, const char *last)
{
	size_t len = strlen(last);

	return strncmp(state, last, len) == 0 && state[len] == ' ' ? atoi(state + len + 1) : -1;
}

static bool
is_success(int status)
{
	return status >= 200 && status < 300;
}
