/*
 * hubspot_read.c
 *	  What HubSpot's answer says of each object. Runs in the dispatcher for every answer, and in a
 *	  backend that tests a destination. No table, no lock.
 *
 * A body comes from outside: it is looked at only if it is valid JSON and whole. Results are in any
 * order: they and the errors are told apart by objectWriteTraceId, else by the external id. What no
 * result names was not taken.
 */
#include "postgres.h"

#include "transport/hubspot.h"
#include "transport/outcome.h"

/* Longer than any name of an object. */
#define MAX_NAME 2048

/* The objects of a request, and what is known of each. */
typedef struct Batch
{
	CxsigHubspot *hubspot;
	const CxsigAttempt *attempts;
	const CxsigResponse *response;
	CxsigResult *results;
	const char **trace_ids;
	const char **ids;
	bool *found;
	bool *suspect; /* failed for what may be wrong with all */
	int n;
	int unnamed;				 /* results that name no object */
	CxsigJsonSpan unnamed_error; /* the error that names no row, if they are of one kind */
	bool errors_differ;
	int n_errors;
} Batch;

static void read_batch(Batch *batch);
static void start_all(Batch *batch, CxsigOutcome outcome, const char *detail);
static void take_result(Batch *batch, CxsigJsonSpan row);
static void take_error(Batch *batch, CxsigJsonSpan error);
static bool take_named(Batch *batch, CxsigJsonSpan error, CxsigJsonSpan names);
static void fail(Batch *batch, int i, CxsigJsonSpan error);
static void name_events(Batch *batch);
static int find_event(Batch *batch, CxsigJsonSpan name);
static void settle_missing(Batch *batch);
static void settle_suspects(Batch *batch);

void
cxsig_hubspot_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
				   const CxsigResponse *response, CxsigResult *results)
{
	CxsigHubspot *hubspot = (CxsigHubspot *) transport;
	Batch batch = {
		.hubspot = hubspot, .attempts = attempts, .response = response, .results = results, .n = n};

	cxsig_hubspot_read_quota(transport, response);
	if (response->status < 200 || response->status >= 300)
	{
		cxsig_hubspot_read_refused(hubspot, attempts, n, response, &results[0]);
		/* a refusal of all need not be one of each */
		if (results[0].outcome == CXSIG_POISON && n > 1)
			results[0].outcome = CXSIG_SPLIT;
		for (int i = 1; i < n; i++)
			results[i] = results[0];
		return;
	}
	if (attempts == NULL)
	{
		cxsig_outcome_read(response, &results[0]);
		return;
	}
	read_batch(&batch);
	if (results[0].retry_after_ms < 0)
		results[0].retry_after_ms = cxsig_hubspot_hold_ms(hubspot, response);
}

static void
read_batch(Batch *batch)
{
	CxsigJsonSpan list = {NULL, 0};
	CxsigJsonSpan at;

	if (batch->response->body_truncated && batch->n > 1)
	{
		start_all(batch, CXSIG_SPLIT, "the answer is too long to read");
		return;
	}
	if (cxsig_crm_is_object(batch->response))
		list = cxsig_json_member(batch->response->body, "results");
	start_all(batch, CXSIG_RETRY, "the answer has no result for this event");
	if (list.start == NULL || *list.start != '[')
		return;
	name_events(batch);
	batch->found = palloc0(sizeof(bool) * batch->n);
	batch->suspect = palloc0(sizeof(bool) * batch->n);
	for (at = cxsig_json_first_element(list.start); at.start != NULL;
		 at = cxsig_json_next_element(at))
		take_result(batch, at);
	list = cxsig_json_member(batch->response->body, "errors");
	if (list.start != NULL && *list.start == '[')
	{
		for (at = cxsig_json_first_element(list.start); at.start != NULL;
			 at = cxsig_json_next_element(at))
			take_error(batch, at);
	}
	settle_missing(batch);
	settle_suspects(batch);
}

static void
start_all(Batch *batch, CxsigOutcome outcome, const char *detail)
{
	for (int i = 0; i < batch->n; i++)
	{
		batch->results[i].outcome = outcome;
		batch->results[i].status = batch->response->status;
		strlcpy(batch->results[i].detail, detail, sizeof(batch->results[i].detail));
	}
}

static void
take_result(Batch *batch, CxsigJsonSpan row)
{
	CxsigJsonSpan properties = cxsig_json_member(row.start, "properties");
	CxsigJsonSpan id = cxsig_json_member(row.start, "id");
	int i = find_event(batch, cxsig_json_member(row.start, "objectWriteTraceId"));

	if (*row.start != '{' || id.start == NULL)
		return;
	if (i < 0 && properties.start != NULL)
		i = find_event(batch, cxsig_json_member(properties.start, batch->hubspot->id.field));
	if (i < 0)
	{
		batch->unnamed++;
		return;
	}
	if (batch->found[i])
		return;
	batch->found[i] = true;
	batch->results[i].outcome = CXSIG_DELIVERED;
	batch->results[i].detail[0] = '\0';
	cxsig_crm_copy_value(batch->results[i].remote_id, sizeof(batch->results[i].remote_id), id);
}

