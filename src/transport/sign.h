/*
 * sign.h
 *	  Signatures of Standard Webhooks, scheme v1: HMAC-SHA256 with a key both sides know.
 *
 * Keys are made ready once; a signature is then a pass over the bytes. Pure functions over memory:
 * no table, no lock.
 */
#ifndef CXSIG_SIGN_H
#define CXSIG_SIGN_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

/* Keys shorter than this are guessable, longer ones are folded by HMAC: the standard's limits. */
#define CXSIG_SIGN_MIN_KEY 24
#define CXSIG_SIGN_MAX_KEY 64

typedef struct CxsigSigner CxsigSigner;

/* A signer without keys, in the current context, which owns it: it goes when the context goes. */
extern CxsigSigner *cxsig_sign_create(void);

/*
 * Add a key that counts until expires_at (DT_NOEND: for ever). secret is "whsec_" and base64, or
 * base64 alone. ERROR (invalid_parameter_value) that does not show the secret where it is not a
 * key of 24 to 64 bytes; owner is the destination's name, or NULL.
 */
extern void cxsig_sign_add_key(CxsigSigner *signer, const char *secret, TimestampTz expires_at,
							   const char *owner);

/*
 * Append the value of webhook-signature: one signature per key that has not expired at `at`, in
 * the order they were added. False, and nothing appended, where there is no such key.
 */
extern bool cxsig_sign_append(CxsigSigner *signer, TimestampTz at, const char *id,
							  const char *timestamp, const char *body, size_t body_len,
							  StringInfo out);

#endif
