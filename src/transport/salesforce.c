/*
 * salesforce.c
 *	  The `salesforce` transport, and what its parts have in common; salesforce.h is what a config says.
 *	  Runs in the dispatcher for every request, and in a backend that tests or verifies a
 *	  destination. No table, no lock.
 */
#include "postgres.h"

#include "transport/outcome.h"
#include "transport/salesforce.h"

#define MAX_ID_CHARS 255

static bool salesforce_refuses(CxsigTransport *transport, const CxsigAttempt *attempt,
							   CxsigResult *result);
static void salesforce_build_ping(CxsigTransport *transport, CxsigRequest *request);
static int count_chars(const char *text);

const CxsigTransportOps cxsig_salesforce_ops = {
	.name = "salesforce",
	.defaults = "{\"history\": \"latest\", \"batch_size\": 200, \"concurrency\": 10, "
				"\"batch_linger_ms\": 100}",
	.prepare = cxsig_salesforce_prepare,
	.refuses = salesforce_refuses,
	.build = cxsig_salesforce_build,
	.build_ping = salesforce_build_ping,
	.read = cxsig_salesforce_read,
	.build_fetch = cxsig_salesforce_build_fetch,
	.read_fetch = cxsig_salesforce_read_fetch,
};

static bool
salesforce_refuses(CxsigTransport *transport, const CxsigAttempt *attempt, CxsigResult *result)
{
	CxsigSalesforce *salesforce = (CxsigSalesforce *) transport;
	const char *why;

	if (salesforce->mode == CXSIG_SALESFORCE_EVENT ||
		cxsig_salesforce_id(salesforce, attempt->event, &why) != NULL)
		return false;
	result->outcome = CXSIG_POISON;
	cxsig_outcome_copy_line(result->detail, sizeof(result->detail), why, strlen(why));
	return true;
}

/* What is known of the object: shows that the token is good, the version there, the object seen. */
static void
salesforce_build_ping(CxsigTransport *transport, CxsigRequest *request)
{
	CxsigSalesforce *salesforce = (CxsigSalesforce *) transport;

	cxsig_crm_start(
		transport, "GET",
		psprintf("%s/sobjects/%s", cxsig_salesforce_base(salesforce), salesforce->object), request);
}

char *
cxsig_salesforce_id(const CxsigSalesforce *salesforce, const CxsigEvent *event, const char **why)
{
	char *id = cxsig_record_id(&salesforce->id, event);

	if (id == NULL || id[0] == '\0')
		*why = "external_id finds nothing in the event";
	else if (count_chars(id) > MAX_ID_CHARS)
		*why = psprintf("external_id is longer than %d characters: \"%.64s...\"", MAX_ID_CHARS, id);
	else
		return id;
	return NULL;
}

/* Characters of UTF-8: its bytes but for those that go on with one. */
static int
count_chars(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char) *text & 0xc0) != 0x80;
	return n;
}
