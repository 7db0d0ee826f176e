/*
 * salesforce.h
 *	  The `salesforce` transport: records of an object, upserted by an external id, or Platform Events.
 *
 *	  url				https://acme.my.salesforce.com, the org's My Domain; required. Where the token's answer
 *						has an instance_url, requests go there
 *	  api_version		default "v60.0"
 *	  auth				required, see credential.h: "client_credentials" (default), "jwt_bearer" or "bearer"; token_url is
 *						{url}/services/oauth2/token unless it says otherwise
 *	  object			its API name, as in "CX_Signal__c"; required
 *	  external_id		"field": an external id field that is unique; required but for events. "value": a path to
 *						its value (default $.ticket_id)
 *	  mode				"collections" (default): up to 200 records a request, each with a result of its own;
 *						"single": one record a request; "event": object is a Platform Event (..__e), which is
 *						published and not kept: there is no external id
 *	  event_id_field	mode "event": the field that has the event's id, for Salesforce knows no repeats; required
 *	  limit_backoff_ms	to wait where the org's request limit is reached, which Salesforce does not say the end
 *						of; default 60000
 *
 * The mapping is the record. Id, attributes and the external id field are not in it. An object in it
 * ({"Account": {"Key__c": "$.account_id"}}) relates the record to another by that one's external id, and
 * is not read back. An external id has at most 255 characters, and differs from others in more than case.
 *
 * A destination in mode "event" wants the option "history": "all", unless only the newest is to be told.
 *
 * What is wrong with the object, a field's name or the user's rights is wrong for each event: it stops
 * the destination, and no event is dead for it.
 */
#ifndef CXSIG_SALESFORCE_H
#define CXSIG_SALESFORCE_H

#include "transport/crm_request.h"
#include "transport/record.h"

#define CXSIG_SALESFORCE_MAX_BATCH 200

typedef enum CxsigSalesforceMode
{
	CXSIG_SALESFORCE_COLLECTIONS,
	CXSIG_SALESFORCE_SINGLE,
	CXSIG_SALESFORCE_EVENT
} CxsigSalesforceMode;

/* A Salesforce destination made ready. */
typedef struct CxsigSalesforce
{
	CxsigTransport base; /* must be first */
	const CxsigView *view;
	char *url;
	char *api_version;
	char *object;
	CxsigSalesforceMode mode;
	CxsigExternalId id;	  /* not in mode "event" */
	char *event_id_field; /* only there */
	int limit_backoff_ms;
	char **fields; /* those of the mapping that can be read back */
	int n_fields;
} CxsigSalesforce;

/* What an error means. */
typedef enum CxsigSalesforceError
{
	CXSIG_SALESFORCE_AGAIN,	 /* passes by itself */
	CXSIG_SALESFORCE_ONCE,	 /* a race that was lost: not twice */
	CXSIG_SALESFORCE_LATER,	 /* a limit: the whole destination waits */
	CXSIG_SALESFORCE_BAD,	 /* the record's own fault */
	CXSIG_SALESFORCE_ACCESS, /* the user's rights: to one record, or to all */
	CXSIG_SALESFORCE_SETUP	 /* not the record's fault, and not passing by itself */
} CxsigSalesforceError;

extern const CxsigTransportOps cxsig_salesforce_ops;

/* The event's external id; NULL where there is none that Salesforce takes, and *why is the reason. */
extern char *cxsig_salesforce_id(const CxsigSalesforce *salesforce, const CxsigEvent *event,
								 const char **why);

/* salesforce_config.c: as a transport's prepare. */
extern CxsigTransport *cxsig_salesforce_prepare(const CxsigTransportSource *source);

/* salesforce_build.c: as a transport's build, and where its API is. */
extern int cxsig_salesforce_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
								  int max_bytes, CxsigRequest *request);
extern char *cxsig_salesforce_base(const CxsigSalesforce *salesforce);

/* salesforce_error.c: what a code and its message (either may be none) mean of a row, or of a request. */
extern CxsigSalesforceError cxsig_salesforce_row_error(CxsigJsonSpan code, CxsigJsonSpan message);
extern CxsigSalesforceError cxsig_salesforce_request_error(CxsigJsonSpan code,
														   CxsigJsonSpan message);

/* salesforce_read.c: as a transport's read; a ping has no attempts. */
extern void cxsig_salesforce_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
								  const CxsigResponse *response, CxsigResult *results);

/* salesforce_refused.c: outcome and words of a request that was refused as a whole. */
extern void cxsig_salesforce_read_refused(const CxsigSalesforce *salesforce,
										  const CxsigAttempt *attempts, int n,
										  const CxsigResponse *response, CxsigResult *result);

/* salesforce_fetch.c: as a transport's build_fetch and read_fetch. */
extern int cxsig_salesforce_build_fetch(CxsigTransport *transport, const CxsigAttempt *attempts,
										int n, CxsigRequest *request);
extern void cxsig_salesforce_read_fetch(CxsigTransport *transport, const CxsigAttempt *attempts,
										int n, const CxsigResponse *response, CxsigRecord *records);

#endif
