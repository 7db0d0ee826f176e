/*
 * zendesk.h
 *	  The `zendesk` transport: fields and tags of tickets that are there, users and organizations.
 *
 *	  url				https://subdomain.zendesk.com; required
 *	  auth				see credential.h: "client_credentials" (default), "refresh_token" (a new one with
 *						each token) or "bearer"; token_url is {url}/oauth/tokens and scope "read write"
 *						unless it says otherwise
 *	  record			"ticket" (default), "user" or "organization"
 *	  external_id		"value" is what names the record: of a ticket the id it has in Zendesk, digits
 *						(default $.ticket_id: Zendesk makes no ticket by an id of somebody else's), of the
 *						others their external_id, and a new record is made where there is none
 *	  mode				tickets only: "many", up to 100 in a request, which Zendesk works on as a job that
 *						is asked after; or "single". Default "many" unless the mapping has tags
 *	  safe_update		tickets one at a time only: read the ticket first, and have Zendesk refuse the
 *						change if somebody else changed it meanwhile (then it is read again). Default true
 *						where the mapping has tags, else false
 *	  rate_limit_header	one more header of the form "total=100; remaining=99; resets=41", beside those
 *						that are known (zendesk_rate.c)
 *
 * The mapping is the record as Zendesk has it, but
 *
 *	  custom_fields		of a ticket, an object from a field's id to its value: {"360001": "$.sentiment"}
 *	  tags				of a ticket, {"add": [...], "remove": [...]}: tags that it has beside these stay.
 *						One in both is added. A blank in a tag becomes "_", and letters are lower-case.
 *						An element may be an array itself, and null or "" is none
 *
 * and a comment is no field: a repeated request would add another. Tags in mode "many", or without
 * safe_update, are sent as additional_tags and remove_tags of one change for several tickets: those
 * of a batch that are changed alike share a request.
 */
#ifndef CXSIG_ZENDESK_H
#define CXSIG_ZENDESK_H

#include "transport/crm_request.h"
#include "transport/record.h"

#define CXSIG_ZENDESK_MAX_BATCH 100

typedef enum CxsigZendeskWay
{
	CXSIG_ZENDESK_TICKETS, /* a list of tickets: a job */
	CXSIG_ZENDESK_ALIKE,   /* one change for the tickets in the URL: a job */
	CXSIG_ZENDESK_ONE,	   /* one ticket, whatever it is now */
	CXSIG_ZENDESK_SAFE,	   /* one ticket, read before it is written */
	CXSIG_ZENDESK_USERS,   /* a list of users: a job */
	CXSIG_ZENDESK_ORGANIZATION
} CxsigZendeskWay;

/* A Zendesk destination made ready. */
typedef struct CxsigZendesk
{
	CxsigTransport base; /* must be first */
	const CxsigView *view;
	char *url;
	CxsigZendeskWay way;
	int most; /* of tickets changed alike, how many share a request at most */
	CxsigExternalId id;
	char *rate_header; /* or NULL */
} CxsigZendesk;

extern const CxsigTransportOps cxsig_zendesk_ops;

/* Is a request of it answered by a job? */
extern bool cxsig_zendesk_has_job(const CxsigZendesk *zendesk);

/* Does it write tickets? */
extern bool cxsig_zendesk_is_ticket(const CxsigZendesk *zendesk);

/* The members of a list of records, or of an answer with one: "tickets" and "ticket", ... */
extern const char *cxsig_zendesk_list_name(const CxsigZendesk *zendesk);
extern const char *cxsig_zendesk_record_name(const CxsigZendesk *zendesk);

/* What names the event's record; NULL where it cannot be written, and *why is the reason. */
extern char *cxsig_zendesk_id(const CxsigZendesk *zendesk, const CxsigEvent *event,
							  const char **why);

/* zendesk_config.c: as a transport's prepare. */
extern CxsigTransport *cxsig_zendesk_prepare(const CxsigTransportSource *source);

/* zendesk_build.c: as a transport's build, and the second request of a safe update. */
extern int cxsig_zendesk_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
							   int max_bytes, CxsigRequest *request);
extern void cxsig_zendesk_build_get(CxsigZendesk *zendesk, const CxsigEvent *event,
									CxsigRequest *request);
extern void cxsig_zendesk_build_put(CxsigZendesk *zendesk, const CxsigEvent *event,
									CxsigJsonSpan ticket, CxsigRequest *request);

/* zendesk_follow.c: as a transport's follow. */
extern bool cxsig_zendesk_follow(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
								 int max_bytes, const CxsigResponse *response, CxsigFollow *follow,
								 CxsigRequest *request);

/* zendesk_read.c: as a transport's read; a ping has no attempts. */
extern void cxsig_zendesk_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
							   const CxsigResponse *response, CxsigResult *results);

/* The record in an answer to a request for one, as it has to be; none where it is not that. */
extern CxsigJsonSpan cxsig_zendesk_read_record(const CxsigZendesk *zendesk, const char *id,
											   const CxsigResponse *response);

/* What the status of an answer says of the request as a whole. */
extern void cxsig_zendesk_read_status(CxsigZendesk *zendesk, const CxsigResponse *response,
									  CxsigResult *result);

/* zendesk_fetch.c: as a transport's build_fetch and read_fetch. */
extern int cxsig_zendesk_build_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
									 CxsigRequest *request);
extern void cxsig_zendesk_read_fetch(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
									 const CxsigResponse *response, CxsigRecord *records);

/*
 * zendesk_rate.c: note how much of the account's limit is used, and say for how many milliseconds
 * nothing more should be sent; -1 where there is no need to wait.
 */
extern int64 cxsig_zendesk_note_rate(CxsigZendesk *zendesk, const CxsigResponse *response);

#endif
