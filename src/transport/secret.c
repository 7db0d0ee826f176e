/*
 * secret.c
 *	  Secrets by value or from a file under cxsig.secret_directory. Runs in dispatchers, and in
 *	  a backend that tests a destination. Takes AccessShareLock on cxsig.secret.
 */
#include "postgres.h"

#include "base/settings.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "transport/file.h"
#include "transport/secret.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Room for a certificate with those between it and its authority, and a key. */
#define SECRET_FILE_MAX 65536

#define SQL_SECRETS                                                           \
	"select name::pg_catalog.text, value, file, expires_at from cxsig.secret" \
	" where destination_id operator(pg_catalog.=) $1 and (expires_at is null" \
	" or expires_at operator(pg_catalog.>) pg_catalog.now())"                 \
	" order by secret_id desc"

static char *secret_read_file(const char *name, const char *file);

int
cxsig_secrets_read(int destination_id, CxsigSecret **secrets)
{
	MemoryContext context = CurrentMemoryContext;
	Oid types[] = {INT4OID};
	Datum id = Int32GetDatum(destination_id);
	int n;
	int i;

	if (SPI_execute_with_args(SQL_SECRETS, 1, types, &id, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read secrets");
	n = (int) SPI_processed;
	*secrets = MemoryContextAllocZero(context, Max(n, 1) * sizeof(CxsigSecret));
	for (i = 0; i < n; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		CxsigSecret *secret = &(*secrets)[i];
		char *value = SPI_getvalue(row, desc, 2);
		bool isnull;
		Datum expires_at = SPI_getbinval(row, desc, 4, &isnull);

		secret->expires_at = isnull ? DT_NOEND : DatumGetTimestampTz(expires_at);
		secret->name = MemoryContextStrdup(context, SPI_getvalue(row, desc, 1));
		if (value != NULL)
			secret->value = MemoryContextStrdup(context, value);
		else
			secret->file = MemoryContextStrdup(context, SPI_getvalue(row, desc, 3));
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

void
cxsig_secrets_resolve(CxsigSecret *secrets, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (secrets[i].value == NULL)
			secrets[i].value = secret_read_file(secrets[i].name, secrets[i].file);
}

static char *
secret_read_file(const char *name, const char *file)
{
	static const CxsigFilePlace place = {&cxsig_secret_directory, "cxsig.secret_directory",
										 SECRET_FILE_MAX};
	char *reason;
	char *contents = cxsig_file_read(&place, file, &reason);

	if (contents == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("could not read secret \"%s\" from its file: %s", name, reason),
			 errhint(
				 "It is looked for in \"cxsig.secret_directory\"; or set the secret by value.")));
	return contents;
}
