/*
 * webhook_results.c
 *	  What the answer to a webhook says of each event. Runs in the dispatcher for every answer, and
 *	  in a backend that tests a destination. No table, no lock.
 *
 * A body comes from outside: it is looked at only if it is valid JSON and whole, and what is not
 * understood in it leaves the status to decide.
 */
#include "postgres.h"

#include "event/json.h"
#include "transport/outcome.h"
#include "transport/webhook_results.h"

#define UUID_TEXT_LEN 36
#define MULTI_STATUS 207

/* The events of a batch, and for which of them a result has been found. */
typedef struct Batch
{
	const CxsigWebhook *webhook;
	const CxsigAttempt *attempts;
	const CxsigResponse *response;
	CxsigResult *results;
	bool *found;
	int n;
	int next; /* results mostly come in the order of the events: look here first */
} Batch;

static void decide_by_status(const CxsigWebhook *webhook, CxsigResult *result,
							 int64 retry_after_ms);
static CxsigJsonSpan find_results(const CxsigResponse *response);
static bool are_in_order(CxsigJsonSpan list, int n);
static void take_results(Batch *batch, CxsigJsonSpan list);
static int find_event(Batch *batch, CxsigJsonSpan id);
static bool read_uuid(CxsigJsonSpan string, pg_uuid_t *uuid);
static int read_status_number(CxsigJsonSpan value);
static void take_result(Batch *batch, int i, CxsigJsonSpan entry);
static void copy_value(char *into, size_t size, CxsigJsonSpan value);
static void mark_missing(Batch *batch);

void
cxsig_webhook_read_status(const CxsigWebhook *webhook, const CxsigResponse *response,
						  CxsigResult *result)
{
	cxsig_outcome_read(response, result);
	decide_by_status(webhook, result, response->retry_after_ms);
}

/* Outcome and Retry-After from result->status. */
static void
decide_by_status(const CxsigWebhook *webhook, CxsigResult *result, int64 retry_after_ms)
{
	result->outcome = cxsig_outcome_of_status(result->status);
	/* to an Idempotency-Key it means that the first request is still being worked on */
	if (result->status == 409 && webhook->config.key_style != CXSIG_KEY_OFF)
		result->outcome = CXSIG_RETRY;
	result->retry_after_ms = result->outcome == CXSIG_RETRY ? retry_after_ms : INT64CONST(-1);
}

void
cxsig_webhook_read_batch(const CxsigWebhook *webhook, const CxsigAttempt *attempts, int n,
						 const CxsigResponse *response, CxsigResult *results)
{
	Batch batch = {webhook, attempts, response, results, NULL, n, 0};
	CxsigJsonSpan list;

	cxsig_webhook_read_status(webhook, response, &results[0]);
	/* a refusal of all need not be one of each: nothing is dead for what was wrong with another */
	if (results[0].outcome == CXSIG_POISON && n > 1)
		results[0].outcome = CXSIG_SPLIT;
	for (int i = 1; i < n; i++)
		results[i] = results[0];
	if (results[0].outcome != CXSIG_DELIVERED)
		return;

	list = find_results(response);
	if (list.start == NULL && response->status != MULTI_STATUS)
		return;
	batch.found = palloc0(sizeof(bool) * n);
	if (list.start != NULL)
		take_results(&batch, list);
	if (response->status == MULTI_STATUS)
		mark_missing(&batch);
}

/* The array of results, if the body is one that has it. */
static CxsigJsonSpan
find_results(const CxsigResponse *response)
{
	CxsigJsonSpan none = {NULL, 0};
	CxsigJsonSpan list;

	/* what was cut or broke off may by chance be valid */
	if (response->body_truncated || response->error[0] != '\0' ||
		!cxsig_json_is_valid(response->body, response->body_len))
		return none;
	list = cxsig_json_member(response->body, "results");
	return list.start != NULL && *list.start == '[' ? list : none;
}

