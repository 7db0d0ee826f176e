/*
 * doubt.h
 *	  Transactions in doubt: those that may still bring rows at or below a position already read.
 *
 * A position is drawn after its transaction has an xid. So a row at or below the greatest position
 * that a snapshot could see, and that the snapshot could not see, belongs to a transaction that was
 * running under it: one of its xip, or one from its xmax up to the next xid as read just after it
 * was taken (xmax is one past the last *completed* xid; what runs can lie at or above it).
 */
#ifndef CXSIG_DOUBT_H
#define CXSIG_DOUBT_H

#include "access/transam.h"
#include "utils/snapshot.h"

/* A set of transactions, ascending. */
typedef struct CxsigXids
{
	FullTransactionId *xids;
	int n;
	int capacity;
} CxsigXids;

/* The transactions that were running under the snapshot; call right after taking it. */
extern void cxsig_xids_running(CxsigXids *running, Snapshot snapshot);

/* Make to a copy of from. Memory is of the process; see cxsig_xids_free. */
extern void cxsig_xids_copy(CxsigXids *to, const CxsigXids *from);

/* Move those of set that are not in running to ended (which is emptied first). */
extern void cxsig_xids_take_ended(CxsigXids *set, const CxsigXids *running, CxsigXids *ended);

extern void cxsig_xids_add(CxsigXids *set, FullTransactionId xid);
extern bool cxsig_xids_contain(const CxsigXids *set, FullTransactionId xid);
extern void cxsig_xids_free(CxsigXids *set);

/* As an array of xid8, in the current context. */
extern Datum cxsig_xids_array(const CxsigXids *set);

#endif
