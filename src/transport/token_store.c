/*
 * token_store.c
 *	  Reading and writing cxsig.token. Runs in dispatchers, and in backends that test a destination.
 *	  Takes AccessShareLock on it to read, RowExclusiveLock to write.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "transport/token_store.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define SQL_READ                                                                        \
	"select serial, access_token, refresh_token, instance_url, obtained_at, expires_at" \
	" from cxsig.token where credential operator(pg_catalog.=) $1"

#define SQL_WRITE                                                                    \
	"insert into cxsig.token as t (credential, serial, access_token, refresh_token," \
	" instance_url, obtained_at, expires_at) values ($1, $7, $2, $3, $4, $5, $6)"    \
	" on conflict (credential) do update set"                                        \
	" serial = greatest(t.serial operator(pg_catalog.+) 1, excluded.serial),"        \
	" access_token = excluded.access_token,"                                         \
	" refresh_token = coalesce(excluded.refresh_token, t.refresh_token),"            \
	" instance_url = excluded.instance_url, obtained_at = excluded.obtained_at,"     \
	" expires_at = excluded.expires_at returning t.serial"

static Datum key_datum(const unsigned char *key);
static char *read_text(HeapTuple row, int column, MemoryContext context);
static Datum text_datum(const char *text, char *null);

bool
cxsig_token_store_read(const unsigned char *key, MemoryContext context, CxsigToken *token)
{
	Oid types[] = {BYTEAOID};
	Datum values[] = {key_datum(key)};
	HeapTuple row;
	TupleDesc desc;
	Datum expires_at;
	bool isnull;

	memset(token, 0, sizeof(*token));
	if (SPI_execute_with_args(SQL_READ, lengthof(types), types, values, NULL, true, 1) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read a token");
	if (SPI_processed == 0)
		return false;
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	token->serial = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
	token->access = read_text(row, 2, context);
	token->refresh = read_text(row, 3, context);
	token->instance_url = read_text(row, 4, context);
	token->obtained_at = DatumGetTimestampTz(SPI_getbinval(row, desc, 5, &isnull));
	expires_at = SPI_getbinval(row, desc, 6, &isnull);
	token->expires_at = isnull ? DT_NOEND : DatumGetTimestampTz(expires_at);
	SPI_freetuptable(SPI_tuptable);
	return true;
}

static char *
read_text(HeapTuple row, int column, MemoryContext context)
{
	char *text = SPI_getvalue(row, SPI_tuptable->tupdesc, column);

	return text != NULL ? MemoryContextStrdup(context, text) : NULL;
}

int64
cxsig_token_store_write(const unsigned char *key, const CxsigToken *token)
{
	Oid types[] = {BYTEAOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID};
	char nulls[lengthof(types)];
	Datum values[lengthof(types)];
	bool isnull;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = key_datum(key);
	values[1] = text_datum(token->access, &nulls[1]);
	values[2] = text_datum(token->refresh, &nulls[2]);
	values[3] = text_datum(token->instance_url, &nulls[3]);
	values[4] = TimestampTzGetDatum(token->obtained_at);
	values[5] = TimestampTzGetDatum(token->expires_at);
	if (token->expires_at == DT_NOEND)
		nulls[5] = 'n';
	values[6] = Int64GetDatum(token->serial);
	if (SPI_execute_with_args(SQL_WRITE, lengthof(types), types, values, nulls, false, 0) !=
			SPI_OK_INSERT_RETURNING ||
		SPI_processed != 1)
		elog(ERROR, "could not write a token");
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static Datum
key_datum(const unsigned char *key)
{
	bytea *bytes = palloc(VARHDRSZ + CXSIG_CREDENTIAL_KEY_LEN);

	SET_VARSIZE(bytes, VARHDRSZ + CXSIG_CREDENTIAL_KEY_LEN);
	memcpy(VARDATA(bytes), key, CXSIG_CREDENTIAL_KEY_LEN);
	return PointerGetDatum(bytes);
}

static Datum
text_datum(const char *text, char *null)
{
	if (text != NULL)
		return CStringGetTextDatum(text);
	*null = 'n';
	return (Datum) 0;
}
