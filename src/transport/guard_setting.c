/*
 * guard_setting.c
 *	  The setting cxsig.allowed_networks. Runs in _PG_init of every process; takes no lock.
 */
#include "postgres.h"

#include "transport/guard.h"
#include "utils/guc.h"

/* The setting as text; what the guard uses is the table it was parsed into. */
static char *allowed_networks = NULL;

static bool allowed_networks_check(char **newval, void **extra, GucSource source);
static void allowed_networks_assign(const char *newval, void *extra);

void
cxsig_guard_define_setting(void)
{
	DefineCustomStringVariable("cxsig.allowed_networks", "Networks that destinations may be in.",
							   "Comma-separated: public, private, loopback, or CIDR blocks. "
							   "Checked on the address a socket is about to connect to.",
							   &allowed_networks, "public", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   allowed_networks_check, allowed_networks_assign, NULL);
}

static bool
allowed_networks_check(char **newval, void **extra, GucSource source)
{
	return cxsig_guard_check(*newval);
}

static void
allowed_networks_assign(const char *newval, void *extra)
{
	cxsig_guard_assign(newval);
}
