/*
 * slot.c
 *	  A dispatcher's slot. Runs in dispatchers only; takes cxsig_shared->lock for slot fields.
 */
#include "postgres.h"

#include "base/compat.h"
#include "dispatch/slot.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

CxsigSlot *cxsig_slot = NULL;

static void slot_detach(int code, Datum arg);

bool
cxsig_slot_attach(int index, uint32 generation)
{
	CxsigSlot *slot = &cxsig_shared->slots[index];
	bool mine;

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	mine = slot->generation == generation && slot->state == CXSIG_SLOT_STARTING;
	if (mine)
	{
		slot->state = CXSIG_SLOT_RUNNING;
		slot->pid = MyProcPid;
		slot->proc_number = CXSIG_MY_PROC_NUMBER;
		slot->started_at = GetCurrentTimestamp();
		slot->unfit_version[0] = '\0';
		slot->locked_out_since = 0;
		cxsig_slot = slot;
	}
	LWLockRelease(cxsig_shared->lock);
	if (!mine)
		return false;
	before_shmem_exit(slot_detach, (Datum) 0);
	ConditionVariableBroadcast(&cxsig_shared->sync_changed);
	return true;
}

static void
slot_detach(int code, Datum arg)
{
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	if (cxsig_slot->pid == MyProcPid)
	{
		cxsig_slot->state = CXSIG_SLOT_EXITED;
		cxsig_slot->pid = 0;
		cxsig_slot->exited_at = now;
		if (TimestampDifferenceExceeds(cxsig_slot->started_at, now, CXSIG_QUICK_EXIT_MS))
			cxsig_slot->quick_exits = 0;
		else
			cxsig_slot->quick_exits++;
	}
	LWLockRelease(cxsig_shared->lock);
	pg_atomic_write_u32(&cxsig_slot->figures.in_flight, 0);
	pg_atomic_write_u32(&cxsig_slot->figures.held, 0);
	pg_atomic_write_u32(&cxsig_slot->figures.lanes, 0);
	pg_atomic_write_u32(&cxsig_slot->figures.destinations, 0);
	pg_atomic_write_u32(&cxsig_slot->figures.failing, 0);
	pg_atomic_write_u32(&cxsig_slot->figures.behind, 0);
	pg_atomic_write_u32(&cxsig_slot->figures.stalled_lanes, 0);
	cxsig_shared_wake_launcher();
}

void
cxsig_slot_say_absent(void)
{
	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	cxsig_slot->exit_absent = true;
	LWLockRelease(cxsig_shared->lock);
}

void
cxsig_slot_say_error(const char *message)
{
	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	strlcpy(cxsig_slot->last_error, message, sizeof(cxsig_slot->last_error));
	LWLockRelease(cxsig_shared->lock);
}

void
cxsig_slot_say_waiting(const char *unfit_version, TimestampTz locked_out_since)
{
	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	strlcpy(cxsig_slot->unfit_version, unfit_version, sizeof(cxsig_slot->unfit_version));
	cxsig_slot->locked_out_since = locked_out_since;
	LWLockRelease(cxsig_shared->lock);
}
