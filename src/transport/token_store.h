/*
 * token_store.h
 *	  Tokens in the table cxsig.token: one for each credential, shared by all who have that one.
 *
 * Call these connected to SPI with an active snapshot, with the rights of the worker or of the
 * extension's owner.
 */
#ifndef CXSIG_TOKEN_STORE_H
#define CXSIG_TOKEN_STORE_H

#include "transport/credential.h"

/* The newest token, its strings in the given context; false, and serial 0, where there is none. */
extern bool cxsig_token_store_read(const unsigned char *key, MemoryContext context,
								   CxsigToken *token);

/*
 * Write one, in the place of what was there; returns its serial, the token's own at least. Where it brings no refresh token, that
 * of the one before stays.
 */
extern int64 cxsig_token_store_write(const unsigned char *key, const CxsigToken *token);

#endif
