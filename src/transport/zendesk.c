/*
 * zendesk.c
 *	  The `zendesk` transport, and what its parts have in common; zendesk.h is what a config says.
 *	  Runs in the dispatcher for every request, and in a backend that tests or verifies a
 *	  destination. No table, no lock.
 */
#include "postgres.h"

#include "transport/outcome.h"
#include "transport/zendesk.h"

/* Digits of a ticket's id: as many as fit into 64 bits whatever they are. */
#define MAX_TICKET_DIGITS 18

static bool zendesk_refuses(CxsigTransport *transport, const CxsigAttempt *attempt,
							CxsigResult *result);
static void zendesk_build_ping(CxsigTransport *transport, CxsigRequest *request);

const CxsigTransportOps cxsig_zendesk_ops = {
	.name = "zendesk",
	.defaults = "{\"history\": \"latest\", \"batch_size\": 100, \"concurrency\": 4}",
	.prepare = cxsig_zendesk_prepare,
	.refuses = zendesk_refuses,
	.build = cxsig_zendesk_build,
	.build_ping = zendesk_build_ping,
	.read = cxsig_zendesk_read,
	.follow = cxsig_zendesk_follow,
	.build_fetch = cxsig_zendesk_build_fetch,
	.read_fetch = cxsig_zendesk_read_fetch,
};

static bool
zendesk_refuses(CxsigTransport *transport, const CxsigAttempt *attempt, CxsigResult *result)
{
	const char *why;

	if (cxsig_zendesk_id((CxsigZendesk *) transport, attempt->event, &why) != NULL)
		return false;
	result->outcome = CXSIG_POISON;
	cxsig_outcome_copy_line(result->detail, sizeof(result->detail), why, strlen(why));
	return true;
}

/* Who is the token's user? */
static void
zendesk_build_ping(CxsigTransport *transport, CxsigRequest *request)
{
	CxsigZendesk *zendesk = (CxsigZendesk *) transport;

	cxsig_crm_start(transport, "GET", psprintf("%s/api/v2/users/me.json", zendesk->url), request);
}

bool
cxsig_zendesk_has_job(const CxsigZendesk *zendesk)
{
	return zendesk->way == CXSIG_ZENDESK_TICKETS || zendesk->way == CXSIG_ZENDESK_ALIKE ||
		   zendesk->way == CXSIG_ZENDESK_USERS;
}

bool
cxsig_zendesk_is_ticket(const CxsigZendesk *zendesk)
{
	return zendesk->way != CXSIG_ZENDESK_USERS && zendesk->way != CXSIG_ZENDESK_ORGANIZATION;
}

const char *
cxsig_zendesk_list_name(const CxsigZendesk *zendesk)
{
	if (cxsig_zendesk_is_ticket(zendesk))
		return "tickets";
	return zendesk->way == CXSIG_ZENDESK_USERS ? "users" : "organizations";
}

const char *
cxsig_zendesk_record_name(const CxsigZendesk *zendesk)
{
	if (cxsig_zendesk_is_ticket(zendesk))
		return "ticket";
	return zendesk->way == CXSIG_ZENDESK_USERS ? "user" : "organization";
}

char *
cxsig_zendesk_id(const CxsigZendesk *zendesk, const CxsigEvent *event, const char **why)
{
	char *id = cxsig_record_id(&zendesk->id, event);

	if (id == NULL || id[0] == '\0')
	{
		*why = "external_id finds nothing in the event";
		return NULL;
	}
	if (!cxsig_zendesk_is_ticket(zendesk))
		return id;
	if (strspn(id, "0123456789") != strlen(id) || id[0] == '0' || strlen(id) > MAX_TICKET_DIGITS)
	{
		*why = psprintf("external_id is \"%.64s\", which is no id of a ticket in Zendesk: a number",
						id);
		return NULL;
	}
	return id;
}
