/*
 * staging.c
 *	  Staging relations over a tuplestore and SPI's ephemeral named relations. Takes no lock.
 */
#include "postgres.h"

#include "base/staging.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

struct CxsigStaging
{
	EphemeralNamedRelationData relation;
	Tuplestorestate *store;
};

CxsigStaging *
cxsig_staging_begin(const char *name, TupleDesc desc, double estimate)
{
	CxsigStaging *staging = palloc0(sizeof(CxsigStaging));
	EphemeralNamedRelation relation = &staging->relation;

	staging->store = tuplestore_begin_heap(false, false, work_mem);
	relation->md.name = unconstify(char *, name);
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = desc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = estimate;
	relation->reldata = staging->store;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register staging relation \"%s\"", name);
	return staging;
}

void
cxsig_staging_put(CxsigStaging *staging, Datum *values, bool *nulls)
{
	tuplestore_putvalues(staging->store, staging->relation.md.tupdesc, values, nulls);
}

void
cxsig_staging_end(CxsigStaging *staging)
{
	if (SPI_unregister_relation(staging->relation.md.name) != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "could not unregister staging relation \"%s\"", staging->relation.md.name);
	tuplestore_end(staging->store);
	pfree(staging);
}
