/*
 * salesforce_read.c
 *	  What Salesforce's answer says of each record. Runs in the dispatcher for every answer, and in a
 *	  backend that tests a destination. No table, no lock.
 *
 * A body comes from outside: it is looked at only if it is valid JSON and whole. Results are in the
 * order of the records; where there are not as many, none says anything, and an upsert can be repeated.
 */
#include "postgres.h"

#include "transport/outcome.h"
#include "transport/salesforce.h"
#include "utils/timestamp.h"

static void read_quota(CxsigTransport *transport, const CxsigResponse *response);
static void read_all(CxsigSalesforce *salesforce, const CxsigAttempt *attempts, int n,
					 const CxsigResponse *response, CxsigResult *results);
static void read_rows(CxsigSalesforce *salesforce, const CxsigAttempt *attempts, int n,
					  const CxsigResponse *response, CxsigResult *results);
static void read_lone(CxsigSalesforce *salesforce, const CxsigAttempt *attempt,
					  const CxsigResponse *response, CxsigResult *result);
static void set_all(CxsigResult *results, int n, CxsigOutcome outcome, int status,
					const char *detail);
static int count_elements(const char *list);
static bool read_row(CxsigSalesforce *salesforce, const CxsigAttempt *attempt, CxsigJsonSpan row,
					 CxsigResult *result);
static CxsigSalesforceError read_errors(CxsigJsonSpan errors, CxsigResult *result);
static void append_fields(CxsigJsonSpan fields, CxsigResult *result);
static void settle_suspects(CxsigResult *results, const bool *suspect, int n);

void
cxsig_salesforce_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
					  const CxsigResponse *response, CxsigResult *results)
{
	CxsigSalesforce *salesforce = (CxsigSalesforce *) transport;

	read_quota(transport, response);
	if (response->status >= 200 && response->status < 300)
	{
		if (attempts == NULL)
			cxsig_outcome_read(response, &results[0]);
		else
			read_all(salesforce, attempts, n, response, results);
		return;
	}
	cxsig_salesforce_read_refused(salesforce, attempts, n, response, &results[0]);
	/* a refusal of all need not be one of each */
	if (results[0].outcome == CXSIG_POISON && n > 1)
		results[0].outcome = CXSIG_SPLIT;
	for (int i = 1; i < n; i++)
		results[i] = results[0];
}

/* "api-usage=18/5000; api-bursts=1/750": the first counts, what else there is is let be. */
static void
read_quota(CxsigTransport *transport, const CxsigResponse *response)
{
	const char *at = response->status == 0 ? NULL : response->header(response, "sforce-limit-info");

	while (at != NULL)
	{
		long long used;
		long long limit;

		at += strspn(at, " ;,");
		if (sscanf(at, "api-usage=%18lld/%18lld", &used, &limit) == 2 && used >= 0 && limit > 0)
		{
			transport->quota.used = used;
			transport->quota.limit = limit;
			transport->quota.at = response->finished_at;
			return;
		}
		at = strpbrk(at, ";,");
	}
}

static void
read_all(CxsigSalesforce *salesforce, const CxsigAttempt *attempts, int n,
		 const CxsigResponse *response, CxsigResult *results)
{
	if (salesforce->mode != CXSIG_SALESFORCE_COLLECTIONS)
		read_lone(salesforce, &attempts[0], response, &results[0]);
	else if (response->body_truncated && n > 1)
		set_all(results, n, CXSIG_SPLIT, response->status, "the answer is too long to read");
	else if (!cxsig_crm_is_array(response))
		set_all(results, n, CXSIG_RETRY, response->status, "the answer is no list of results");
	else if (count_elements(response->body) != n)
		set_all(results, n, CXSIG_RETRY, response->status,
				psprintf("the answer has %d results for %d records", count_elements(response->body),
						 n));
	else
		read_rows(salesforce, attempts, n, response, results);
}

static void
set_all(CxsigResult *results, int n, CxsigOutcome outcome, int status, const char *detail)
{
	for (int i = 0; i < n; i++)
	{
		results[i].outcome = outcome;
		results[i].status = status;
		strlcpy(results[i].detail, detail, sizeof(results[i].detail));
	}
}

static int
count_elements(const char *list)
{
	int n = 0;

	for (CxsigJsonSpan at = cxsig_json_first_element(list); at.start != NULL;
		 at = cxsig_json_next_element(at))
		n++;
	return n;
}

static void
read_rows(CxsigSalesforce *salesforce, const CxsigAttempt *attempts, int n,
		  const CxsigResponse *response, CxsigResult *results)
{
	bool *suspect = palloc0(sizeof(bool) * n);
	CxsigJsonSpan row = cxsig_json_first_element(response->body);

	for (int i = 0; i < n; i++)
	{
		results[i].status = response->status;
		suspect[i] = read_row(salesforce, &attempts[i], row, &results[i]);
		row = cxsig_json_next_element(row);
	}
	settle_suspects(results, suspect, n);
}

