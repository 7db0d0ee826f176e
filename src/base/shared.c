/*
 * shared.c
 *	  Shared memory: its size, its start, and the small things every process does with it.
 *
 * Runs in every process. cxsig_shared->lock is held to copy fields only: nothing is allocated,
 * logged or looked up in a catalog under it.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "base/shared.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"

CxsigShared *cxsig_shared = NULL;

/* Hooks that were there before ours. */
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static Size shared_size(void);
static void shared_request(void);
static void shared_startup(void);
static void slot_init(CxsigSlot *slot);

void
cxsig_shared_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = shared_request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shared_startup;
}

static Size
shared_size(void)
{
	return add_size(offsetof(CxsigShared, slots),
					mul_size(sizeof(CxsigSlot), (Size) cxsig_max_dispatchers));
}

static void
shared_request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche("cxsig", 1);
}

static void
shared_startup(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();

	/* After a crash the pointer is from before it. */
	cxsig_shared = NULL;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	cxsig_shared = ShmemInitStruct("cxsig", shared_size(), &found);
	if (!found)
	{
		int i;

		memset(cxsig_shared, 0, shared_size());
		cxsig_shared->lock = &GetNamedLWLockTranche("cxsig")->lock;
		ConditionVariableInit(&cxsig_shared->sync_changed);
		cxsig_shared->n_slots = cxsig_max_dispatchers;
		for (i = 0; i < cxsig_shared->n_slots; i++)
			slot_init(&cxsig_shared->slots[i]);
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
slot_init(CxsigSlot *slot)
{
	CxsigSlotFigures *figures = &slot->figures;

	pg_atomic_init_u32(&slot->wake, 0);
	pg_atomic_init_u32(&slot->reload, 0);
	pg_atomic_init_u64(&slot->sync_request, 0);
	pg_atomic_init_u64(&slot->sync_done, 0);
	pg_atomic_init_u64(&figures->turns, 0);
	pg_atomic_init_u64(&figures->sent, 0);
	pg_atomic_init_u64(&figures->delivered, 0);
	pg_atomic_init_u64(&figures->failed, 0);
	pg_atomic_init_u64(&figures->last_turn, 0);
	pg_atomic_init_u64(&figures->memory, 0);
	pg_atomic_init_u32(&figures->destinations, 0);
	pg_atomic_init_u32(&figures->lanes, 0);
	pg_atomic_init_u32(&figures->held, 0);
	pg_atomic_init_u32(&figures->in_flight, 0);
	pg_atomic_init_u32(&figures->failing, 0);
	pg_atomic_init_u32(&figures->behind, 0);
	pg_atomic_init_u32(&figures->stalled_lanes, 0);
}

void
cxsig_shared_require(const char *what)
{
	if (cxsig_shared != NULL)
		return;
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("%s needs the cxsig worker, which is not loaded", what),
					errhint("Add cxsig to \"shared_preload_libraries\" and restart the server.")));
}

void
cxsig_shared_set_latch(int proc_number)
{
	/* The PGPROC array lives as long as the server: a latch too many wakes somebody for nothing. */
	SetLatch(&GetPGProcByNumber(proc_number)->procLatch);
}

void
cxsig_shared_wake_launcher(void)
{
	int pid;
	int proc_number;

	LWLockAcquire(cxsig_shared->lock, LW_SHARED);
	pid = cxsig_shared->launcher_pid;
	proc_number = cxsig_shared->launcher_proc_number;
	LWLockRelease(cxsig_shared->lock);
	if (pid != 0)
		cxsig_shared_set_latch(proc_number);
}

bool
cxsig_shared_reload(Oid database)
{
	bool any = false;
	int i;

	/* Who reads because of the flag must see why it went up. */
	pg_memory_barrier();
	for (i = 0; i < cxsig_shared->n_slots; i++)
	{
		CxsigSlot *slot = &cxsig_shared->slots[i];

		if (slot->database != database || slot->state != CXSIG_SLOT_RUNNING)
			continue;
		any = true;
		pg_atomic_exchange_u32(&slot->reload, 1);
		/* Whatever the wake flag says: it may be past looking at this one, and about to sleep. */
		pg_atomic_exchange_u32(&slot->wake, 1);
		cxsig_shared_set_latch(slot->proc_number);
	}
	return any;
}

void
cxsig_shared_announce(Oid database)
{
	int i;

	LWLockAcquire(cxsig_shared->lock, LW_EXCLUSIVE);
	for (i = 0; i < CXSIG_MAX_ANNOUNCED; i++)
	{
		/* No room is no loss: the launcher looks into every database from time to time. */
		if (cxsig_shared->announced[i] == database || cxsig_shared->announced[i] == InvalidOid)
		{
			cxsig_shared->announced[i] = database;
			break;
		}
	}
	LWLockRelease(cxsig_shared->lock);
	cxsig_shared_wake_launcher();
}

bool
cxsig_shared_is_held(Oid database)
{
	int i;

	for (i = 0; i < CXSIG_MAX_HOLDS; i++)
		if (cxsig_shared->holds[i].database == database)
			return true;
	return false;
}
