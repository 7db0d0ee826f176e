/*
 * batch.c
 *	  Forming batches and taking them apart. Runs in dispatchers; touches nothing but memory.
 */
#include "postgres.h"

#include "dispatch/batch.h"
#include "dispatch/quota.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static CxsigBatch *batch_create(CxsigDestination *destination, int n);
static bool backfill_may_go(const CxsigDestination *destination);
static TimestampTz half_due(CxsigDestination *destination, TimestampTz now);
static TimestampTz lanes_due(CxsigDestination *destination, TimestampTz now);

static CxsigBatch *
batch_create(CxsigDestination *destination, int n)
{
	CxsigBatch *batch = MemoryContextAlloc(destination->context,
										   offsetof(CxsigBatch, items) + n * sizeof(CxsigItem *));

	batch->destination = destination;
	batch->call = NULL;
	batch->following = NULL;
	batch->backfill = false;
	batch->token_serial = 0;
	batch->reauthorised = false;
	batch->n = 0;
	return batch;
}

CxsigBatch *
cxsig_batch_next(CxsigDestination *destination, TimestampTz now)
{
	CxsigLanes *lanes = destination->lanes;
	CxsigBatch *batch;
	CxsigLane *lane;
	bool urgent_only;

	if (half_due(destination, now) <= now)
		return dlist_container(CxsigBatch, node, dlist_pop_head_node(&destination->halves));
	if (lanes_due(destination, now) > now)
		return NULL;
	batch = batch_create(destination,
						 Min(destination->batch_size, cxsig_lanes_ready(destination->lanes)));
	lane = cxsig_lanes_first_ready(lanes);
	batch->backfill = lane->backfill;
	urgent_only = lane->urgent && cxsig_quota_is_for_urgent(destination);
	while (batch->n < destination->batch_size && (lane = cxsig_lanes_first_ready(lanes)) != NULL &&
		   (lane->urgent || !urgent_only))
	{
		batch->items[batch->n++] = cxsig_lane_head(lane);
		cxsig_lane_ready_to_sending(lane);
	}
	destination->linger_until = 0;
	return batch;
}

/* While live events can come, backfill leaves them a share of the requests in flight. */
static bool
backfill_may_go(const CxsigDestination *destination)
{
	int reserved = Max(destination->concurrency / 4, 1);

	return destination->in_flight_backfill < Max(destination->concurrency - reserved, 1);
}

TimestampTz
cxsig_batch_due(CxsigDestination *destination, TimestampTz now)
{
	TimestampTz half = half_due(destination, now);

	return half <= now ? half : Min(half, lanes_due(destination, now));
}

static TimestampTz
half_due(CxsigDestination *destination, TimestampTz now)
{
	const CxsigBatch *half;

	if (dlist_is_empty(&destination->halves))
		return DT_NOEND;
	half = dlist_head_element(CxsigBatch, node, &destination->halves);
	return cxsig_quota_due(destination, half->items[0]->lane->urgent, now);
}

static TimestampTz
lanes_due(CxsigDestination *destination, TimestampTz now)
{
	CxsigLane *first = cxsig_lanes_first_ready(destination->lanes);
	TimestampTz due;

	if (first == NULL || (first->backfill && !backfill_may_go(destination)))
		return DT_NOEND;
	due = cxsig_quota_due(destination, first->urgent, now);
	if (destination->batch_linger_ms == 0 ||
		cxsig_lanes_ready(destination->lanes) >= destination->batch_size)
		return due;
	if (destination->linger_until == 0)
		destination->linger_until = TimestampTzPlusMilliseconds(now, destination->batch_linger_ms);
	return Max(destination->linger_until, due);
}

void
cxsig_batch_cut(CxsigBatch *batch, int first)
{
	int i;

	Assert(first > 0 && first <= batch->n);
	/* they have waited for company: the next batch need not */
	if (first < batch->n)
		batch->destination->linger_until = 1;
	for (i = first; i < batch->n; i++)
	{
		batch->items[i]->attempt--;
		cxsig_lane_sending_to_ready(batch->items[i]->lane);
	}
	batch->n = first;
}

void
cxsig_batch_halve(CxsigBatch *batch)
{
	CxsigDestination *destination = batch->destination;
	int n = batch->n / 2;
	CxsigBatch *second = batch_create(destination, batch->n - n);
	int i;

	Assert(batch->n > 1);
	/* it was the batch that was refused: of no event was it an attempt */
	for (i = 0; i < batch->n; i++)
		batch->items[i]->attempt--;
	second->backfill = batch->backfill;
	second->n = batch->n - n;
	memcpy(second->items, batch->items + n, second->n * sizeof(CxsigItem *));
	batch->n = n;
	dlist_push_tail(&destination->halves, &batch->node);
	dlist_push_tail(&destination->halves, &second->node);
}

void
cxsig_batch_again(CxsigBatch *batch)
{
	int i;

	for (i = 0; i < batch->n; i++)
		batch->items[i]->attempt--;
	dlist_push_head(&batch->destination->halves, &batch->node);
}

void
cxsig_batch_undo(CxsigBatch *batch)
{
	int i;

	for (i = 0; i < batch->n; i++)
		cxsig_lane_sending_to_ready(batch->items[i]->lane);
	pfree(batch);
}
