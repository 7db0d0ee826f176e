/*
 * secret_sql.c
 *	  SQL functions around cxsig.set_secret(): checking a secret, and keeping it out of sight. Run in
 *	  ordinary backends.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "transport/pem.h"
#include "transport/sign.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define HIDDEN_QUERY "cxsig.set_secret(<hidden>)"

PG_FUNCTION_INFO_V1(cxsig_set_secret);
PG_FUNCTION_INFO_V1(cxsig_check_secret);

static void set_secret(FunctionCallInfo fcinfo);
static void check_pem(const char *name, const char *value);

/*
 * cxsig.set_secret(...): hides the running statement, which holds a secret, from pg_stat_activity and
 * the STATEMENT line of an error, then calls _set_secret(). An error goes on without its context:
 * called from a function or a DO block, that has the text of the call. What the server logs of
 * statements as such (log_statement, log_min_duration_statement) is not in reach: secrets from
 * files are.
 */
Datum
cxsig_set_secret(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;

	debug_query_string = HIDDEN_QUERY;
	pgstat_report_activity(STATE_RUNNING, HIDDEN_QUERY);
	PG_TRY();
	{
		set_secret(fcinfo);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		error->context = NULL;
		error->internalquery = NULL;
		ReThrowError(error);
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}

/* Call cxsig._set_secret() with the arguments as they came. */
static void
set_secret(FunctionCallInfo fcinfo)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, INTERVALOID};
	Datum values[lengthof(types)];
	char nulls[lengthof(types)];
	size_t i;

	for (i = 0; i < lengthof(types); i++)
	{
		values[i] = fcinfo->args[i].value;
		nulls[i] = fcinfo->args[i].isnull ? 'n' : ' ';
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute_with_args("select cxsig._set_secret($1, $2, $3, $4, $5)", lengthof(types),
							  types, values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not set a secret");
	SPI_finish();
}

/*
 * cxsig._check_secret(name, value): a signing secret has a form, so has PEM; others must only not be
 * empty, nor have line ends.
 */
Datum
cxsig_check_secret(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *value = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (strcmp(name, "signing") == 0)
		cxsig_sign_add_key(cxsig_sign_create(), value, DT_NOEND, NULL);
	else if (cxsig_pem_is_meant(value))
		check_pem(name, value);
	else if (value[0] == '\0' || strpbrk(value, "\r\n") != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("secret \"%s\" is empty or has a line end in it", name)));
	PG_RETURN_VOID();
}

/* A certificate, a key or both: whether they are those the config asks for is seen with its use. */
static void
check_pem(const char *name, const char *value)
{
	const char *why = NULL;

	if (strstr(value, " PRIVATE KEY-----") != NULL)
		why = cxsig_pem_check_key(value, NULL);
	if (why == NULL &&
		(strstr(value, " CERTIFICATE-----") != NULL || strstr(value, " PRIVATE KEY-----") == NULL))
		why = cxsig_pem_check_certificate(value);
	if (why != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("secret \"%s\" cannot be used: %s", name, why),
				 errhint("A client certificate and a key without a passphrase, in PEM, as one "
						 "secret or two.")));
}
