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
 */
#ifndef CXSIG_CREDENTIAL_H
#define CXSIG_CREDENTIAL_H

#include "transport/transport.h"

typedef struct CxsigCredential CxsigCredential;

/* What a transport allows, and knows of itself. */
typedef struct CxsigCredentialRules
{
	const char *const *flows; /* NULL-terminated, the usual one first */
	const char *token_url;	  /* or NULL: the config has to say */
	const char *scope;		  /* or NULL */
	const char *audience;	  /* of a JWT, or NULL: token_url */
	bool instance_url;		  /* the answer says where to send: https, and then part of the token */
} CxsigCredentialRules;

/*
 * Read "auth" of the source's config, and its secrets where the source has them; in the current
 * context. ERROR (invalid_parameter_value) names the key, or the secret that is not set.
 */
extern CxsigCredential *cxsig_credential_create(const CxsigTransportSource *source,
												const CxsigCredentialRules *rules);

/* The token to send as "Authorization: Bearer ..."; NULL where there is none yet. */
extern const char *cxsig_credential_token(const CxsigCredential *credential);

/* Where the token is good for, without a slash at its end; NULL where the answer did not say. */
extern const char *cxsig_credential_instance_url(const CxsigCredential *credential);

#endif
