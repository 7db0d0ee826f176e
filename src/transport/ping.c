/*
 * ping.c
 *	  cxsig.test_destination(): sends a ping from this session and shows the answer.
 *
 * Runs in ordinary backends, with an engine of its own that ends with the call. It reads the
 * destination and its secrets as the function's owner; AccessShareLock on both tables. The caller's
 * transaction stays open while the ping is out, at most for the destination's total timeout.
 */
#include "postgres.h"

#include "base/compat.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "transport/http.h"
#include "transport/outcome.h"
#include "transport/target.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define ANSWER_SIZE 4096
#define N_COLUMNS 6

/* What came of it. */
typedef struct PingResult
{
	CxsigResult result;
	int64 latency_us;
	char answer[ANSWER_SIZE];
} PingResult;

/* What must not outlive the call. */
typedef struct PingEngine
{
	CxsigHttp *http;
	WaitEventSet *set;
} PingEngine;

CXSIG_DEFINE_WAIT_EVENT(ping_wait_event, "CxsigTestDestination")

PG_FUNCTION_INFO_V1(cxsig_test_destination);

static void ping_send(const CxsigTarget *target, const CxsigRequest *request, PingResult *ping);
static void engine_start(PingEngine *engine);
static void engine_stop(PingEngine *engine);
static CxsigHttpCall *ping_wait(PingEngine *engine);
static void ping_take(CxsigTransport *transport, const CxsigHttpCall *call, PingResult *ping);
static Datum ping_row(FunctionCallInfo fcinfo, const PingResult *ping);

/* test_destination(name) returns (ok, http_status, latency_ms, answer, detail). */
Datum
cxsig_test_destination(PG_FUNCTION_ARGS)
{
	CxsigTarget *target = cxsig_target_read(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	CxsigRequest request;
	PingResult ping;

	cxsig_target_prepare(target, true);
	memset(&request, 0, sizeof(request));
	target->transport->ops->build_ping(target->transport, &request);
	ping_send(target, &request, &ping);
	return ping_row(fcinfo, &ping);
}

/* An engine, one request, its answer; whatever happens, the engine goes. */
static void
ping_send(const CxsigTarget *target, const CxsigRequest *request, PingResult *ping)
{
	PingEngine engine = {NULL, NULL};

	PG_TRY();
	{
		engine_start(&engine);
		cxsig_http_submit(engine.http, request, &target->limits, NULL);
		ping_take(target->transport, ping_wait(&engine), ping);
	}
	PG_CATCH();
	{
		engine_stop(&engine);
		PG_RE_THROW();
	}
	PG_END_TRY();
	engine_stop(&engine);
}

static void
engine_start(PingEngine *engine)
{
	engine->http = cxsig_http_create(1);
	engine->set = cxsig_create_wait_set(3);
	AddWaitEventToSet(engine->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(engine->set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(engine->set, WL_SOCKET_READABLE, cxsig_http_fd(engine->http), NULL, NULL);
}

static void
engine_stop(PingEngine *engine)
{
	if (engine->set != NULL)
		FreeWaitEventSet(engine->set);
	cxsig_http_destroy(engine->http);
}

/* Until the only call is done: the engine's own timers end it. */
static CxsigHttpCall *
ping_wait(PingEngine *engine)
{
	for (;;)
	{
		WaitEvent event;
		CxsigHttpCall *call;

		cxsig_http_drive(engine->http);
		call = cxsig_http_next_done(engine->http);
		if (call != NULL)
			return call;
		WaitEventSetWait(engine->set, cxsig_http_timeout_ms(engine->http), &event, 1,
						 ping_wait_event());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
ping_take(CxsigTransport *transport, const CxsigHttpCall *call, PingResult *ping)
{
	const CxsigResponse *response = &call->response;

	memset(ping, 0, sizeof(*ping));
	transport->ops->read(transport, NULL, 1, response, &ping->result);
	ping->latency_us = response->finished_at - response->sent_at;
	cxsig_outcome_copy_text(ping->answer, sizeof(ping->answer), response->body, response->body_len);
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
