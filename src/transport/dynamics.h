/*
 * dynamics.h
 *	  The `dynamics` transport: rows of Dataverse (Dynamics 365), upserted by an alternate key.
 *
 *	  url			https://org.crm.dynamics.com; required
 *	  api_path		default "/api/data/v9.2"
 *	  tenant		the Entra tenant that gives tokens; required unless auth has a token_url or is "bearer"
 *	  auth			see credential.h: "client_credentials" (default) or "bearer"; token_url is
 *					https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token and scope {url}/.default
 *					unless it says otherwise
 *	  entity_set	the table's name in URLs, as in "contacts"; required
 *	  external_id	"field": the column of the alternate key, which has to be active; required. "value":
 *					a path to its value (default $.ticket_id)
 *	  keys			more columns of that key, the same for each row: {"cx_source": "cxsig"}; strings and
 *					whole numbers
 *
 * The mapping is the row; a lookup is set as "column@odata.bind". The key's columns are not in it: the
 * URL has them. A key's value cannot have any of / < > * % & : \ ? + or a control character: Dataverse
 * does not take them in a URL, however they are written there.
 *
 * One row is a PATCH; several are a $batch of as many, each on its own: what is wrong with one is
 * nothing to the others. Dataverse takes up to 1,000 (the option batch_size; its answer is read up to
 * some 600, and what is not read of it is sent again).
 */
#ifndef CXSIG_DYNAMICS_H
#define CXSIG_DYNAMICS_H

#include "transport/crm_request.h"
#include "transport/record.h"

#define CXSIG_DYNAMICS_MAX_BATCH 1000
#define CXSIG_DYNAMICS_MAX_KEYS 8

/* A column of the key besides the external id, and what it is in a URL. */
typedef struct CxsigDynamicsKey
{
	char *column;
	char *literal; /* 'text', with what has to be encoded, or a number */
} CxsigDynamicsKey;

/* A Dynamics destination made ready. */
typedef struct CxsigDynamics
{
	CxsigTransport base; /* must be first */
	const CxsigView *view;
	char *api; /* url and api_path */
	char *entity_set;
	CxsigExternalId id;
	CxsigDynamicsKey keys[CXSIG_DYNAMICS_MAX_KEYS];
	int n_keys;
} CxsigDynamics;

extern const CxsigTransportOps cxsig_dynamics_ops;

/* The event's key; NULL where it cannot be written, and *why is the reason. */
extern char *cxsig_dynamics_id(const CxsigDynamics *dynamics, const CxsigEvent *event,
							   const char **why);

/* NULL, or why text cannot be the value of a key. */
extern const char *cxsig_dynamics_check_key(const char *text);

/* Append text as a string of OData, in a URL. */
extern void cxsig_dynamics_append_string(StringInfo out, const char *text);

/* dynamics_config.c: as a transport's prepare. */
extern CxsigTransport *cxsig_dynamics_prepare(const CxsigTransportSource *source);

/* dynamics_build.c: as a transport's build. */
extern int cxsig_dynamics_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
								int max_bytes, CxsigRequest *request);

/* Begin a request of OData. */
extern void cxsig_dynamics_start(const CxsigDynamics *dynamics, const char *method, const char *url,
								 CxsigRequest *request);

/* dynamics_read.c: as a transport's read; a ping has no attempts. */
extern void cxsig_dynamics_read(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
								const CxsigResponse *response, CxsigResult *results);

/* Outcome and words of an answer that is for one row, or for a request as a whole. */
extern void cxsig_dynamics_read_status(const CxsigResponse *response, int attempt,
									   CxsigResult *result);

/* dynamics_fetch.c: as a transport's build_fetch and read_fetch. */
extern int cxsig_dynamics_build_fetch(CxsigTransport *transport, const CxsigAttempt *attempts,
									  int n, CxsigRequest *request);
extern void cxsig_dynamics_read_fetch(CxsigTransport *transport, const CxsigAttempt *attempts,
									  int n, const CxsigResponse *response, CxsigRecord *records);

#endif
