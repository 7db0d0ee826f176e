/*
 * credential.h
 *	  What a destination proves itself with where requests carry a token: how the token is got, and the
 *	  one there is.
 *
 * The key "auth" of a config:
 *
 *	  flow			"client_credentials", "refresh_token", "jwt_bearer" (RFC 7523, RS256), or "bearer": a
 *					token that does not expire by itself and is a secret
 *	  client_id		who asks; not for bearer
 *	  token_url		whom to ask; where the transport knows, it can be left out
 *	  scope, username, audience		where the flow has them
 *
 * with the secrets client_secret, refresh_token, private_key (PEM) and token. A token is shared by all
 * destinations and dispatchers with the same credential: see token_store.h.
 *
 * Pure functions over memory. How a token is asked for stands in token_request.h.
 */
#ifndef CXSIG_CREDENTIAL_H
#define CXSIG_CREDENTIAL_H

#include "transport/transport.h"

typedef struct CxsigCredential CxsigCredential;

/* SHA-256 of everything that makes a credential. */
#define CXSIG_CREDENTIAL_KEY_LEN 32

/* A token that was got, with what came with it. */
typedef struct CxsigToken
{
	int64 serial;			 /* which of the credential's it is, ascending; 0: there is none */
	char *access;			 /* what requests carry */
	char *previous;			 /* what they carried before, and some under way still do; or NULL */
	char *refresh;			 /* the newest, where the remote gives a new one each time; or NULL */
	char *instance_url;		 /* or NULL */
	TimestampTz obtained_at; /* time of day */
	TimestampTz expires_at;	 /* time of day; DT_NOEND where the answer did not say */
} CxsigToken;

/* What a transport allows, and knows of itself. */
typedef struct CxsigCredentialRules
{
	const char *const *flows; /* NULL-terminated, the usual one first */
	const char *token_url;	  /* or NULL: the config has to say */
	const char *scope;		  /* or NULL */
	const char *audience;	  /* of a JWT, or NULL: token_url */
	bool instance_url;		  /* the answer says where to send: https, and then part of the token */
	const struct CxsigTls *tls; /* how to connect to the token_url; or NULL */
} CxsigCredentialRules;

/*
 * Read "auth" of the source's config, and its secrets where the source has them; in the current
 * context. ERROR (invalid_parameter_value) names the key, or the secret that is not set.
 */
extern CxsigCredential *cxsig_credential_create(const CxsigTransportSource *source,
												const CxsigCredentialRules *rules);

/* The token to send as "Authorization: Bearer ..."; NULL where there is none yet. */
extern const char *cxsig_credential_token(const CxsigCredential *credential);

/* The token is that one from now on, whatever it comes to hold; it is not copied. */
extern void cxsig_credential_use(CxsigCredential *credential, const CxsigToken *token);

/* What names the credential, the same wherever it is the same; NULL where no token is asked for. */
extern const unsigned char *cxsig_credential_key(const CxsigCredential *credential);

/* May an answer bring a new refresh token, and with that end the old one? */
extern bool cxsig_credential_rotates(const CxsigCredential *credential);

/* A copy without a token, in the current context. */
extern CxsigCredential *cxsig_credential_copy(const CxsigCredential *credential);

/*
 * Hide what is secret in a text that came from the remote, in place: secrets, tokens, the beginning of
 * one at the end of a text that was cut, and whatever looks like a JWT.
 */
extern void cxsig_credential_redact(const CxsigCredential *credential, char *text);

/* Where the token is good for, without a slash at its end; NULL where the answer did not say. */
extern const char *cxsig_credential_instance_url(const CxsigCredential *credential);

#endif
