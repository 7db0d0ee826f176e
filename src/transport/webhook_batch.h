/*
 * webhook_batch.h
 *	  Several events in one request of a webhook destination.
 *
 * Pure functions over memory.
 */
#ifndef CXSIG_WEBHOOK_BATCH_H
#define CXSIG_WEBHOOK_BATCH_H

#include "transport/webhook_request.h"

/* Events that one request carries at most: the most that a destination's batch_size can be. */
#define CXSIG_WEBHOOK_MAX_BATCH 1000

/* As a transport's build, for a destination whose format is a batch. */
extern int cxsig_webhook_build_batch(CxsigWebhook *webhook, const CxsigAttempt *attempts, int n,
									 int max_bytes, CxsigRequest *request);

/* What names a batch of these events, in this order: the same whenever they are sent together. */
extern pg_uuid_t cxsig_webhook_batch_id(const pg_uuid_t *event_ids, int n);

#endif
