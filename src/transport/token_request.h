/*
 * token_request.h
 *	  Asking for a token: the request of each flow, and what the answer says.
 *
 * Pure functions over memory; results are in the current context. Nothing here raises on what a remote
 * sends.
 */
#ifndef CXSIG_TOKEN_REQUEST_H
#define CXSIG_TOKEN_REQUEST_H

#include "transport/credential.h"

typedef enum CxsigFlow
{
	CXSIG_FLOW_CLIENT_CREDENTIALS,
	CXSIG_FLOW_REFRESH_TOKEN,
	CXSIG_FLOW_JWT_BEARER,
	CXSIG_FLOW_BEARER
} CxsigFlow;

/* What a credential is made of, for credential.c and token_request.c. Secrets are NULL where unknown. */
struct CxsigCredential
{
	CxsigFlow flow;
	char *token_url;
	char *client_id;
	char *scope;	/* or NULL */
	char *username; /* likewise */
	char *audience;
	char *client_secret;
	char *refresh_token;
	char *private_key;
	struct CxsigTls *tls;
	bool instance_url; /* see CxsigCredentialRules */
	unsigned char key[CXSIG_CREDENTIAL_KEY_LEN];
	const CxsigToken *token;
	CxsigToken bearer; /* of the flow bearer */
};

typedef enum CxsigGrantOutcome
{
	CXSIG_GRANTED,
	CXSIG_GRANT_AGAIN,	/* no answer, or one that says later */
	CXSIG_GRANT_REFUSED /* the settings are wrong: asking again would not help */
} CxsigGrantOutcome;

/* What came of asking. */
typedef struct CxsigGrant
{
	CxsigGrantOutcome outcome;
	char *access;
	char *refresh;		  /* NULL: the old one is good for more */
	char *instance_url;	  /* NULL: none was told */
	int64 expires_in_ms;  /* -1: it was not told */
	int64 retry_after_ms; /* -1: nothing to obey */
	char reason[512];	  /* not granted: why, without secrets */
} CxsigGrant;

/*
 * Build the request for a token, with the newest refresh token where one was given since the secret was
 * set (else NULL). NULL, or why it cannot be built.
 */
extern const char *cxsig_token_build(const CxsigCredential *credential, const char *refresh_token,
									 CxsigRequest *request);

/* Read the answer. */
extern void cxsig_token_read(const CxsigCredential *credential, const CxsigResponse *response,
							 CxsigGrant *grant);

/* Append a field of a form, percent-encoded, with "&" before it unless it is the first. */
extern void cxsig_form_append(StringInfo form, const char *name, const char *value);

#endif
