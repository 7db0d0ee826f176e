/*
 * crm.h
 *	  What checks of the transports to CRMs share: answers, and events whose record they choose.
 */
#ifndef CXSIG_UNIT_CRM_H
#define CXSIG_UNIT_CRM_H

#include "transport/transport.h"

/*
 * An answer, or none where the status is 0; headers are lines "Name: value", each with its "\n". All has
 * to outlive the answer.
 */
extern CxsigResponse crm_answer(int status, const char *headers, const char *body);

/* An event of that ticket, which the mapping makes this record of (JSON); ids ascend from call to call. */
extern CxsigEvent *crm_event(const char *ticket, const char *record);

/* An attempt at such an event. */
extern CxsigAttempt crm_attempt(const char *ticket, const char *record);

/* Results as a transport's read wants them: zeroed, without a time to wait. */
extern void crm_clear(CxsigResult *results, int n);

/* Are these the outcomes of the first three? */
extern bool crm_outcomes(const CxsigResult *results, CxsigOutcome first, CxsigOutcome second,
						 CxsigOutcome third);

/* The value of a request's header; NULL for none. */
extern const char *crm_header(const CxsigRequest *request, const char *name);

#endif
