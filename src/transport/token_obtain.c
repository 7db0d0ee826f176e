/*
 * token_obtain.c
 *	  A token in an ordinary backend. Takes AccessShareLock on cxsig.token.
 *
 * Nothing is written: the caller's transaction may be rolled back, and until it ends, the row would be
 * locked against dispatchers. So where a token uses up the refresh token that it is got with, none is
 * asked for here: it would be the end of the credential if the answer were lost with the transaction.
 * A dispatcher with an active destination always has a good one.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "transport/exchange.h"
#include "transport/token_obtain.h"
#include "transport/token_request.h"
#include "transport/token_store.h"
#include "utils/timestamp.h"

/* A token has to be good for at least this long to be used. */
#define LEAST_LIFE_MS 2000

/* What the answer is read with, and into. */
typedef struct TokenAnswer
{
	const CxsigCredential *credential;
	CxsigGrant grant;
} TokenAnswer;

static const char *obtain(CxsigCredential *credential, const CxsigHttpLimits *limits,
						  const char *refused);
static bool read_stored(const CxsigCredential *credential, CxsigToken *token);
static void take_answer(const CxsigResponse *response, void *arg);

const char *
cxsig_token_obtain(CxsigCredential *credential, const CxsigHttpLimits *limits)
{
	return obtain(credential, limits, NULL);
}

const char *
cxsig_token_replace(CxsigCredential *credential, const CxsigHttpLimits *limits)
{
	const char *refused = credential != NULL ? cxsig_credential_token(credential) : NULL;

	if (credential != NULL && cxsig_credential_key(credential) == NULL)
		return "the token was refused";
	return obtain(credential, limits, refused);
}

/* A token other than the one that was refused; NULL where none was. */
static const char *
obtain(CxsigCredential *credential, const CxsigHttpLimits *limits, const char *refused)
{
	TokenAnswer answer = {credential};
	CxsigRequest request;
	CxsigToken *token;
	const char *why;

	if (credential == NULL || cxsig_credential_key(credential) == NULL)
		return NULL;
	token = palloc(sizeof(CxsigToken));
	if (read_stored(credential, token) && (refused == NULL || strcmp(token->access, refused) != 0))
	{
		cxsig_credential_use(credential, token);
		return NULL;
	}
	if (cxsig_credential_rotates(credential))
		return refused != NULL
				   ? "the token was refused: the dispatcher gets another as it sends the next event"
				   : "there is no token yet: the dispatcher gets one while a destination that has "
					 "this credential is active";
	why = cxsig_token_build(credential, NULL, &request);
	if (why != NULL)
		return why;
	cxsig_exchange(&request, limits, take_answer, &answer);
	if (answer.grant.outcome != CXSIG_GRANTED)
		return pstrdup(answer.grant.reason);
	memset(token, 0, sizeof(*token));
	token->serial = 1;
	token->access = answer.grant.access;
	token->instance_url = answer.grant.instance_url;
	cxsig_credential_use(credential, token);
	return NULL;
}

static bool
read_stored(const CxsigCredential *credential, CxsigToken *token)
{
	MemoryContext context = CurrentMemoryContext;
	bool found;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	found = cxsig_token_store_read(cxsig_credential_key(credential), context, token);
	SPI_finish();
	return found &&
		   token->expires_at > TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LEAST_LIFE_MS);
}

static void
take_answer(const CxsigResponse *response, void *arg)
{
	TokenAnswer *answer = arg;

	cxsig_token_read(answer->credential, response, &answer->grant);
}
