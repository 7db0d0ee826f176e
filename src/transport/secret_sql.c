/*
 * secret_sql.c
 *	  SQL functions around cxsig.set_secret(): checking a secret, and keeping it out of sight. Run in
 *	  ordinary backends; touch no table.
 */
#include "postgres.h"

#include "fmgr.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "transport/sign.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define HIDDEN_QUERY "cxsig.set_secret(<hidden>)"

PG_FUNCTION_INFO_V1(cxsig_hide_query);
PG_FUNCTION_INFO_V1(cxsig_check_secret);

/*
 * cxsig._hide_query(): the running statement holds a secret. From now on pg_stat_activity and the
 * STATEMENT line of an error show something else. What the server logs of statements as such
 * (log_statement, log_min_duration_statement) is not in reach: secrets from files are.
 */
Datum
cxsig_hide_query(PG_FUNCTION_ARGS)
{
	debug_query_string = HIDDEN_QUERY;
	pgstat_report_activity(STATE_RUNNING, HIDDEN_QUERY);
	PG_RETURN_VOID();
}

/* cxsig._check_secret(name, value): a signing secret has a form, others only must not be empty. */
Datum
cxsig_check_secret(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *value = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (strcmp(name, "signing") == 0)
		cxsig_sign_add_key(cxsig_sign_create(), value, DT_NOEND, "the signing secret");
	else if (value[0] == '\0' || strpbrk(value, "\r\n") != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("secret \"%s\" is empty or has a line end in it", name)));
	PG_RETURN_VOID();
}
