/*
 * staging.c
 *	  Staging relations over a tuplestore and SPI's ephemeral named relations. Takes no lock.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "base/staging.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

struct CxsigStaging
{
	char *name;
	TupleDesc desc;
	Tuplestorestate *store;
	int n_rows;
	EphemeralNamedRelationData relation;
};

CxsigStaging *
cxsig_staging_create(const char *name, const CxsigColumn *columns, int n)
{
	CxsigStaging *staging = palloc0(sizeof(CxsigStaging));
	int i;

	staging->name = pstrdup(name);
	staging->desc = CreateTemplateTupleDesc(n);
	for (i = 0; i < n; i++)
		TupleDescInitEntry(staging->desc, i + 1, columns[i].name, columns[i].type, -1, 0);
	return staging;
}

void
cxsig_staging_open(CxsigStaging *staging)
{
	/* In the transaction's context, so that an error frees it. */
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	staging->store = tuplestore_begin_heap(false, false, work_mem);
	staging->n_rows = 0;
	MemoryContextSwitchTo(old);
}

void
cxsig_staging_put(CxsigStaging *staging, Datum *values, bool *nulls)
{
	tuplestore_putvalues(staging->store, staging->desc, values, nulls);
	staging->n_rows++;
}

void
cxsig_staging_register(CxsigStaging *staging)
{
	EphemeralNamedRelation relation = &staging->relation;

	relation->md.name = staging->name;
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = staging->desc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = staging->n_rows;
	relation->reldata = staging->store;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register staging relation \"%s\"", staging->name);
}

void
cxsig_staging_close(CxsigStaging *staging)
{
	tuplestore_end(staging->store);
	staging->store = NULL;
}
