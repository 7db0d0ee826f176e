/*
 * staging.h
 *	  Rows made in C, handed to SQL as a named relation: what transition tables are to triggers.
 *
 * One statement then inserts, joins or deletes by any number of rows, in the order they were put in.
 * Usable in any backend, between SPI_connect and SPI_finish; after an error the end of the transaction
 * frees what there is.
 */
#ifndef CXSIG_STAGING_H
#define CXSIG_STAGING_H

#include "access/tupdesc.h"

typedef struct CxsigStaging CxsigStaging;

/*
 * Begin a set of rows that statements of this SPI connection see under that name, which is kept, as
 * is desc. estimate: how many the planner should think there are. In the current context.
 */
extern CxsigStaging *cxsig_staging_begin(const char *name, TupleDesc desc, double estimate);

/* Add a row; values are copied. */
extern void cxsig_staging_put(CxsigStaging *staging, Datum *values, bool *nulls);

/* Forget the rows and the name. */
extern void cxsig_staging_end(CxsigStaging *staging);

#endif
