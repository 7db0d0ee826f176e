/*
 * alert_config.h
 *	  The config of a destination that alerts people - slack, teams, pagerduty - checked and taken apart.
 *
 *	  condition			jsonpath predicate on the canonical event: what there is to alert about; default
 *						$.churn_risk == "high" || $.sentiment == "very_negative"
 *	  condition_name	a word for it, shown and part of the key; default "signal"
 *	  noise				{"per": "ticket" or "account", "window": "1 hour"}: at most one message in a
 *						window about a ticket, or an account, while its alert is open; the others fold
 *						into it and are counted. per is the destination's order scope, which follows it
 *	  severity			critical, error, warning or info; or one for each level of churn risk, as
 *						{"high": "critical", "else": "warning"}; default critical where that is high,
 *						error where it is medium or the sentiment very negative, else warning
 *	  flag_url			https link by which a person says that the signal is wrong: {event_id} and
 *						{ticket_id} in it are filled in, percent-encoded
 *	  resolve			whether a message says that an alert is over; default true
 *	  url, source		pagerduty only: where to (default PagerDuty's Events API v2), and what is said
 *						to be the source (default "cxsig")
 *
 * To slack and teams the URL is what gives access: it is the secret "url", and stands in no table that
 * a reader sees. To pagerduty it is the secret "routing_key".
 */
#ifndef CXSIG_ALERT_CONFIG_H
#define CXSIG_ALERT_CONFIG_H

#include "transport/config_read.h"
#include "transport/transport.h"

/* What there is to alert about where the config does not say. */
#define CXSIG_ALERT_CONDITION "$.churn_risk == \"high\" || $.sentiment == \"very_negative\""

typedef enum CxsigSeverity
{
	CXSIG_CRITICAL,
	CXSIG_ERROR,
	CXSIG_WARNING,
	CXSIG_INFO
} CxsigSeverity;

/* Levels of churn risk, and one more for what has none of them. */
#define CXSIG_CHURN_LEVELS 6

typedef struct CxsigAlertConfig
{
	const char *destination;
	CxsigView condition; /* its filter is the condition */
	char *condition_name;
	bool per_account;
	int64 window_ms;
	bool severity_given;
	CxsigSeverity severity[CXSIG_CHURN_LEVELS];
	char *flag_url; /* or NULL */
	bool resolve;
	char *url;		   /* NULL until the secrets are known */
	char *routing_key; /* pagerduty */
	char *source;	   /* pagerduty */
} CxsigAlertConfig;

/* What the transports that alert are made of. */
typedef struct CxsigAlerter
{
	CxsigTransport base;
	CxsigAlertConfig config;
} CxsigAlerter;

/* The ops have alerts set: its config. */
static inline const CxsigAlertConfig *
cxsig_alert_config(const CxsigTransport *transport)
{
	return &((const CxsigAlerter *) transport)->config;
}

/*
 * Take a source apart, in the current context; url: by config (a default), or NULL by secret. ERROR
 * (invalid_parameter_value) names the key or the secret.
 */
extern CxsigAlerter *cxsig_alerter_create(const CxsigTransportSource *source,
										  const CxsigTransportOps *ops, const char *url);

/* The words of the config, NULL-terminated: severities by CxsigSeverity, and levels of churn risk. */
extern const char *const cxsig_severities[];
extern const char *const cxsig_alert_levels[];

extern CxsigSeverity cxsig_alert_severity(const CxsigAlertConfig *config, const CxsigEvent *event);
extern const char *cxsig_severity_name(CxsigSeverity severity);

#endif
