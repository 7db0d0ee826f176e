/*
 * dynamics.c
 *	  The `dynamics` transport, and what its parts have in common; dynamics.h is what a config says.
 *	  Runs in the dispatcher for every request, and in a backend that tests or verifies a
 *	  destination. No table, no lock.
 */
#include "postgres.h"

#include "transport/dynamics.h"
#include "transport/outcome.h"

/* A key's value is no longer than a column of an alternate key is. */
#define MAX_KEY 450

static bool dynamics_refuses(CxsigTransport *transport, const CxsigAttempt *attempt,
							 CxsigResult *result);
static void dynamics_build_ping(CxsigTransport *transport, CxsigRequest *request);

const CxsigTransportOps cxsig_dynamics_ops = {
	.name = "dynamics",
	.defaults = "{\"history\": \"latest\", \"batch_size\": 100, \"concurrency\": 10}",
	.prepare = cxsig_dynamics_prepare,
	.refuses = dynamics_refuses,
	.build = cxsig_dynamics_build,
	.build_ping = dynamics_build_ping,
	.read = cxsig_dynamics_read,
	.build_fetch = cxsig_dynamics_build_fetch,
	.read_fetch = cxsig_dynamics_read_fetch,
};

static bool
dynamics_refuses(CxsigTransport *transport, const CxsigAttempt *attempt, CxsigResult *result)
{
	const char *why;

	if (cxsig_dynamics_id((CxsigDynamics *) transport, attempt->event, &why) != NULL)
		return false;
	result->outcome = CXSIG_POISON;
	cxsig_outcome_copy_line(result->detail, sizeof(result->detail), why, strlen(why));
	return true;
}

static void
dynamics_build_ping(CxsigTransport *transport, CxsigRequest *request)
{
	CxsigDynamics *dynamics = (CxsigDynamics *) transport;

	cxsig_dynamics_start(dynamics, "GET", psprintf("%s/WhoAmI", dynamics->api), request);
}

char *
cxsig_dynamics_id(const CxsigDynamics *dynamics, const CxsigEvent *event, const char **why)
{
	char *id = cxsig_record_id(&dynamics->id, event);

	if (id == NULL || id[0] == '\0')
	{
		*why = "external_id finds nothing in the event";
		return NULL;
	}
	*why = cxsig_dynamics_check_key(id);
	if (*why != NULL)
	{
		*why = psprintf("external_id is \"%.128s\": %s", id, *why);
		return NULL;
	}
	return id;
}

const char *
cxsig_dynamics_check_key(const char *text)
{
	if (strlen(text) > MAX_KEY)
		return "the value of a key has at most 450 bytes";
	for (; *text != '\0'; text++)
	{
		if ((unsigned char) *text < 0x20 || *text == 0x7f || strchr("/<>*%&:\\?+", *text) != NULL)
			return "the value of a key cannot have / < > * % & : \\ ? + or control characters";
	}
	return NULL;
}

/* Quotes inside are doubled, which holds for the text, and then encoded, which holds for the URL. */
void
cxsig_dynamics_append_string(StringInfo out, const char *text)
{
	StringInfoData doubled;

	initStringInfo(&doubled);
	for (; *text != '\0'; text++)
	{
		if (*text == '\'')
			appendStringInfoChar(&doubled, '\'');
		appendStringInfoChar(&doubled, *text);
	}
	appendStringInfoChar(out, '\'');
	cxsig_crm_append_encoded(out, doubled.data);
	appendStringInfoChar(out, '\'');
	pfree(doubled.data);
}
