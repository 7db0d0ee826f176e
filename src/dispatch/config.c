/*
 * config.c
 *	  Reading destinations and their secrets, and making them ready. Runs in dispatchers.
 *	  Locks: AccessShareLock on destination and secret while reading.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "base/clock.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "dispatch/alert.h"
#include "dispatch/config.h"
#include "dispatch/guarded.h"
#include "dispatch/share.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "transport/secret.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define SQL_DESTINATIONS                                                                        \
	"select destination_id, pg_catalog.concat(d::pg_catalog.text,"                              \
	" (select pg_catalog.string_agg(secret_id::pg_catalog.text, ',' order by secret_id)"        \
	" from cxsig.secret s where s.destination_id operator(pg_catalog.=) d.destination_id"       \
	" and (s.expires_at is null or s.expires_at operator(pg_catalog.>) pg_catalog.now()))),"    \
	" name::pg_catalog.text, transport, config, projection, mapping, filter, order_scope, "     \
	"history,"                                                                                  \
	" concurrency, \"window\", connect_timeout_ms, first_byte_timeout_ms, total_timeout_ms,"    \
	" batch_size, batch_bytes, batch_linger_ms, coalesce(rate_limit, 0)::float8,"               \
	" coalesce(rate_burst, 0), retry_initial_ms,"                                               \
	" retry_max_ms, max_attempts, poison_policy, secret_names,"                                 \
	" coalesce((select k.system_identifier operator(pg_catalog.=) $1"                           \
	" and k.database_oid operator(pg_catalog.=) $2 from cxsig.checkpoint k"                     \
	" where k.destination_id operator(pg_catalog.=) d.destination_id"                           \
	" order by k.written_at desc limit 1), false), quota_reserve, quota_probe_ms, urgent from " \
	"cxsig.destination d"                                                                       \
	" where state operator(pg_catalog.=) 'active'"                                              \
	" order by destination_id"

/* What the guarded task fills. */
typedef struct ConfigRead
{
	MemoryContext context;
	List *configs;
} ConfigRead;

static void config_read(void *arg);
static CxsigConfig *config_read_row(HeapTuple row, TupleDesc desc);
static char *config_text(HeapTuple row, TupleDesc desc, int column);
static int config_int(HeapTuple row, TupleDesc desc, int column);
static struct varlena *config_varlena(HeapTuple row, TupleDesc desc, int column);
static List *config_names(HeapTuple row, TupleDesc desc, int column);
static void config_check_secrets(const CxsigConfig *config);
static void config_apply(CxsigDestination *destination, const CxsigConfig *config);

bool
cxsig_config_read_all(List **configs, bool *gone)
{
	ConfigRead read = {CurrentMemoryContext, NIL};
	CxsigGuarded result = cxsig_guarded_run("cxsig: reading destinations", config_read, &read);

	*gone = result == CXSIG_GONE_EXTENSION;
	*configs = read.configs;
	return result == CXSIG_DONE;
}

static void
config_read(void *arg)
{
	ConfigRead *read = arg;
	Oid types[] = {INT8OID, OIDOID};
	Datum values[] = {Int64GetDatum((int64) GetSystemIdentifier()), ObjectIdGetDatum(MyDatabaseId)};
	CxsigShare share;
	MemoryContext old;
	ListCell *cell;
	uint64 i;

	if (SPI_execute_with_args(SQL_DESTINATIONS, lengthof(types), types, values, NULL, true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read destinations");
	cxsig_share_read(&share);
	old = MemoryContextSwitchTo(read->context);
	for (i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;

		if (cxsig_share_has(&share, config_int(row, desc, 1)))
			read->configs = lappend(read->configs, config_read_row(row, desc));
	}
	foreach (cell, read->configs)
	{
		CxsigConfig *config = lfirst(cell);

		/* SPI leaves its own context behind. */
		MemoryContextSwitchTo(read->context);
		config->n_secrets = cxsig_secrets_read(config->id, &config->secrets);
	}
	MemoryContextSwitchTo(old);
}

static CxsigConfig *
config_read_row(HeapTuple row, TupleDesc desc)
{
	CxsigConfig *config = palloc0(sizeof(CxsigConfig));
	char *print = config_text(row, desc, 2);
	bool isnull;

	config->id = config_int(row, desc, 1);
	config->fingerprint = hash_bytes((unsigned char *) print, strlen(print));
	config->name = config_text(row, desc, 3);
	config->transport = config_text(row, desc, 4);
	config->config = (Jsonb *) config_varlena(row, desc, 5);
	config->projection = config_text(row, desc, 6);
	config->mapping = (Jsonb *) config_varlena(row, desc, 7);
	config->filter = (JsonPath *) config_varlena(row, desc, 8);
	config->order_scope = config_text(row, desc, 9);
	config->history = config_text(row, desc, 10);
	config->concurrency = config_int(row, desc, 11);
	config->window = config_int(row, desc, 12);
	config->limits.connect_timeout_ms = config_int(row, desc, 13);
	config->limits.first_byte_timeout_ms = config_int(row, desc, 14);
	config->limits.total_timeout_ms = config_int(row, desc, 15);
	config->batch_size = config_int(row, desc, 16);
	config->batch_bytes = config_int(row, desc, 17);
	config->batch_linger_ms = config_int(row, desc, 18);
	config->rate_limit = DatumGetFloat8(SPI_getbinval(row, desc, 19, &isnull));
	config->rate_burst = config_int(row, desc, 20);
	config->retry_initial_ms = config_int(row, desc, 21);
	config->retry_max_ms = config_int(row, desc, 22);
	config->max_attempts = config_int(row, desc, 23);
	config->poison_policy = config_text(row, desc, 24);
	config->secret_names = config_names(row, desc, 25);
	config->quota_reserve = config_int(row, desc, 27);
	config->quota_probe_ms = config_int(row, desc, 28);
	config->urgent = (JsonPath *) config_varlena(row, desc, 29);
	config->at_home = DatumGetBool(SPI_getbinval(row, desc, 26, &isnull));
	return config;
}

static char *
config_text(HeapTuple row, TupleDesc desc, int column)
{
	return SPI_getvalue(row, desc, column);
}

static int
config_int(HeapTuple row, TupleDesc desc, int column)
{
	bool isnull;

	return DatumGetInt32(SPI_getbinval(row, desc, column, &isnull));
}

static struct varlena *
config_varlena(HeapTuple row, TupleDesc desc, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(row, desc, column, &isnull);

	return isnull ? NULL : PG_DETOAST_DATUM_COPY(value);
}

static List *
config_names(HeapTuple row, TupleDesc desc, int column)
{
	List *names = NIL;
	Datum *values;
	bool isnull;
	int n;
	int i;

	deconstruct_array(DatumGetArrayTypeP(SPI_getbinval(row, desc, column, &isnull)), TEXTOID, -1,
					  false, TYPALIGN_INT, &values, NULL, &n);
	for (i = 0; i < n; i++)
		names = lappend(names, TextDatumGetCString(values[i]));
	return names;
}

const CxsigConfig *
cxsig_config_find(List *configs, int id)
{
	ListCell *cell;

	foreach (cell, configs)
		if (((CxsigConfig *) lfirst(cell))->id == id)
			return lfirst(cell);
	return NULL;
}

CxsigDestination *
cxsig_config_prepare(const CxsigConfig *config, char **reason)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context =
		AllocSetContextCreate(TopMemoryContext, "cxsig destination", ALLOCSET_DEFAULT_SIZES);
	CxsigDestination *volatile destination = NULL;

	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		destination = palloc0(sizeof(CxsigDestination));
		destination->context = context;
		config_apply(destination, config);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		*reason = error->detail != NULL ? psprintf("%s: %s", error->message, error->detail)
										: pstrdup(error->message);
		FreeErrorData(error);
		MemoryContextDelete(context);
		destination = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return destination;
}

/*
 * A secret that was set once must be there: without it a restored database would send unsigned, or
 * with a header missing.
 */
static void
config_check_secrets(const CxsigConfig *config)
{
	ListCell *cell;
	int i;

	foreach (cell, config->secret_names)
	{
		for (i = 0; i < config->n_secrets; i++)
			if (strcmp(config->secrets[i].name, lfirst(cell)) == 0)
				break;
		if (i == config->n_secrets)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("secret \"%s\" is missing: set it with cxsig.set_secret()",
								   (char *) lfirst(cell))));
	}
}

