/*
 * jwt.h
 *	  A JSON Web Token signed with RS256, as assertions of RFC 7523 are.
 *
 * Pure functions over memory; nothing here raises but for want of memory.
 */
#ifndef CXSIG_JWT_H
#define CXSIG_JWT_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

/* What it claims. */
typedef struct CxsigJwtClaims
{
	const char *issuer;
	const char *subject;
	const char *audience;
	TimestampTz expires_at;
} CxsigJwtClaims;

/* NULL, or why the PEM text is no key to sign with: the rest of a message that shows nothing of it. */
extern const char *cxsig_jwt_check_key(const char *pem);

/* The signed token, in the current context; NULL where OpenSSL cannot sign with that key. */
extern char *cxsig_jwt_sign(const char *pem, const CxsigJwtClaims *claims);

#endif
