/*
 * ingest.h
 *	  The one way in: inputs to results. The SQL functions and the import view are thin around it.
 */
#ifndef CXSIG_INGEST_H
#define CXSIG_INGEST_H

#include "access/tupdesc.h"
#include "ingest/record.h"

typedef enum CxsigOnError
{
	CXSIG_ON_ERROR_RAISE,
	CXSIG_ON_ERROR_QUARANTINE
} CxsigOnError;

/*
 * Validate the inputs and record them in order; input i answers in results[i]. Refused inputs raise
 * the first problem found, before anything is written, or go to quarantine. batch: name the element
 * in the error. Details of results are in the current context.
 */
extern void cxsig_ingest_inputs(JsonbValue *inputs, int n, CxsigOnError on_error, bool batch,
								CxsigResult *results);

/* The result as a row of cxsig.ingest_result, whose descriptor desc is. */
extern Datum cxsig_result_row(const CxsigResult *result, TupleDesc desc);

/* The same as values and nulls, four of each. */
extern void cxsig_result_values(const CxsigResult *result, TupleDesc desc, Datum *values,
								bool *nulls);

#endif
