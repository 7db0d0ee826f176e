/*
 * cxsig.c
 *	  The module: what is set up when the library is loaded.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "base/shared.h"
#include "dispatch/launcher.h"
#include "miscadmin.h"
#include "transport/guard.h"
#include "utils/guc.h"

CXSIG_MODULE_MAGIC;

void _PG_init(void);

/* Without preloading there are settings and SQL functions, and no worker. */
void
_PG_init(void)
{
	cxsig_settings_init();
	cxsig_guard_define_setting();
	MarkGUCPrefixReserved("cxsig");
	if (!process_shared_preload_libraries_in_progress)
		return;
	cxsig_shared_init();
	cxsig_ddl_init();
	cxsig_launcher_register();
}
