/*
 * doubt.c
 *	  Sets of transactions in doubt. Runs in dispatchers; reads the snapshot it is given.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "dispatch/doubt.h"
#include "lib/qunique.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/xid8.h"

static int xid_compare(const void *a, const void *b);
static FullTransactionId widen(TransactionId xid, FullTransactionId next);

void
cxsig_xids_running(CxsigXids *running, Snapshot snapshot)
{
	FullTransactionId next = ReadNextFullTransactionId();
	FullTransactionId xid;
	uint32 i;

	running->n = 0;
	for (i = 0; i < snapshot->xcnt; i++)
		cxsig_xids_add(running, widen(snapshot->xip[i], next));
	for (xid = widen(snapshot->xmax, next); FullTransactionIdPrecedes(xid, next);
		 FullTransactionIdAdvance(&xid))
		cxsig_xids_add(running, xid);
	qsort(running->xids, running->n, sizeof(FullTransactionId), xid_compare);
	/* while a transaction is being prepared a snapshot has it twice */
	running->n = (int) qunique(running->xids, running->n, sizeof(FullTransactionId), xid_compare);
}

/* The 64-bit form of an xid that is not later than next. */
static FullTransactionId
widen(TransactionId xid, FullTransactionId next)
{
	uint32 epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

void
cxsig_xids_add(CxsigXids *set, FullTransactionId xid)
{
	if (set->n == set->capacity)
	{
		set->capacity = Max(64, set->capacity * 2);
		if (set->xids == NULL)
			set->xids =
				MemoryContextAlloc(TopMemoryContext, set->capacity * sizeof(FullTransactionId));
		else
			set->xids = repalloc(set->xids, set->capacity * sizeof(FullTransactionId));
	}
	set->xids[set->n++] = xid;
}

void
cxsig_xids_copy(CxsigXids *to, const CxsigXids *from)
{
	int i;

	to->n = 0;
	for (i = 0; i < from->n; i++)
		cxsig_xids_add(to, from->xids[i]);
}

void
cxsig_xids_take_ended(CxsigXids *set, const CxsigXids *running, CxsigXids *ended)
{
	int kept = 0;
	int i;

	ended->n = 0;
	for (i = 0; i < set->n; i++)
	{
		if (cxsig_xids_contain(running, set->xids[i]))
			set->xids[kept++] = set->xids[i];
		else
			cxsig_xids_add(ended, set->xids[i]);
	}
	set->n = kept;
}

bool
cxsig_xids_contain(const CxsigXids *set, FullTransactionId xid)
{
	if (set->n == 0)
		return false;
	return bsearch(&xid, set->xids, set->n, sizeof(FullTransactionId), xid_compare) != NULL;
}

void
cxsig_xids_free(CxsigXids *set)
{
	if (set->xids != NULL)
		pfree(set->xids);
	memset(set, 0, sizeof(CxsigXids));
}

Datum
cxsig_xids_array(const CxsigXids *set)
{
	Datum *values = palloc(Max(set->n, 1) * sizeof(Datum));
	int i;

	for (i = 0; i < set->n; i++)
		values[i] = FullTransactionIdGetDatum(set->xids[i]);
	return PointerGetDatum(construct_array(values, set->n, XID8OID, sizeof(FullTransactionId),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static int
xid_compare(const void *a, const void *b)
{
	uint64 x = U64FromFullTransactionId(*(const FullTransactionId *) a);
	uint64 y = U64FromFullTransactionId(*(const FullTransactionId *) b);

	return x < y ? -1 : x > y;
}
