/*
 * staging.h
 *	  Rows made in C, handed to SQL as a named relation: what transition tables are to triggers.
 *
 * One statement then inserts, joins or deletes by any number of rows. Usable in any backend,
 * between SPI_connect and SPI_finish.
 */
#ifndef CXSIG_STAGING_H
#define CXSIG_STAGING_H

#include "postgres.h"

typedef struct CxsigColumn
{
	const char *name;
	Oid type;
} CxsigColumn;

typedef struct CxsigStaging CxsigStaging;

/* A staging relation of that name and those columns, empty; lives in the current context. */
extern CxsigStaging *cxsig_staging_create(const char *name, const CxsigColumn *columns, int n);

/* Add a row. Values are copied. Call cxsig_staging_open first, in the same transaction. */
extern void cxsig_staging_put(CxsigStaging *staging, Datum *values, bool *nulls);

/* Begin a set of rows, in the current transaction. Rows of an earlier set are forgotten. */
extern void cxsig_staging_open(CxsigStaging *staging);

/* Make the rows visible to the statements of this SPI connection. */
extern void cxsig_staging_register(CxsigStaging *staging);

/* Forget the rows. Not needed after an error: the transaction's end frees them. */
extern void cxsig_staging_close(CxsigStaging *staging);

#endif
