/*
 * alert_severity.c
 *	  How bad what an event says is. Runs in any process; no table, no lock.
 */
#include "postgres.h"

#include "transport/alert_config.h"

const char *const cxsig_severities[] = {"critical", "error", "warning", "info", NULL};
const char *const cxsig_alert_levels[] = {"none", "low", "medium", "high", "unknown", "else", NULL};

const char *
cxsig_severity_name(CxsigSeverity severity)
{
	return cxsig_severities[severity];
}

CxsigSeverity
cxsig_alert_severity(const CxsigAlertConfig *config, const CxsigEvent *event)
{
	const char *risk = event->churn_risk != NULL ? event->churn_risk : "else";

	if (config->severity_given)
	{
		for (int i = 0; i < CXSIG_CHURN_LEVELS; i++)
		{
			if (strcmp(cxsig_alert_levels[i], risk) == 0)
				return config->severity[i];
		}
		return config->severity[CXSIG_CHURN_LEVELS - 1];
	}
	if (strcmp(risk, "high") == 0)
		return CXSIG_CRITICAL;
	if (strcmp(risk, "medium") == 0 ||
		(event->sentiment != NULL && strcmp(event->sentiment, "very_negative") == 0))
		return CXSIG_ERROR;
	return CXSIG_WARNING;
}
