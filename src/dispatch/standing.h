/*
 * standing.h
 *	  How a destination stands: what it waits for, and what its remote allows. For people: written with
 *	  its checkpoints.
 */
#ifndef CXSIG_STANDING_H
#define CXSIG_STANDING_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "dispatch/destination.h"

/* holding, holding_until, quota_used, quota_limit, quota_at, quota_resets_at */
#define CXSIG_STANDING_COLUMNS 6

/* Has it changed since the last checkpoint? */
extern bool cxsig_standing_differs(const CxsigDestination *destination);

/* Its columns of a checkpoint, as SPI wants them; in the current context. */
extern void cxsig_standing_write(CxsigDestination *destination, Datum *values, char *nulls);

/* The quota as a checkpoint has it, from that column on. What it waited for is over. */
extern void cxsig_standing_restore(CxsigDestination *destination, HeapTuple row, TupleDesc desc,
								   int first);

#endif
