/*
 * alert_text.h
 *	  What an alert says, whoever carries it: what, who, how bad, since when, the customer's words, a link
 *	  to the evidence and one to flag it wrong.
 *
 * Pure functions over memory; results are in the current context. What comes from customers is on one
 * line, cut short at a character, and not escaped for any carrier yet.
 */
#ifndef CXSIG_ALERT_TEXT_H
#define CXSIG_ALERT_TEXT_H

#include "transport/alert_config.h"

/* Characters of a headline at most; and bytes of a fact's value, and of a quote. */
#define CXSIG_ALERT_HEADLINE 150
#define CXSIG_ALERT_FACT 300
#define CXSIG_ALERT_QUOTE 400

#define CXSIG_ALERT_FACTS 6

typedef struct CxsigAlertFact
{
	const char *label;
	char *value;
} CxsigAlertFact;

typedef struct CxsigAlertText
{
	bool resolved;
	CxsigSeverity severity;
	char *headline;
	CxsigAlertFact facts[CXSIG_ALERT_FACTS];
	int n_facts;
	char *quote;		/* or NULL */
	char *evidence_url; /* safe in any carrier's link */
	char *flag_url;		/* or NULL */
} CxsigAlertText;

extern void cxsig_alert_text(const CxsigAlertConfig *config, const CxsigAttempt *attempt,
							 CxsigAlertText *text);

/* Append text, of it no more than max bytes, cut at a character and ended by an ellipsis. */
extern void cxsig_alert_append_cut(StringInfo out, const char *text, size_t max);

/* Begin a request that posts JSON to the destination's URL; its body is empty. */
extern void cxsig_alert_request(const CxsigAlertConfig *config, CxsigRequest *request);

/*
 * Read an answer's status. That nothing is there, or that it is elsewhere, is a matter of the settings and
 * not of the event: the destination stops. Words that show the secret are left out.
 */
extern void cxsig_alert_read(const CxsigAlertConfig *config, const CxsigResponse *response,
							 CxsigResult *result);

/* Say in the result of a message that was taken what it was; attempts is NULL for a ping. */
extern void cxsig_alert_say(const CxsigAttempt *attempts, CxsigResult *result);

#endif
