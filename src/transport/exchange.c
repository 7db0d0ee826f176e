/*
 * exchange.c
 *	  One request in an ordinary backend, with an engine of its own that ends with the call. No table,
 *	  no lock.
 */
#include "postgres.h"

#include "base/compat.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "transport/exchange.h"
#include "utils/memutils.h"

/* What must not outlive the call. */
typedef struct ExchangeEngine
{
	CxsigHttp *http;
	WaitEventSet *set;
} ExchangeEngine;

CXSIG_DEFINE_WAIT_EVENT(exchange_wait_event, "CxsigExchange")

static void engine_start(ExchangeEngine *engine);
static void engine_stop(ExchangeEngine *engine);
static CxsigHttpCall *engine_wait(ExchangeEngine *engine);

void
cxsig_exchange(const CxsigRequest *request, const CxsigHttpLimits *limits, CxsigExchangeTaker take,
			   void *arg)
{
	ExchangeEngine engine = {NULL, NULL};

	PG_TRY();
	{
		engine_start(&engine);
		cxsig_http_submit(engine.http, request, limits, NULL);
		take(&engine_wait(&engine)->response, arg);
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
engine_start(ExchangeEngine *engine)
{
	engine->http = cxsig_http_create(1);
	engine->set = cxsig_create_wait_set(3);
	AddWaitEventToSet(engine->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(engine->set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(engine->set, WL_SOCKET_READABLE, cxsig_http_fd(engine->http), NULL, NULL);
}

static void
engine_stop(ExchangeEngine *engine)
{
	if (engine->set != NULL)
		FreeWaitEventSet(engine->set);
	cxsig_http_destroy(engine->http);
}

/* Until the only call is done: the engine's own timers end it. */
static CxsigHttpCall *
engine_wait(ExchangeEngine *engine)
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
						 exchange_wait_event());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