/* Make the settings ready in the destination's context; may raise. */
static void
config_apply(CxsigDestination *destination, const CxsigConfig *config)
{
	CxsigTransportSource source = {0};

	destination->id = config->id;
	destination->fingerprint = config->fingerprint;
	destination->name = pstrdup(config->name);
	destination->view.projection = cxsig_projection_parse(config->projection);
	if (config->mapping != NULL)
		destination->view.mapping = cxsig_mapping_prepare(config->mapping);
	if (config->filter != NULL)
		destination->view.filter = cxsig_filter_prepare(config->filter);
	config_check_secrets(config);
	cxsig_secrets_resolve(config->secrets, config->n_secrets);
	source.config = config->config;
	source.secrets = config->secrets;
	source.n_secrets = config->n_secrets;
	source.view = &destination->view;
	source.destination = destination->name;
	source.order_scope = config->order_scope;
	destination->transport = cxsig_transport_lookup(config->transport)->prepare(&source);
	if (strcmp(config->order_scope, "ticket") == 0)
		destination->order_scope = CXSIG_SCOPE_TICKET;
	else if (strcmp(config->order_scope, "account") == 0)
		destination->order_scope = CXSIG_SCOPE_ACCOUNT;
	else
		destination->order_scope = CXSIG_SCOPE_NONE;
	destination->latest = strcmp(config->history, "latest") == 0;
	destination->concurrency = config->concurrency;
	destination->window = config->window;
	destination->limits = config->limits;
	destination->batch_size = Min(config->batch_size, destination->transport->max_batch);
	destination->batch_bytes = config->batch_bytes;
	destination->batch_linger_ms = config->batch_linger_ms;
	destination->retry_initial_ms = config->retry_initial_ms;
	destination->retry_max_ms = config->retry_max_ms;
	destination->max_attempts = config->max_attempts;
	destination->hold_poison = strcmp(config->poison_policy, "hold") == 0;
	destination->quota.reserve = config->quota_reserve / 100.0;
	destination->quota.probe_ms = config->quota_probe_ms;
	if (config->urgent != NULL)
		destination->quota.urgent.filter = cxsig_filter_prepare(config->urgent);
	cxsig_rate_init(&destination->rate, config->rate_limit, config->rate_burst, cxsig_clock_now());

	destination->items = SlabContextCreate(CurrentMemoryContext, "cxsig items",
										   SLAB_DEFAULT_BLOCK_SIZE, sizeof(CxsigItem));
	destination->lanes = cxsig_lanes_create(destination);
	if (destination->transport->ops->alerts)
		destination->alerts = cxsig_alerts_create(destination);
	cxsig_cursor_init(&destination->cursors[CXSIG_LIVE], destination, CXSIG_LIVE);
	cxsig_cursor_init(&destination->cursors[CXSIG_BACKFILL], destination, CXSIG_BACKFILL);
	dlist_init(&destination->loading);
	dlist_init(&destination->in_flight_batches);
	dlist_init(&destination->halves);
}
