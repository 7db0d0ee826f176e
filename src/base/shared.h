/*
 * shared.h
 *	  What processes share: a slot per dispatcher, the launcher's address, and who holds a database.
 *
 * Nothing here points into a process: a process is named by pid and proc number, and a slot by its
 * index and generation, so that a stale holder can tell that the slot has moved on.
 */
#ifndef CXSIG_SHARED_H
#define CXSIG_SHARED_H

#include "base/version.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"

typedef enum CxsigSlotState
{
	CXSIG_SLOT_FREE,
	CXSIG_SLOT_STARTING, /* registered, not attached yet */
	CXSIG_SLOT_RUNNING,
	CXSIG_SLOT_EXITED /* waits for the launcher to start it again, or to free it */
} CxsigSlotState;

/* Figures a dispatcher shows; it alone writes them, anybody reads them. */
typedef struct CxsigSlotFigures
{
	pg_atomic_uint64 turns;
	pg_atomic_uint64 sent;
	pg_atomic_uint64 delivered;
	pg_atomic_uint64 failed;
	pg_atomic_uint64 last_turn; /* TimestampTz */
	pg_atomic_uint64 memory;	/* bytes */
	pg_atomic_uint32 destinations;
	pg_atomic_uint32 lanes;
	pg_atomic_uint32 held; /* events in memory */
	pg_atomic_uint32 in_flight;
	pg_atomic_uint32 failing;		/* destinations whose breaker is open */
	pg_atomic_uint32 behind;		/* destinations past their SLA target */
	pg_atomic_uint32 stalled_lanes; /* lanes that make no progress */
} CxsigSlotFigures;

/*
 * Fields up to hanging_since: written under the lock. The atomics below: no lock.
 */
typedef struct CxsigSlot
{
	CxsigSlotState state;
	uint32 generation;
	Oid database;
	int ordinal; /* which of the database's dispatchers, from 0 */
	int pid;	 /* 0 unless RUNNING */
	int proc_number;
	TimestampTz started_at;
	TimestampTz exited_at; /* 0: never yet */
	bool exit_absent;	   /* it found no extension in the database */
	bool shares;		   /* it has a share of the destinations: see dispatch/share.h */
	int quick_exits;	   /* in a row: the launcher backs off */
	char last_error[128];
	char unfit_version[CXSIG_VERSION_SIZE]; /* the extension's, where the library does not fit */
	TimestampTz locked_out_since;			/* somebody alters or drops the extension; 0: nobody */
	TimestampTz hanging_since;				/* the watchdog has said so, if after started_at */

	pg_atomic_uint32 wake;		   /* something was committed */
	pg_atomic_uint32 reload;	   /* a destination was changed */
	pg_atomic_uint64 sync_request; /* barrier asked for: see wait_until_idle */
	pg_atomic_uint64 sync_done;	   /* barrier reached */
	CxsigSlotFigures figures;
} CxsigSlot;

#define CXSIG_MAX_HOLDS 16
#define CXSIG_MAX_ANNOUNCED 16

/* A session that is about to drop, rename or copy a database: no dispatcher starts in it. */
typedef struct CxsigHold
{
	Oid database; /* InvalidOid: free */
	int pid;
} CxsigHold;

#define CXSIG_MAX_MISSING 64

/* A dispatcher that should run and does not: see watchdog.c. Written by the launcher only. */
typedef struct CxsigMissing
{
	Oid database; /* InvalidOid: free */
	int ordinal;
	TimestampTz since;
	bool said;	   /* the log has it */
	bool expected; /* seen in the launcher's turn under way */
} CxsigMissing;

typedef struct CxsigShared
{
	LWLock *lock;
	int launcher_pid; /* 0: none */
	int launcher_proc_number;
	CxsigHold holds[CXSIG_MAX_HOLDS];
	Oid announced[CXSIG_MAX_ANNOUNCED]; /* databases that got the extension */
	CxsigMissing missing[CXSIG_MAX_MISSING];
	ConditionVariable sync_changed; /* a dispatcher has reached a barrier, or started */
	int n_slots;
	CxsigSlot slots[FLEXIBLE_ARRAY_MEMBER];
} CxsigShared;

/* NULL where the library was not preloaded. */
extern CxsigShared *cxsig_shared;

/* Install the shared-memory hooks; called once from _PG_init while preloading. */
extern void cxsig_shared_init(void);

/* ERROR with the way out unless the library was preloaded. what: "wait_until_idle()". */
extern void cxsig_shared_require(const char *what);

/* Set the latch of a process named by its proc number; harmless where it has gone. */
extern void cxsig_shared_set_latch(int proc_number);

/* Tell the launcher to look around. */
extern void cxsig_shared_wake_launcher(void);

/* Tell the dispatchers of a database to read their destinations again; false where none runs. */
extern bool cxsig_shared_reload(Oid database);

/* Tell the launcher that this database has the extension. */
extern void cxsig_shared_announce(Oid database);

/* Is a session holding this database? Caller holds the lock. */
extern bool cxsig_shared_is_held(Oid database);

#endif
