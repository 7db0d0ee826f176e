/*
 * salesforce_refused.c
 *	  What it means that Salesforce refused a request as a whole, or did not answer. Runs in the
 *	  dispatcher, and in a backend that tests a destination. No table, no lock.
 */
#include "postgres.h"

#include "transport/outcome.h"
#include "transport/salesforce.h"

/* Answers with 401 that no new token changes. */
static const char *const not_the_token[] = {"This session is not valid for use with the REST API",
											"Connected app is not attached to Agent"};

static CxsigSalesforceError classify(const CxsigResponse *response, CxsigJsonSpan error);
static bool is_final(const CxsigResponse *response);

void
cxsig_salesforce_read_refused(const CxsigSalesforce *salesforce, const CxsigAttempt *attempts,
							  int n, const CxsigResponse *response, CxsigResult *result)
{
	CxsigJsonSpan error = {NULL, 0};

	cxsig_outcome_read(response, result);
	result->remote_id[0] = '\0';
	if (cxsig_crm_is_array(response))
		error = cxsig_json_first_element(response->body);
	if (error.start != NULL && *error.start == '{')
	{
		result->detail[0] = '\0';
		cxsig_crm_append_words(result->detail, sizeof(result->detail),
							   cxsig_json_member(error.start, "errorCode"));
		cxsig_crm_append_words(result->detail, sizeof(result->detail),
							   cxsig_json_member(error.start, "message"));
	}
	if (response->status == 410)
		return;
	if (response->status == 401)
	{
		result->final = is_final(response);
		return;
	}
	result->retry_after_ms = -1;
	switch (classify(response, error))
	{
		case CXSIG_SALESFORCE_AGAIN:
			result->outcome = CXSIG_RETRY;
			result->retry_after_ms = response->retry_after_ms;
			break;
		case CXSIG_SALESFORCE_LATER:
			result->outcome = CXSIG_RETRY;
			result->retry_after_ms =
				Max((int64) salesforce->limit_backoff_ms, response->retry_after_ms);
			break;
		case CXSIG_SALESFORCE_ONCE:
			result->outcome = cxsig_crm_was_tried(attempts, n) ? CXSIG_POISON : CXSIG_RETRY;
			break;
		case CXSIG_SALESFORCE_BAD:
			result->outcome = CXSIG_POISON;
			break;
		case CXSIG_SALESFORCE_ACCESS:
		case CXSIG_SALESFORCE_SETUP:
			result->outcome = CXSIG_UNAUTHORISED;
			result->final = true;
			break;
	}
}

/* A wrong object, field or host is wrong for all there will be: none is poison for it. */
static CxsigSalesforceError
classify(const CxsigResponse *response, CxsigJsonSpan error)
{
	CxsigJsonSpan code = {NULL, 0};
	CxsigJsonSpan message = {NULL, 0};
	int status = response->status;

	if (error.start != NULL)
	{
		code = cxsig_json_member(error.start, "errorCode");
		message = cxsig_json_member(error.start, "message");
	}
	if (status == 400)
		return cxsig_salesforce_request_error(code, message);
	if (status == 403)
		return cxsig_crm_is_text(code, "REQUEST_LIMIT_EXCEEDED") ? CXSIG_SALESFORCE_LATER
																 : CXSIG_SALESFORCE_SETUP;
	if (status == 409)
		return CXSIG_SALESFORCE_ONCE;
	if (status == 420)
		return CXSIG_SALESFORCE_AGAIN;
	if (status == 404 || status == 405 || (status > 300 && status < 400))
		return CXSIG_SALESFORCE_SETUP;
	return cxsig_outcome_of_status(status) == CXSIG_RETRY ? CXSIG_SALESFORCE_AGAIN
														  : CXSIG_SALESFORCE_BAD;
}

static bool
is_final(const CxsigResponse *response)
{
	for (int i = 0; i < (int) lengthof(not_the_token); i++)
	{
		if (strstr(response->body, not_the_token[i]) != NULL)
			return true;
	}
	return false;
}
