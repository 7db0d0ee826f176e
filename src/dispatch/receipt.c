/*
 * receipt.c
 *	  Gathers outcomes and writes them in batches: receipts, dead letters, retries, alerts,
 *	  checkpoints.
 *
 * Runs in dispatchers. Each kind is one statement over a staging relation, all in one transaction.
 * Locks: RowExclusiveLock on delivery, dead_letter, retry, alert and checkpoint while writing.
 */
#include "postgres.h"

#include "base/clock.h"
#include "catalog/pg_type.h"
#include "dispatch/alert.h"
#include "dispatch/checkpoint.h"
#include "dispatch/guarded.h"
#include "dispatch/lag.h"
#include "dispatch/receipt.h"
#include "dispatch/receipt_write.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* What waits to be written, in the order in which it came; and the memory it is in. */
static CxsigReceipts receipts;
static MemoryContext receipt_context = NULL;

static CxsigReceipt *receipt_add(CxsigItem *item, CxsigReceiptKind kind);
static void receipt_add_for(CxsigItem *item, CxsigReceiptKind kind, const pg_uuid_t *other,
							const char *detail);
static void receipt_take_result(CxsigReceipt *receipt, const CxsigResult *result);
static void receipt_settle_all(void);

/* Add an empty receipt of a kind. */
static CxsigReceipt *
receipt_add(CxsigItem *item, CxsigReceiptKind kind)
{
	CxsigReceipt *receipt;

	if (receipt_context == NULL)
	{
		receipt_context =
			AllocSetContextCreate(TopMemoryContext, "cxsig receipts", ALLOCSET_DEFAULT_SIZES);
		receipts.capacity = 1024;
		receipts.items =
			MemoryContextAlloc(TopMemoryContext, receipts.capacity * sizeof(CxsigReceipt));
	}
	if (receipts.n == receipts.capacity)
	{
		receipts.capacity *= 2;
		receipts.items = repalloc_huge(receipts.items, receipts.capacity * sizeof(CxsigReceipt));
	}
	if (receipts.n == 0)
		receipts.oldest = cxsig_clock_now();
	receipt = &receipts.items[receipts.n++];
	memset(receipt, 0, sizeof(CxsigReceipt));
	receipt->item = item;
	receipt->kind = kind;
	receipts.by_kind[kind]++;
	if (item->stored)
		receipts.n_stored++;
	return receipt;
}

static void
receipt_take_result(CxsigReceipt *receipt, const CxsigResult *result)
{
	receipt->status = result->status;
	if (result->remote_id[0] != '\0')
		receipt->remote_id = MemoryContextStrdup(receipt_context, result->remote_id);
	if (result->detail[0] != '\0')
		receipt->detail = MemoryContextStrdup(receipt_context, result->detail);
}

void
cxsig_receipt_delivered(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at)
{
	CxsigReceipt *receipt = receipt_add(item, CXSIG_RECEIPT_DELIVERED);

	receipt_take_result(receipt, result);
	receipt->finished_at = finished_at;
}

void
cxsig_receipt_superseded(CxsigItem *item, const pg_uuid_t *newer, const char *detail)
{
	receipt_add_for(item, CXSIG_RECEIPT_SUPERSEDED, newer, detail);
}

void
cxsig_receipt_folded(CxsigItem *item, const pg_uuid_t *opened_by, const char *detail)
{
	receipt_add_for(item, CXSIG_RECEIPT_FOLDED, opened_by, detail);
}

/* One that another event stands for. */
static void
receipt_add_for(CxsigItem *item, CxsigReceiptKind kind, const pg_uuid_t *other, const char *detail)
{
	CxsigReceipt *receipt = receipt_add(item, kind);

	receipt->finished_at = GetCurrentTimestamp();
	receipt->detail = MemoryContextStrdup(receipt_context, detail);
	receipt->has_other = other != NULL;
	if (other != NULL)
		receipt->other = *other;
}

void
cxsig_receipt_dead(CxsigItem *item, const CxsigResult *result, TimestampTz finished_at)
{
	CxsigReceipt *receipt = receipt_add(item, CXSIG_RECEIPT_DEAD);

	receipt_take_result(receipt, result);
	receipt->finished_at = finished_at;
	if (receipt->detail == NULL)
		receipt->detail = MemoryContextStrdup(receipt_context, "the remote gave no reason");
}

void
cxsig_receipt_retry(CxsigItem *item, const CxsigResult *result, TimestampTz due, bool held)
{
	CxsigReceipt *receipt = receipt_add(item, CXSIG_RECEIPT_RETRY);

	cxsig_lag_waits(item->destination->id, item->lane->key, item->position, item->ref->event,
					item->backfill);
	receipt_take_result(receipt, result);
	receipt->lane = item->lane->key;
	receipt->due = cxsig_clock_to_wall(due);
	receipt->held = held;
	item->lane->stored++;
	item->destination->stored += !item->stored;
}

void
cxsig_receipt_queue_behind(CxsigItem *item)
{
	CxsigReceipt *receipt = receipt_add(item, CXSIG_RECEIPT_BEHIND);

	receipt->lane = item->lane->key;
	item->lane->stored++;
	item->destination->stored += !item->stored;
}

int
cxsig_receipt_pending(void)
{
	return receipts.n;
}

TimestampTz
cxsig_receipt_oldest(void)
{
	return receipts.n > 0 ? receipts.oldest : DT_NOEND;
}

bool
cxsig_receipt_flush(List *checkpoints, bool *gone)
{
	CxsigGuarded result;

	if (receipts.n == 0 && checkpoints == NIL)
		return true;
	receipts.checkpoints = checkpoints;
	result = cxsig_guarded_run("cxsig: writing receipts", cxsig_receipt_write, &receipts);
	*gone = result == CXSIG_GONE_EXTENSION;
	if (result != CXSIG_DONE)
		return false;
	receipt_settle_all();
	cxsig_alerts_written();
	cxsig_checkpoint_written(checkpoints);
	return true;
}

/* Everything is committed: let go of the items. */
static void
receipt_settle_all(void)
{
	int i;

	if (receipts.n == 0)
		return;
	for (i = 0; i < receipts.n; i++)
	{
		CxsigItem *item = receipts.items[i].item;
		CxsigReceiptKind kind = receipts.items[i].kind;

		if (item->stored && kind != CXSIG_RECEIPT_RETRY && kind != CXSIG_RECEIPT_BEHIND)
			item->destination->stored--;
		cxsig_destination_settle(item);
	}
	receipts.n = 0;
	receipts.n_stored = 0;
	memset(receipts.by_kind, 0, sizeof(receipts.by_kind));
	MemoryContextReset(receipt_context);
}
