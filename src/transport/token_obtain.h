/*
 * token_obtain.h
 *	  A token for what an ordinary backend asks of a destination itself. Dispatchers: dispatch/token.h.
 */
#ifndef CXSIG_TOKEN_OBTAIN_H
#define CXSIG_TOKEN_OBTAIN_H

#include "transport/credential.h"
#include "transport/http.h"

/*
 * Give the credential (NULL will do) a token: the one in cxsig.token where it is good, else one of this
 * session's own. NULL, or why there is none, without secrets, in the current context. Connects to SPI;
 * call it in a security definer function.
 */
extern const char *cxsig_token_obtain(CxsigCredential *credential, const CxsigHttpLimits *limits);

/* The same where the one that it has was refused: any but that. */
extern const char *cxsig_token_replace(CxsigCredential *credential, const CxsigHttpLimits *limits);

#endif
