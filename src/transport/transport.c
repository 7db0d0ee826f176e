/*
 * transport.c
 *	  The list of transports, and the names of outcomes. Runs in any process; no locks.
 */
#include "postgres.h"

#include "transport/dynamics.h"
#include "transport/hubspot.h"
#include "transport/pagerduty.h"
#include "transport/salesforce.h"
#include "transport/slack.h"
#include "transport/teams.h"
#include "transport/transport.h"
#include "transport/webhook.h"
#include "transport/zendesk.h"

static const CxsigTransportOps *const transports[] = {
	&cxsig_webhook_ops,	 &cxsig_salesforce_ops, &cxsig_hubspot_ops, &cxsig_zendesk_ops,
	&cxsig_dynamics_ops, &cxsig_slack_ops,		&cxsig_teams_ops,	&cxsig_pagerduty_ops};

const CxsigTransportOps *
cxsig_transport_lookup(const char *name)
{
	for (int i = 0; i < (int) lengthof(transports); i++)
	{
		if (strcmp(transports[i]->name, name) == 0)
			return transports[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown transport \"%s\"", name),
			 errhint("The transports are: %s.", cxsig_transport_names(NULL))));
}

char *
cxsig_transport_names(bool (*holds)(const CxsigTransportOps *ops))
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(transports); i++)
	{
		if (holds == NULL || holds(transports[i]))
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", transports[i]->name);
	}
	return names.data;
}

bool
cxsig_transport_reads_back(const CxsigTransportOps *ops)
{
	return ops->build_fetch != NULL;
}

const char *
cxsig_outcome_name(CxsigOutcome outcome)
{
	switch (outcome)
	{
		case CXSIG_DELIVERED:
			return "delivered";
		case CXSIG_RETRY:
			return "retry";
		case CXSIG_POISON:
			return "poison";
		case CXSIG_UNAUTHORISED:
			return "unauthorised";
		case CXSIG_GONE:
			return "gone";
		case CXSIG_SPLIT:
			return "split";
	}
	return "unknown";
}
