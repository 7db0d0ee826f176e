/*
 * hubspot.h
 *	  The `hubspot` transport: CRM objects, upserted in batches by a unique property.
 *
 *	  url				default https://api.hubapi.com
 *	  path				default "/crm/v3/objects/{type}"; "/crm/objects/2026-03/{type}" is the dated form, which
 *						HubSpot wants to be used from 2027 on
 *	  object_type		as in "tickets", or "2-1234567" for one of the account's own; required
 *	  auth				required, see credential.h: flow "bearer" (default), with a service key or a private app's token as the
 *						secret "token"; or "refresh_token", with token_url {url}/oauth/v1/token unless it says
 *						otherwise
 *	  external_id		"field": a property that was made with hasUniqueValue; required. "value": a path to its
 *						value (default $.ticket_id)
 *	  rate_backoff_ms	to wait at a limit where HubSpot does not say how long; default 10000, its window
 *	  daily_backoff_ms	the same for the limit of a day, which ends at midnight wherever the account is;
 *						default 900000
 *
 * The mapping is the object's properties; every value is sent as a string, and "" clears. The property of
 * external_id is not in it.
 *
 * Each input has the event's id as objectWriteTraceId: with it HubSpot takes the good ones and names the
 * others. Where it refuses a batch as a whole, the batch is halved. A property or a type that there is not
 * stops the destination: it is wrong for each event, and no event is dead for it.
 */
#ifndef CXSIG_HUBSPOT_H
#define CXSIG_HUBSPOT_H

#include "transport/crm_request.h"
#include "transport/record.h"

#define CXSIG_HUBSPOT_MAX_BATCH 100

/* A HubSpot destination made ready. */
typedef struct CxsigHubspot
{
	CxsigTransport base; /* must be first */
	const CxsigView *view;
	char *api; /* url and path */
	CxsigExternalId id;
	int rate_backoff_ms;
	int daily_backoff_ms;
	char **properties; /* those of the mapping */
	int n_properties;
} CxsigHubspot;

/* What an error means. */
typedef enum CxsigHubspotError
{
	CXSIG_HUBSPOT_AGAIN, /* passes by itself */
	CXSIG_HUBSPOT_ONCE,	 /* a race that was lost: not twice */
	CXSIG_HUBSPOT_BAD,	 /* the record's own fault */
	CXSIG_HUBSPOT_SETUP	 /* not the record's fault, and not passing by itself */
} CxsigHubspotError;

extern const CxsigTransportOps cxsig_hubspot_ops;

/* The event's external id; NULL where there is none, and *why is the reason. */
extern char *cxsig_hubspot_id(const CxsigHubspot *hubspot, const CxsigEvent *event,
							  const char **why);

/* hubspot_config.c: as a transport's prepare. */
extern CxsigTransport *cxsig_hubspot_prepare(const CxsigTransportSource *source);

/* hubspot_build.c: as a transport's build. */
extern int cxsig_hubspot_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
							   int max_bytes, CxsigRequest *request);

/* hubspot_read.c: as a transport's read; a ping has no attempts. */
extern void cxsig_hubspot_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
							   const CxsigResponse *response, CxsigResult *results);

/* hubspot_error.c: what an error (an object with category and the like) means, and its words. */
extern CxsigHubspotError cxsig_hubspot_classify(CxsigJsonSpan error);
extern void cxsig_hubspot_copy_words(CxsigJsonSpan error, CxsigResult *result);

/* Outcome and words of a request that was refused as a whole, or not answered. */
extern void cxsig_hubspot_read_refused(const CxsigHubspot *hubspot, const CxsigAttempt *attempts,
									   int n, const CxsigResponse *response, CxsigResult *result);

/* hubspot_limit.c: note what the answer tells of limits; how long to wait before the next request (-1: not). */
extern void cxsig_hubspot_read_quota(CxsigTransport *transport, const CxsigResponse *response);
extern int64 cxsig_hubspot_hold_ms(const CxsigHubspot *hubspot, const CxsigResponse *response);

/* The same for an answer that says that a limit was reached. */
extern int64 cxsig_hubspot_limited_ms(const CxsigHubspot *hubspot, const CxsigResponse *response,
									  CxsigJsonSpan policy);

/* hubspot_fetch.c: as a transport's build_fetch and read_fetch. */
extern int cxsig_hubspot_build_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
									 CxsigRequest *request);
extern void cxsig_hubspot_read_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
									 const CxsigResponse *response, CxsigRecord *records);

#endif
