/*
 * config.h
 *	  A destination as its tables describe it, and made ready for use.
 */
#ifndef CXSIG_CONFIG_H
#define CXSIG_CONFIG_H

#include "dispatch/destination.h"
#include "nodes/pg_list.h"

/* A row of cxsig.destination and its secrets; strings in the context it was read in. */
typedef struct CxsigConfig
{
	int id;
	uint32 fingerprint;
	char *name;
	char *transport;
	Jsonb *config;
	char *projection;
	Jsonb *mapping;	  /* or NULL */
	JsonPath *filter; /* or NULL */
	char *order_scope;
	char *history;
	int concurrency;
	int window;
	CxsigHttpLimits limits;
	int batch_size;
	int batch_bytes;
	int batch_linger_ms;
	double rate_limit; /* requests a second, 0 for no limit */
	int rate_burst;	   /* 0: one second's worth */
	int quota_reserve; /* percent */
	int quota_probe_ms;
	JsonPath *urgent; /* or NULL */
	int retry_initial_ms;
	int retry_max_ms;
	int max_attempts;
	char *poison_policy;
	CxsigSecret *secrets;
	int n_secrets;
	bool at_home;		/* its last checkpoint was written in this very database */
	List *secret_names; /* of those that must be there: char * */
} CxsigConfig;

/*
 * The active destinations that are this dispatcher's share, as a list of CxsigConfig in the current
 * context. False where reading failed and was logged.
 */
extern bool cxsig_config_read_all(List **configs, bool *gone);

extern const CxsigConfig *cxsig_config_find(List *configs, int id);

/*
 * A destination made ready, in a context of its own; its feed is not started. NULL where its settings
 * do not work, and then why, in the current context.
 */
extern CxsigDestination *cxsig_config_prepare(const CxsigConfig *config, char **reason);

#endif