static void
take_results(Batch *batch, CxsigJsonSpan list)
{
	bool in_order = are_in_order(list, batch->n);
	CxsigJsonSpan entry = cxsig_json_first_element(list.start);
	int left = batch->n;

	for (int i = 0; entry.start != NULL && left > 0; i++)
	{
		int event = in_order ? i : find_event(batch, cxsig_json_member(entry.start, "id"));

		/* the first result for an event counts */
		if (event >= 0 && !batch->found[event])
		{
			take_result(batch, event, entry);
			left--;
		}
		entry = cxsig_json_next_element(entry);
	}
}

/* Are there as many results as events, and none has an id? */
static bool
are_in_order(CxsigJsonSpan list, int n)
{
	CxsigJsonSpan entry = cxsig_json_first_element(list.start);

	while (entry.start != NULL)
	{
		if (n-- == 0 || cxsig_json_member(entry.start, "id").start != NULL)
			return false;
		entry = cxsig_json_next_element(entry);
	}
	return n == 0;
}

/* Which event has that id; -1 for none. */
static int
find_event(Batch *batch, CxsigJsonSpan id)
{
	pg_uuid_t wanted;

	if (!read_uuid(id, &wanted))
		return -1;
	for (int i = 0; i < batch->n; i++)
	{
		int event = (batch->next + i) % batch->n;

		if (memcmp(&batch->attempts[event].event->event_id, &wanted, sizeof(wanted)) == 0)
		{
			batch->next = event + 1;
			return event;
		}
	}
	return -1;
}

/* A JSON string that is a uuid in its usual form. */
static bool
read_uuid(CxsigJsonSpan string, pg_uuid_t *uuid)
{
	const char *at = string.start + 1;

	if (string.start == NULL || string.len != UUID_TEXT_LEN + 2 || *string.start != '"')
		return false;
	for (int i = 0; i < UUID_LEN; i++)
	{
		char digits[3] = {0};

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-')
			return false;
		digits[0] = *at++;
		digits[1] = *at++;
		if (strspn(digits, "0123456789abcdefABCDEF") != 2)
			return false;
		uuid->data[i] = (unsigned char) strtol(digits, NULL, 16);
	}
	return true;
}

/* A result whose status is none of HTTP's says nothing of its event. */
static void
take_result(Batch *batch, int i, CxsigJsonSpan entry)
{
	CxsigResult *result = &batch->results[i];
	CxsigJsonSpan remote_id = cxsig_json_member(entry.start, "remote_id");
	int status = read_status_number(cxsig_json_member(entry.start, "status"));

	if (status == 0)
		return;
	batch->found[i] = true;
	result->status = status;
	decide_by_status(batch->webhook, result, batch->response->retry_after_ms);
	if (!cxsig_json_is_empty(remote_id))
		copy_value(result->remote_id, sizeof(result->remote_id), remote_id);
	if (result->outcome == CXSIG_DELIVERED)
		return;
	copy_value(result->detail, sizeof(result->detail), cxsig_json_member(entry.start, "error"));
	if (result->detail[0] == '\0')
		snprintf(result->detail, sizeof(result->detail), "status %d for this event without a word",
				 status);
}

/* A number from 100 to 599, and 0 for everything else. */
static int
read_status_number(CxsigJsonSpan value)
{
	if (value.start == NULL || value.len != 3 || strspn(value.start, "0123456789") < 3 ||
		*value.start > '5')
		return 0;
	return atoi(value.start);
}

/* A string's text; of any other value its JSON, and nothing of null. */
static void
copy_value(char *into, size_t size, CxsigJsonSpan value)
{
	into[0] = '\0';
	if (cxsig_json_is_empty(value))
		return;
	if (*value.start == '"')
	{
		/* escapes only get shorter; what is cut off here would be cut off below */
		char text[2048];

		cxsig_outcome_copy_text(into, size, text, cxsig_json_unescape(value, text, sizeof(text)));
		return;
	}
	cxsig_outcome_copy_text(into, size, value.start, value.len);
}

/* The receiver said that it tells the events apart: what it did not name may not have been taken. */
static void
mark_missing(Batch *batch)
{
	for (int i = 0; i < batch->n; i++)
	{
		CxsigResult *result = &batch->results[i];

		if (batch->found[i])
			continue;
		result->outcome = CXSIG_RETRY;
		result->retry_after_ms = batch->response->retry_after_ms;
		snprintf(result->detail, sizeof(result->detail), "the answer has no result for this event");
	}
}
