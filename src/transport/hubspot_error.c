/*
 * hubspot_error.c
 *	  What HubSpot's errors mean, of a row or of a request as a whole. Runs in the dispatcher, and in a
 *	  backend that tests a destination. No table, no lock.
 */
#include "postgres.h"

#include "transport/hubspot.h"
#include "transport/outcome.h"

#define LOCKED_MS ((int64) 2000)

typedef struct Category
{
	const char *category;
	CxsigHubspotError error;
} Category;

/* What is not here is the record's own fault. */
static const Category categories[] = {
	{"VALIDATION_ERROR", CXSIG_HUBSPOT_BAD},
	{"RATE_LIMITS", CXSIG_HUBSPOT_AGAIN},
	{"CONFLICT", CXSIG_HUBSPOT_ONCE},
	{"MISSING_SCOPES", CXSIG_HUBSPOT_SETUP},
	{"INVALID_AUTHENTICATION", CXSIG_HUBSPOT_AGAIN},
	{"EXPIRED_AUTHENTICATION", CXSIG_HUBSPOT_AGAIN},
	{"OBJECT_NOT_FOUND", CXSIG_HUBSPOT_BAD},
};

/* Words of a validation error that is the mapping's or the config's: the same for each event. */
static const char *const setup_words[] = {"PROPERTY_DOESNT_EXIST", "Unable to infer object type",
										  "non-unique"};

static bool says(CxsigJsonSpan value, const char *words);
static CxsigHubspotError classify_answer(const CxsigResponse *response, CxsigJsonSpan error);
static int64 wait_ms(const CxsigHubspot *hubspot, const CxsigResponse *response,
					 CxsigJsonSpan error);

CxsigHubspotError
cxsig_hubspot_classify(CxsigJsonSpan error)
{
	CxsigJsonSpan category = cxsig_json_member(error.start, "category");

	for (int i = 0; i < (int) lengthof(setup_words); i++)
	{
		if (says(error, setup_words[i]))
			return CXSIG_HUBSPOT_SETUP;
	}
	for (int i = 0; i < (int) lengthof(categories); i++)
	{
		if (cxsig_crm_is_text(category, categories[i].category))
			return categories[i].error;
	}
	return CXSIG_HUBSPOT_BAD;
}

static bool
says(CxsigJsonSpan value, const char *words)
{
	size_t len = strlen(words);

	for (size_t i = 0; i + len <= value.len; i++)
	{
		if (memcmp(value.start + i, words, len) == 0)
			return true;
	}
	return false;
}

/* "VALIDATION_ERROR: the message (correlation id)": HubSpot's support asks for the last. */
void
cxsig_hubspot_copy_words(CxsigJsonSpan error, CxsigResult *result)
{
	CxsigJsonSpan correlation = cxsig_json_member(error.start, "correlationId");
	char id[80] = "";

	result->detail[0] = '\0';
	cxsig_crm_append_words(result->detail, sizeof(result->detail),
						   cxsig_json_member(error.start, "category"));
	/* room for the id is kept: the message is what is cut */
	if (!cxsig_json_is_empty(correlation))
		cxsig_crm_copy_value(id, sizeof(id), correlation);
	cxsig_crm_append_words(result->detail, sizeof(result->detail) - sizeof(id) - 20,
						   cxsig_json_member(error.start, "message"));
	if (id[0] != '\0')
		snprintf(result->detail + strlen(result->detail),
				 sizeof(result->detail) - strlen(result->detail), " (correlationId %s)", id);
}

void
cxsig_hubspot_read_refused(const CxsigHubspot *hubspot, const CxsigAttempt *attempts, int n,
						   const CxsigResponse *response, CxsigResult *result)
{
	CxsigJsonSpan error = {NULL, 0};

	cxsig_outcome_read(response, result);
	result->remote_id[0] = '\0';
	if (cxsig_crm_is_object(response))
	{
		error.start = response->body + strspn(response->body, " \t\r\n");
		error.len = response->body_len - (error.start - response->body);
		cxsig_hubspot_copy_words(error, result);
		if (result->detail[0] == '\0')
			snprintf(result->detail, sizeof(result->detail), "HTTP status %d without a word",
					 response->status);
	}
	if (response->status == 401 || response->status == 410)
		return;
	result->retry_after_ms = -1;
	switch (classify_answer(response, error))
	{
		case CXSIG_HUBSPOT_AGAIN:
			result->outcome = CXSIG_RETRY;
			result->retry_after_ms = wait_ms(hubspot, response, error);
			break;
		case CXSIG_HUBSPOT_ONCE:
			result->outcome = cxsig_crm_was_tried(attempts, n) ? CXSIG_POISON : CXSIG_RETRY;
			break;
		case CXSIG_HUBSPOT_BAD:
			result->outcome = CXSIG_POISON;
			break;
		case CXSIG_HUBSPOT_SETUP:
			result->outcome = CXSIG_UNAUTHORISED;
			result->final = true;
			break;
	}
}

/* A wrong path, type or host is wrong for all there will be: none is poison for it. */
static CxsigHubspotError
classify_answer(const CxsigResponse *response, CxsigJsonSpan error)
{
	int status = response->status;

	if (status == 403 || status == 404 || status == 405 || (status >= 300 && status < 400))
		return CXSIG_HUBSPOT_SETUP;
	if (status == 400 && error.start != NULL)
		return cxsig_hubspot_classify(error);
	if (status == 409)
		return CXSIG_HUBSPOT_ONCE;
	if (status == 477)
		return CXSIG_HUBSPOT_AGAIN;
	return cxsig_outcome_of_status(status) == CXSIG_RETRY ? CXSIG_HUBSPOT_AGAIN : CXSIG_HUBSPOT_BAD;
}

static int64
wait_ms(const CxsigHubspot *hubspot, const CxsigResponse *response, CxsigJsonSpan error)
{
	CxsigJsonSpan policy = {NULL, 0};

	switch (response->status)
	{
		case 429:
			if (error.start != NULL)
				policy = cxsig_json_member(error.start, "policyName");
			return cxsig_hubspot_limited_ms(hubspot, response, policy);
		case 423:
			return Max(response->retry_after_ms, LOCKED_MS);
		case 477:
			/* an account that is being moved: hours, if nobody says how long */
			return response->retry_after_ms >= 0 ? response->retry_after_ms
												 : hubspot->daily_backoff_ms;
		default:
			return response->retry_after_ms;
	}
}
