/*
 * ping.c
 *	  cxsig.test_destination(): sends a ping from this session and shows the answer.
 *
 * Runs in ordinary backends. It reads the destination, its secrets and its token as the function's
 * owner; AccessShareLock on the tables. The caller's transaction stays open while the ping is out, and
 * before it perhaps a request for a token: at most for the destination's total timeout each.
 */
#include "postgres.h"

#include "funcapi.h"
#include "transport/exchange.h"
#include "transport/outcome.h"
#include "transport/target.h"
#include "transport/token_obtain.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define ANSWER_SIZE 4096
#define N_COLUMNS 6

/* What came of it. */
typedef struct PingResult
{
	CxsigTransport *transport;
	CxsigResult result;
	int64 latency_us;
	char answer[ANSWER_SIZE];
} PingResult;

PG_FUNCTION_INFO_V1(cxsig_test_destination);

static void ping_send(CxsigTarget *target, PingResult *ping);
static void ping_take(const CxsigResponse *response, void *arg);
static Datum ping_row(FunctionCallInfo fcinfo, const PingResult *ping);

/* test_destination(name) returns (ok, http_status, latency_ms, answer, detail). */
Datum
cxsig_test_destination(PG_FUNCTION_ARGS)
{
	CxsigTarget *target = cxsig_target_read(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PingResult ping;

	cxsig_target_prepare(target, true);
	ping_send(target, &ping);
	return ping_row(fcinfo, &ping);
}

/* A destination that gets no token is as good as one that refuses. */
static void
ping_send(CxsigTarget *target, PingResult *ping)
{
	CxsigTransport *transport = target->transport;
	const char *no_token = cxsig_token_obtain(transport->credential, &target->limits);
	CxsigRequest request;

	memset(ping, 0, sizeof(*ping));
	ping->transport = transport;
	if (no_token != NULL)
	{
		ping->result.outcome = CXSIG_UNAUTHORISED;
		strlcpy(ping->result.detail, no_token, sizeof(ping->result.detail));
		return;
	}
	memset(&request, 0, sizeof(request));
	transport->ops->build_ping(transport, &request);
	cxsig_exchange(&request, &target->limits, ping_take, ping);
}

static void
ping_take(const CxsigResponse *response, void *arg)
{
	PingResult *ping = arg;
	CxsigTransport *transport = ping->transport;

	transport->ops->read(transport, NULL, 1, response, &ping->result);
	ping->latency_us = response->finished_at - response->sent_at;
	cxsig_outcome_copy_text(ping->answer, sizeof(ping->answer), response->body, response->body_len);
	if (transport->credential != NULL)
	{
		cxsig_credential_redact(transport->credential, ping->answer);
		cxsig_credential_redact(transport->credential, ping->result.detail);
	}
}

static Datum
ping_row(FunctionCallInfo fcinfo, const PingResult *ping)
{
	const CxsigResult *result = &ping->result;
	TupleDesc desc;
	Datum values[N_COLUMNS] = {0};
	bool nulls[N_COLUMNS] = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = BoolGetDatum(result->outcome == CXSIG_DELIVERED);
	values[1] = Int32GetDatum(result->status);
	nulls[1] = result->status == 0;
	values[2] = NumericGetDatum(int64_div_fast_to_numeric(ping->latency_us, 3));
	values[3] = CStringGetTextDatum(ping->answer);
	nulls[3] = result->status == 0;
	values[4] = CStringGetTextDatum(
		result->detail[0] != '\0'
			? psprintf("%s: %s", cxsig_outcome_name(result->outcome), result->detail)
			: cxsig_outcome_name(result->outcome));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
