/*
 * hubspot.c
 *	  The `hubspot` transport, and what its parts have in common; hubspot.h is what a config says. Runs
 *	  in the dispatcher for every request, and in a backend that tests or verifies a destination. No
 *	  table, no lock.
 */
#include "postgres.h"

#include "transport/hubspot.h"
#include "transport/outcome.h"

static bool hubspot_refuses(CxsigTransport *transport, const CxsigAttempt *attempt,
							CxsigResult *result);
static void hubspot_build_ping(CxsigTransport *transport, CxsigRequest *request);

const CxsigTransportOps cxsig_hubspot_ops = {
	.name = "hubspot",
	.defaults = "{\"history\": \"latest\", \"batch_size\": 100, \"concurrency\": 10, "
				"\"batch_linger_ms\": 100}",
	.prepare = cxsig_hubspot_prepare,
	.refuses = hubspot_refuses,
	.build = cxsig_hubspot_build,
	.build_ping = hubspot_build_ping,
	.read = cxsig_hubspot_read,
	.build_fetch = cxsig_hubspot_build_fetch,
	.read_fetch = cxsig_hubspot_read_fetch,
};

static bool
hubspot_refuses(CxsigTransport *transport, const CxsigAttempt *attempt, CxsigResult *result)
{
	const char *why;

	if (cxsig_hubspot_id((CxsigHubspot *) transport, attempt->event, &why) != NULL)
		return false;
	result->outcome = CXSIG_POISON;
	cxsig_outcome_copy_line(result->detail, sizeof(result->detail), why, strlen(why));
	return true;
}

/*
 * Reads an object that there is not: shows that the token is good, the type there, the property unique;
 * and shows nobody's record.
 */
static void
hubspot_build_ping(CxsigTransport *transport, CxsigRequest *request)
{
	CxsigHubspot *hubspot = (CxsigHubspot *) transport;

	cxsig_crm_start(transport, "POST", psprintf("%s/batch/read", hubspot->api), request);
	cxsig_crm_add_header(request, "Content-Type", "application/json");
	appendStringInfoString(&request->body, "{\"idProperty\":");
	cxsig_json_append_string(&request->body, hubspot->id.field);
	appendStringInfoString(&request->body,
						   ",\"properties\":[],\"inputs\":[{\"id\":\"cxsig-ping\"}]}");
}

char *
cxsig_hubspot_id(const CxsigHubspot *hubspot, const CxsigEvent *event, const char **why)
{
	char *id = cxsig_record_id(&hubspot->id, event);

	if (id != NULL && id[0] != '\0')
		return id;
	*why = "external_id finds nothing in the event";
	return NULL;
}
