/*
 * share.c
 *	  Dealing out a database's destinations among its dispatchers. Runs in dispatchers and in the
 *	  launcher; takes cxsig_shared->lock for slot fields.
 */
#include "postgres.h"

#include "dispatch/share.h"
#include "dispatch/slot.h"
#include "utils/timestamp.h"

/* A dispatcher that is back sooner than this keeps its destinations. */
#define SHARE_GRACE_MS 2000

static int compare_ordinals(const void *a, const void *b);

void
cxsig_share_join(void)
{
	bool changed;

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	changed = !cxsig_slot->shares;
	cxsig_slot->shares = true;
	LWLockRelease(cxsig_shared->lock);
	if (changed)
		(void) cxsig_shared_reload(cxsig_slot->database);
}

void
cxsig_share_read(CxsigShare *share)
{
	int i;

	share->workers = cxsig_workers;
	share->n = 0;
	LWLockAcquire(cxsig_shared->lock, LW_SHARED);
	for (i = 0; i < cxsig_shared->n_slots; i++)
	{
		CxsigSlot *slot = &cxsig_shared->slots[i];

		/* One that the settings no longer want is about to end. */
		if (slot->state != CXSIG_SLOT_FREE && slot->shares &&
			slot->database == cxsig_slot->database && slot->ordinal < share->workers)
			share->ordinals[share->n++] = slot->ordinal;
	}
	LWLockRelease(cxsig_shared->lock);
	qsort(share->ordinals, share->n, sizeof(int), compare_ordinals);
}

static int
compare_ordinals(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

bool
cxsig_share_has(const CxsigShare *share, int destination_id)
{
	int home = destination_id % share->workers;
	int i;

	for (i = 0; i < share->n; i++)
		if (share->ordinals[i] == home)
			return home == cxsig_slot->ordinal;
	if (share->n == 0)
		return false;
	return share->ordinals[destination_id / share->workers % share->n] == cxsig_slot->ordinal;
}

void
cxsig_share_expect(CxsigSlot *slot, uint32 generation)
{
	Oid database = InvalidOid;

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	if (slot->generation == generation && !slot->shares)
	{
		slot->shares = true;
		database = slot->database;
	}
	LWLockRelease(cxsig_shared->lock);
	if (OidIsValid(database))
		(void) cxsig_shared_reload(database);
}

bool
cxsig_share_lapse(CxsigSlot *slot, TimestampTz now, int restart_ms)
{
	TimestampTz since = slot->exited_at != 0 ? slot->exited_at : slot->started_at;

	if (!slot->shares || (slot->state != CXSIG_SLOT_STARTING && slot->state != CXSIG_SLOT_EXITED))
		return false;
	if (restart_ms < SHARE_GRACE_MS && !TimestampDifferenceExceeds(since, now, SHARE_GRACE_MS))
		return false;
	slot->shares = false;
	return true;
}
