/*
 * compat.h
 *	  The only place that knows which PostgreSQL it is compiled against (15 to 18).
 */
#ifndef CXSIG_COMPAT_H
#define CXSIG_COMPAT_H

#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "fmgr.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/acl.h"

#if PG_VERSION_NUM < 150000
#error "cxsig needs PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM >= 180000
#define CXSIG_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "cxsig", .version = CXSIG_VERSION)
#else
#define CXSIG_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#ifndef GetPGProcByNumber
#define GetPGProcByNumber(n) (&ProcGlobal->allProcs[(n)])
#endif

#if PG_VERSION_NUM >= 170000
#define CXSIG_MY_PROC_NUMBER MyProcNumber
#else
#define CXSIG_MY_PROC_NUMBER (MyProc->pgprocno)
#endif

#if PG_VERSION_NUM >= 170000
#define cxsig_create_wait_set(n) CreateWaitEventSet(NULL, (n))
#else
#define cxsig_create_wait_set(n) CreateWaitEventSet(TopMemoryContext, (n))
#endif

#if PG_VERSION_NUM >= 160000
#define cxsig_owns_database(oid) object_ownercheck(DatabaseRelationId, (oid), GetUserId())
#define cxsig_owns_extension(oid) object_ownercheck(ExtensionRelationId, (oid), GetUserId())
#else
#define cxsig_owns_database(oid) pg_database_ownercheck((oid), GetUserId())
#define cxsig_owns_extension(oid) pg_extension_ownercheck((oid), GetUserId())
#endif

/* Wait events: named from 17 on, the general extension event before. */
#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"
#define CXSIG_DEFINE_WAIT_EVENT(function, label)  \
	static uint32 function(void)                  \
	{                                             \
		static uint32 event = 0;                  \
                                                  \
		if (event == 0)                           \
			event = WaitEventExtensionNew(label); \
		return event;                             \
	}
#else
#include "utils/wait_event.h"
#define CXSIG_DEFINE_WAIT_EVENT(function, label) \
	static uint32 function(void)                 \
	{                                            \
		return PG_WAIT_EXTENSION;                \
	}
#endif

#endif
