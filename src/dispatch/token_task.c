/*
 * token_task.c
 *	  What the token of a credential needs of the database. Runs in dispatchers, in guarded tasks.
 *
 * Locks: AccessShareLock on cxsig.token to read, RowExclusiveLock to write; a session-level advisory
 * lock (TOKEN_LOCK_CLASS, the first bytes of the credential's key) from before a token is asked for until
 * it is committed. It is tried, never waited for; no transaction ends it, and a dead process cannot keep
 * it. Two credentials that begin alike ask one after the other.
 *
 * A new refresh token is committed before the access token that came with it is used: the old one is
 * void. The commit is synchronous here (the session's synchronous_commit is local, whatever the server's
 * says), so a crash of the server loses nothing. It does not wait for a standby: a dispatcher that did
 * would stand still for all its destinations while the standby is away. What is lost with a failover in
 * that moment, as with a crash between the remote's answer and the commit, nobody can get back: the
 * destination stops with the remote's words, until set_secret('refresh_token').
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "dispatch/token_task.h"
#include "executor/spi.h"
#include "transport/token_store.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define TOKEN_LOCK_CLASS 1668838260 /* "cxst" */

#define SQL_LOCK "select pg_catalog.pg_try_advisory_lock($1, $2)"
#define SQL_UNLOCK "select pg_catalog.pg_advisory_unlock($1, $2)"

static bool lock_call(const char *sql, const CxsigKeeper *keeper);

bool
cxsig_keeper_likes(const CxsigKeeper *keeper, const CxsigToken *token)
{
	return token->serial > keeper->refused && cxsig_token_renew_at(token) > GetCurrentTimestamp();
}

/* At four fifths of its life. */
TimestampTz
cxsig_token_renew_at(const CxsigToken *token)
{
	if (token->expires_at == DT_NOEND)
		return DT_NOEND;
	return token->obtained_at + (token->expires_at - token->obtained_at) / 5 * 4;
}

void
cxsig_keeper_drop(CxsigToken *token)
{
	char *parts[] = {token->access, token->previous, token->refresh, token->instance_url};
	size_t i;

	for (i = 0; i < lengthof(parts); i++)
		if (parts[i] != NULL)
			pfree(parts[i]);
	memset(token, 0, sizeof(*token));
}

void
cxsig_token_task_look(void *arg)
{
	CxsigTokenLook *look = arg;
	CxsigKeeper *keeper = look->keeper;
	const unsigned char *key = cxsig_credential_key(keeper->credential);

	if (cxsig_token_store_read(key, keeper->context, &look->found) &&
		cxsig_keeper_likes(keeper, &look->found))
		return;
	if (!keeper->locked)
		keeper->locked = lock_call(SQL_LOCK, keeper);
	if (!keeper->locked)
		return;
	/* The task's snapshot is older than the lock: it may lack what its last holder wrote. */
	cxsig_keeper_drop(&look->found);
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) cxsig_token_store_read(key, keeper->context, &look->found);
	PopActiveSnapshot();
}

void
cxsig_token_task_write(void *arg)
{
	CxsigTokenWrite *write = arg;
	CxsigKeeper *keeper = write->keeper;

	write->serial =
		cxsig_token_store_write(cxsig_credential_key(keeper->credential), &keeper->next);
}

void
cxsig_token_task_release(void *arg)
{
	CxsigKeeper *keeper = arg;

	if (keeper->locked)
		(void) lock_call(SQL_UNLOCK, keeper);
}

static bool
lock_call(const char *sql, const CxsigKeeper *keeper)
{
	Oid types[] = {INT4OID, INT4OID};
	Datum values[2];
	int32 name;
	bool isnull;

	memcpy(&name, cxsig_credential_key(keeper->credential), sizeof(name));
	values[0] = Int32GetDatum(TOKEN_LOCK_CLASS);
	values[1] = Int32GetDatum(name);
	if (SPI_execute_with_args(sql, lengthof(types), types, values, NULL, true, 0) !=
			SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not lock a credential");
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}