/* An error names its rows in its context: by trace id, or by the ids of the batch. */
static void
take_error(Batch *batch, CxsigJsonSpan error)
{
	static const char *const keys[] = {"objectWriteTraceId", "id", "ids"};
	CxsigJsonSpan context = cxsig_json_member(error.start, "context");
	bool named = false;

	if (*error.start != '{')
		return;
	batch->n_errors++;
	for (int k = 0; context.start != NULL && k < (int) lengthof(keys) && !named; k++)
		named = take_named(batch, error, cxsig_json_member(context.start, keys[k]));
	if (named)
		return;
	if (batch->unnamed_error.start != NULL &&
		cxsig_hubspot_classify(batch->unnamed_error) != cxsig_hubspot_classify(error))
		batch->errors_differ = true;
	batch->unnamed_error = error;
}

static bool
take_named(Batch *batch, CxsigJsonSpan error, CxsigJsonSpan names)
{
	bool named = false;
	CxsigJsonSpan at;

	if (names.start == NULL || *names.start != '[')
		return false;
	for (at = cxsig_json_first_element(names.start); at.start != NULL;
		 at = cxsig_json_next_element(at))
	{
		int i = find_event(batch, at);

		if (i < 0)
			continue;
		named = true;
		if (!batch->found[i])
			fail(batch, i, error);
	}
	return named;
}

/* What is said of one row. */
static void
fail(Batch *batch, int i, CxsigJsonSpan error)
{
	CxsigResult *result = &batch->results[i];

	batch->found[i] = true;
	result->outcome = CXSIG_RETRY;
	cxsig_hubspot_copy_words(error, result);
	switch (cxsig_hubspot_classify(error))
	{
		case CXSIG_HUBSPOT_AGAIN:
			break;
		case CXSIG_HUBSPOT_ONCE:
			if (batch->attempts[i].attempt > 1)
				result->outcome = CXSIG_POISON;
			break;
		case CXSIG_HUBSPOT_BAD:
			result->outcome = CXSIG_POISON;
			break;
		case CXSIG_HUBSPOT_SETUP:
			batch->suspect[i] = true;
			break;
	}
}

/* Which event that is, by its own id or its external one; -1 for none. */
static int
find_event(Batch *batch, CxsigJsonSpan name)
{
	char text[MAX_NAME];

	if (name.start == NULL || *name.start != '"')
		return -1;
	cxsig_json_unescape(name, text, sizeof(text));
	for (int i = 0; i < batch->n; i++)
	{
		if (pg_strcasecmp(batch->trace_ids[i], text) == 0)
			return i;
	}
	for (int i = 0; i < batch->n; i++)
	{
		if (batch->ids[i] != NULL && pg_strcasecmp(batch->ids[i], text) == 0)
			return i;
	}
	return -1;
}

/* What the objects of the request are called, in the order in which they are. */
static void
name_events(Batch *batch)
{
	batch->trace_ids = palloc(sizeof(char *) * batch->n);
	batch->ids = palloc(sizeof(char *) * batch->n);
	for (int i = 0; i < batch->n; i++)
	{
		const CxsigEvent *event = batch->attempts[i].event;
		StringInfoData uuid;
		const char *why;

		initStringInfo(&uuid);
		cxsig_append_uuid(&uuid, &event->event_id);
		batch->trace_ids[i] = uuid.data;
		batch->ids[i] = cxsig_hubspot_id(batch->hubspot, event, &why);
	}
}

/*
 * Objects that nothing names: taken, where there is a result for each and no error; refused, where the
 * errors that name none are of one kind; else nobody knows, and they are sent again.
 */
static void
settle_missing(Batch *batch)
{
	int missing = 0;

	for (int i = 0; i < batch->n; i++)
		missing += !batch->found[i];
	for (int i = 0; i < batch->n; i++)
	{
		if (batch->found[i])
			continue;
		if (batch->n_errors == 0 && batch->unnamed == missing)
		{
			batch->results[i].outcome = CXSIG_DELIVERED;
			batch->results[i].detail[0] = '\0';
		}
		else if (batch->unnamed == 0 && batch->unnamed_error.start != NULL && !batch->errors_differ)
			fail(batch, i, batch->unnamed_error);
	}
}

/* As with Salesforce: what is wrong with all stops the destination, unless another object was taken. */
static void
settle_suspects(Batch *batch)
{
	bool taken = false;

	for (int i = 0; i < batch->n; i++)
		taken = taken || batch->results[i].outcome == CXSIG_DELIVERED;
	for (int i = 0; i < batch->n; i++)
	{
		if (!batch->suspect[i])
			continue;
		batch->results[i].outcome = taken ? CXSIG_POISON : CXSIG_UNAUTHORISED;
		batch->results[i].final = !taken;
	}
}
