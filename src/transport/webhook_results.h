/*
 * webhook_results.h
 *	  What the answer to a webhook says of each event. The shape of a body that tells the events of a
 *	  batch apart is in webhook_config.h.
 *
 * Pure functions over memory; nothing that a receiver sends raises an error.
 */
#ifndef CXSIG_WEBHOOK_RESULTS_H
#define CXSIG_WEBHOOK_RESULTS_H

#include "transport/webhook_request.h"

/* As a transport's read, for a request of one event whose answer is its status. */
extern void cxsig_webhook_read_status(const CxsigWebhook *webhook, const CxsigResponse *response,
									  CxsigResult *result);

/* As a transport's read, for a destination whose format is a batch. */
extern void cxsig_webhook_read_batch(const CxsigWebhook *webhook, const CxsigAttempt *attempts,
									 int n, const CxsigResponse *response, CxsigResult *results);

#endif
