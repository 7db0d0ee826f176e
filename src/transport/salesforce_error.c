/*
 * salesforce_error.c
 *	  What Salesforce's error codes mean. Runs in any process; pure functions.
 *
 * The same code may mean less of a row, whose neighbours were looked at as well, than of a request that
 * was refused before anybody looked at its rows.
 */
#include "postgres.h"

#include "transport/salesforce.h"

#define AGAIN CXSIG_SALESFORCE_AGAIN
#define ONCE CXSIG_SALESFORCE_ONCE
#define LATER CXSIG_SALESFORCE_LATER
#define BAD CXSIG_SALESFORCE_BAD
#define ACCESS CXSIG_SALESFORCE_ACCESS
#define SETUP CXSIG_SALESFORCE_SETUP

typedef struct Code
{
	const char *code;
	CxsigSalesforceError of_row;
	CxsigSalesforceError of_request;
} Code;

/* What is not here is the record's own fault. */
static const Code codes[] = {
	{"UNABLE_TO_LOCK_ROW", AGAIN, AGAIN},
	{"QUERY_TIMEOUT", AGAIN, AGAIN},
	{"SERVER_UNAVAILABLE", AGAIN, AGAIN},
	{"UNKNOWN_EXCEPTION", AGAIN, AGAIN},
	{"ALL_OR_NONE_OPERATION_ROLLED_BACK", AGAIN, AGAIN},
	{"PROCESSING_HALTED", AGAIN, AGAIN},
	{"REQUEST_LIMIT_EXCEEDED", LATER, LATER},
	{"DUPLICATE_VALUE", ONCE, ONCE},
	{"DUPLICATES_DETECTED", BAD, BAD},
	{"DUPLICATE_EXTERNAL_ID", BAD, BAD},
	{"REQUIRED_FIELD_MISSING", BAD, BAD},
	{"FIELD_CUSTOM_VALIDATION_EXCEPTION", BAD, BAD},
	{"STRING_TOO_LONG", BAD, BAD},
	{"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", BAD, BAD},
	{"MALFORMED_ID", BAD, BAD},
	{"JSON_PARSER_ERROR", BAD, BAD},
	{"ENTITY_IS_DELETED", BAD, BAD},
	{"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", BAD, BAD},
	{"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", BAD, BAD},
	{"NOT_FOUND", BAD, SETUP},
	{"INVALID_TYPE", SETUP, SETUP},
	{"INVALID_FIELD_FOR_INSERT_UPDATE", SETUP, SETUP},
	{"API_DISABLED_FOR_ORG", SETUP, SETUP},
	{"API_CURRENTLY_DISABLED", SETUP, SETUP},
	{"UNSUPPORTED_API_VERSION", SETUP, SETUP},
};

static CxsigSalesforceError classify(CxsigJsonSpan code, CxsigJsonSpan message, bool row);
static bool says(CxsigJsonSpan value, const char *words);

CxsigSalesforceError
cxsig_salesforce_row_error(CxsigJsonSpan code, CxsigJsonSpan message)
{
	return classify(code, message, true);
}

CxsigSalesforceError
cxsig_salesforce_request_error(CxsigJsonSpan code, CxsigJsonSpan message)
{
	return classify(code, message, false);
}

static CxsigSalesforceError
classify(CxsigJsonSpan code, CxsigJsonSpan message, bool row)
{
	/* a trigger that ran into a lock tells of it in its own error */
	if (says(message, "UNABLE_TO_LOCK_ROW"))
		return AGAIN;
	/* the mapping names the columns, the same for each event; a reference that leads nowhere has this code too */
	if (cxsig_crm_is_text(code, "INVALID_FIELD"))
		return says(message, "No such column") ? SETUP : BAD;
	for (int i = 0; i < (int) lengthof(codes); i++)
	{
		if (cxsig_crm_is_text(code, codes[i].code))
			return row ? codes[i].of_row : codes[i].of_request;
	}
	if (says(code, "INSUFFICIENT_ACCESS"))
		return row ? ACCESS : SETUP;
	return BAD;
}

static bool
says(CxsigJsonSpan value, const char *words)
{
	size_t len = strlen(words);

	for (size_t i = 0; value.start != NULL && i + len <= value.len; i++)
	{
		if (memcmp(value.start + i, words, len) == 0)
			return true;
	}
	return false;
}
