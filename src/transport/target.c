/*
 * target.c
 *	  Reading a destination in an ordinary backend, and making it ready. Runs in the caller's
 *	  transaction. Locks: AccessShareLock on destination and secret.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "transport/secret.h"
#include "transport/target.h"
#include "utils/builtins.h"

#define SQL_TARGET                                                                            \
	"select d.destination_id, d.name::pg_catalog.text, d.transport, d.config, d.order_scope," \
	" d.history operator(pg_catalog.=) 'latest', d.connect_timeout_ms,"                       \
	" d.first_byte_timeout_ms, d.total_timeout_ms, d.projection, d.mapping, d.filter"         \
	" from cxsig.destination d where d.name operator(pg_catalog.=) $1"

static void target_take(CxsigTarget *target, HeapTuple row, TupleDesc desc);
static int target_int(HeapTuple row, TupleDesc desc, int column);
static struct varlena *target_varlena(HeapTuple row, TupleDesc desc, int column);

CxsigTarget *
cxsig_target_read(const char *name)
{
	CxsigTarget *target = palloc0(sizeof(CxsigTarget));
	MemoryContext context = CurrentMemoryContext;
	MemoryContext spi;
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(name)};

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute_with_args(SQL_TARGET, 1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the destination");
	if (SPI_processed == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("destination \"%.80s\" does not exist", name),
						errhint("The view cxsig.destination_status lists them; make one with "
								"cxsig.create_destination().")));
	spi = MemoryContextSwitchTo(context);
	target_take(target, SPI_tuptable->vals[0], SPI_tuptable->tupdesc);
	target->n_secrets = cxsig_secrets_read(target->id, &target->secrets);
	MemoryContextSwitchTo(spi);
	SPI_finish();
	return target;
}

static void
target_take(CxsigTarget *target, HeapTuple row, TupleDesc desc)
{
	Jsonb *mapping = (Jsonb *) target_varlena(row, desc, 11);
	JsonPath *filter = (JsonPath *) target_varlena(row, desc, 12);
	bool isnull;

	target->id = target_int(row, desc, 1);
	target->name = SPI_getvalue(row, desc, 2);
	target->transport_name = SPI_getvalue(row, desc, 3);
	target->config = (Jsonb *) target_varlena(row, desc, 4);
	target->order_scope = SPI_getvalue(row, desc, 5);
	target->latest = DatumGetBool(SPI_getbinval(row, desc, 6, &isnull));
	target->limits.connect_timeout_ms = target_int(row, desc, 7);
	target->limits.first_byte_timeout_ms = target_int(row, desc, 8);
	target->limits.total_timeout_ms = target_int(row, desc, 9);
	target->view.projection = cxsig_projection_parse(SPI_getvalue(row, desc, 10));
	if (mapping != NULL)
		target->view.mapping = cxsig_mapping_prepare(mapping);
	if (filter != NULL)
		target->view.filter = cxsig_filter_prepare(filter);
}

static int
target_int(HeapTuple row, TupleDesc desc, int column)
{
	bool isnull;

	return DatumGetInt32(SPI_getbinval(row, desc, column, &isnull));
}

static struct varlena *
target_varlena(HeapTuple row, TupleDesc desc, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(row, desc, column, &isnull);

	return isnull ? NULL : PG_DETOAST_DATUM_COPY(value);
}

void
cxsig_target_prepare(CxsigTarget *target, bool secrets)
{
	CxsigTransportSource source = {0};

	if (secrets)
		cxsig_secrets_resolve(target->secrets, target->n_secrets);
	source.config = target->config;
	source.secrets = secrets ? target->secrets : NULL;
	source.n_secrets = secrets ? target->n_secrets : -1;
	source.view = &target->view;
	source.destination = target->name;
	source.order_scope = target->order_scope;
	target->transport = cxsig_transport_lookup(target->transport_name)->prepare(&source);
}