/* A record alone: 200 or 201 with a result, or 204 without. */
static void
read_lone(CxsigSalesforce *salesforce, const CxsigAttempt *attempt, const CxsigResponse *response,
		  CxsigResult *result)
{
	CxsigJsonSpan row = {response->body, response->body_len};
	bool suspect;

	result->status = response->status;
	result->outcome = CXSIG_DELIVERED;
	if (response->status == 204)
		return;
	if (!cxsig_crm_is_object(response))
	{
		set_all(result, 1, CXSIG_RETRY, response->status, "the answer is no result");
		return;
	}
	row.start += strspn(row.start, " \t\r\n");
	suspect = read_row(salesforce, attempt, row, result);
	settle_suspects(result, &suspect, 1);
}

/*
 * success decides: an event that was taken has "errors" as well. True where the failure may be one of
 * all records, which only the others can tell.
 */
static bool
read_row(CxsigSalesforce *salesforce, const CxsigAttempt *attempt, CxsigJsonSpan row,
		 CxsigResult *result)
{
	CxsigJsonSpan success = cxsig_json_member(row.start, "success");
	CxsigJsonSpan errors = cxsig_json_member(row.start, "errors");

	if (cxsig_crm_is(success, "true"))
	{
		CxsigJsonSpan id = cxsig_json_member(row.start, "id");
		CxsigJsonSpan first = {NULL, 0};

		/* an event's id is the same for many; what it is known by is told beside it */
		if (salesforce->mode == CXSIG_SALESFORCE_EVENT && errors.start != NULL)
			first = cxsig_json_first_element(errors.start);
		if (first.start != NULL &&
			cxsig_crm_is_text(cxsig_json_member(first.start, "statusCode"), "OPERATION_ENQUEUED"))
			id = cxsig_json_member(first.start, "message");
		result->outcome = CXSIG_DELIVERED;
		cxsig_crm_copy_value(result->remote_id, sizeof(result->remote_id), id);
		return false;
	}
	result->outcome = CXSIG_RETRY;
	if (!cxsig_crm_is(success, "false"))
	{
		strlcpy(result->detail, "the answer has no result for this record", sizeof(result->detail));
		return false;
	}
	switch (read_errors(errors, result))
	{
		case CXSIG_SALESFORCE_AGAIN:
			break;
		case CXSIG_SALESFORCE_LATER:
			result->retry_after_ms = salesforce->limit_backoff_ms;
			break;
		case CXSIG_SALESFORCE_ONCE:
			result->outcome = attempt->attempt > 1 ? CXSIG_POISON : CXSIG_RETRY;
			break;
		case CXSIG_SALESFORCE_BAD:
			result->outcome = CXSIG_POISON;
			break;
		case CXSIG_SALESFORCE_ACCESS:
			return true;
		case CXSIG_SALESFORCE_SETUP:
			result->final = true;
			return true;
	}
	return false;
}

/* The gravest of a row's errors, which are in that order, and the words of that one. */
static CxsigSalesforceError
read_errors(CxsigJsonSpan errors, CxsigResult *result)
{
	CxsigSalesforceError gravest = CXSIG_SALESFORCE_AGAIN;
	CxsigJsonSpan error = {NULL, 0};
	bool first = true;

	if (errors.start != NULL)
		error = cxsig_json_first_element(errors.start);
	if (error.start == NULL)
	{
		strlcpy(result->detail, "the record was refused without a word", sizeof(result->detail));
		return CXSIG_SALESFORCE_BAD;
	}
	for (; error.start != NULL; error = cxsig_json_next_element(error))
	{
		CxsigJsonSpan code = cxsig_json_member(error.start, "statusCode");
		CxsigJsonSpan message = cxsig_json_member(error.start, "message");
		CxsigSalesforceError means = cxsig_salesforce_row_error(code, message);

		if (!first && means <= gravest)
			continue;
		first = false;
		gravest = means;
		result->detail[0] = '\0';
		cxsig_crm_append_words(result->detail, sizeof(result->detail), code);
		cxsig_crm_append_words(result->detail, sizeof(result->detail), message);
		append_fields(cxsig_json_member(error.start, "fields"), result);
	}
	return gravest;
}

static void
append_fields(CxsigJsonSpan fields, CxsigResult *result)
{
	if (!cxsig_json_is_empty(fields) && *fields.start == '[')
		cxsig_crm_append_words(result->detail, sizeof(result->detail), fields);
}

/*
 * A wrong field or missing rights: where another record of the request was taken, it was this one's
 * fault. Where none was, it is the destination's, and stops it - rights only if all records lack them:
 * what is locked or wrong says nothing of them. Otherwise, and alone, such a record is tried again, and
 * becomes poison only if others pass.
 */
static void
settle_suspects(CxsigResult *results, const bool *suspect, int n)
{
	bool taken = false;
	bool all = n > 1;

	for (int i = 0; i < n; i++)
	{
		taken = taken || results[i].outcome == CXSIG_DELIVERED;
		all = all && suspect[i];
	}
	for (int i = 0; i < n; i++)
	{
		if (!suspect[i])
			continue;
		if (taken)
		{
			results[i].outcome = CXSIG_POISON;
			results[i].final = false;
		}
		else if (all || results[i].final)
		{
			results[i].outcome = CXSIG_UNAUTHORISED;
			results[i].final = true;
		}
	}
}
