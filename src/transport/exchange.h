/*
 * exchange.h
 *	  One request and its answer, in an ordinary backend that waits for it.
 */
#ifndef CXSIG_EXCHANGE_H
#define CXSIG_EXCHANGE_H

#include "transport/http.h"

/* What is done with the answer; it is gone afterwards. May raise. */
typedef void (*CxsigExchangeTaker)(const CxsigResponse *response, void *arg);

/*
 * Send a request from this session, wait for its answer, at most for the total timeout, and hand it on.
 * Whatever happens, nothing is left behind. The transaction stays open meanwhile.
 */
extern void cxsig_exchange(const CxsigRequest *request, const CxsigHttpLimits *limits,
						   CxsigExchangeTaker take, void *arg);

#endif
