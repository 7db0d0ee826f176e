/*
 * emit.h
 *	  Reads the newest event of tickets, for events that are made from it.
 */
#ifndef CXSIG_EMIT_H
#define CXSIG_EMIT_H

#include "ingest/signal.h"

/* The newest event of a ticket that is not stale. */
typedef struct CxsigHead
{
	pg_uuid_t event_id;
	char *event_type;
	int64 version;
	bool tag_given;		/* canonical_tag came from the producer, not from a mapping */
	CxsigSignal signal; /* what it says; key, trace and event_type are not filled */
} CxsigHead;

/*
 * Read the heads of tickets, which the caller has locked, in the order of the ids given. Tickets
 * that have none, or whose head has left the log, are left out. Results are in the current context.
 */
extern CxsigHead *cxsig_heads_read(const CxsigString *ids, int n, int *found);

#endif
