/*
 * secret.c
 *	  Secrets by value or from a file under cxsig.secret_directory. Runs in dispatchers, and in
 *	  a backend that tests a destination. Takes AccessShareLock on cxsig.secret.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/settings.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "transport/secret.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define SECRET_FILE_MAX 16384

#define SQL_SECRETS                                                           \
	"select name::pg_catalog.text, value, file, expires_at from cxsig.secret" \
	" where destination_id operator(pg_catalog.=) $1 and (expires_at is null" \
	" or expires_at operator(pg_catalog.>) pg_catalog.now())"                 \
	" order by secret_id desc"

static char *secret_read_file(const char *name, const char *file);
static void secret_check_path(const char *name, const char *file);

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

/* The contents of the file, without the line end. */
static char *
secret_read_file(const char *name, const char *file)
{
	char path[MAXPGPATH];
	char *contents = palloc(SECRET_FILE_MAX + 1);
	int fd;
	ssize_t n;

	secret_check_path(name, file);
	snprintf(path, sizeof(path), "%s/%s", cxsig_secret_directory, file);
	fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | PG_BINARY);
	if (fd < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not open the file of secret \"%s\": %m", name),
						errhint("It is looked for under \"cxsig.secret_directory\".")));
	n = read(fd, contents, SECRET_FILE_MAX);
	if (n < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read the file of secret \"%s\": %m", name)));
	CloseTransientFile(fd);
	while (n > 0 && (contents[n - 1] == '\n' || contents[n - 1] == '\r'))
		n--;
	contents[n] = '\0';
	if (n == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the file of secret \"%s\" is empty", name)));
	return contents;
}

/* Names that lead out of the directory are refused here as well as when the secret is set. */
static void
secret_check_path(const char *name, const char *file)
{
	if (cxsig_secret_directory == NULL || cxsig_secret_directory[0] == '\0')
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("secret \"%s\" is in a file, and \"cxsig.secret_directory\" is not set", name),
			 errhint("Set \"cxsig.secret_directory\", or set the secret by value.")));
	if (file[0] == '\0' || strchr(file, '/') != NULL || strchr(file, '\\') != NULL ||
		strstr(file, "..") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("secret \"%s\" names a file outside \"cxsig.secret_directory\"", name),
				 errhint("Give the name of a file in that directory.")));
}
