/*
 * record_rows.h
 *	  What record.c hands to record_rows.c, which turns it into rows and runs the statements on them.
 */
#ifndef CXSIG_RECORD_ROWS_H
#define CXSIG_RECORD_ROWS_H

#include "ingest/record.h"
#include "ingest/signal.h"
#include "ingest/statements.h"

/* A ticket as of one of its events. */
typedef struct CxsigTicketState
{
	int64 ordinal; /* 0: no event yet */
	int64 version;
	bool has_head;
	int64 head_version;
	TimestampTz head_occurred_at;
	pg_uuid_t head_event_id;
	TimestampTz head_recorded_at;
} CxsigTicketState;

typedef struct CxsigTicket
{
	CxsigString ticket_id;
	CxsigTicketState before; /* as it was read */
	CxsigTicketState state;	 /* moves on while signals are numbered */
} CxsigTicket;

/* A signal while it is recorded. */
typedef struct CxsigEntry
{
	CxsigSignal *signal;
	CxsigResult *result;
	int index;
	CxsigTicket *ticket;
	struct CxsigEntry *first; /* of the batch under the same key; may be itself */

	bool lost;			/* the key belongs to an event of somebody else */
	bool assigned;		/* event_id and version are its own */
	bool written;		/* it becomes an event */
	pg_uuid_t event_id; /* its own, or of the event that has the key */
	int64 version;
	uint8 kept_digest[CXSIG_DIGEST_LENGTH]; /* where lost */
	bool stale;
	Jsonb *account;		  /* what is known of the account; NULL: nothing */
	TimestampTz known_at; /* where stale: what it was measured against */
	int64 known_version;
	CxsigTicketState after;
} CxsigEntry;

/* Fill and begin a set of rows; the caller runs statements on it and ends it. */
extern void cxsig_rows_fill_tickets(CxsigRun *run, const CxsigString *ids, int n);
extern void cxsig_rows_fill_keys(CxsigRun *run, CxsigEntry **entries, int n,
								 TimestampTz recorded_at);

/* Look up the accounts of the entries to be written. */
extern void cxsig_rows_read_accounts(CxsigRun *run, CxsigEntry *entries, int n);

/* Write events, revisions, outbox and unmapped tags of the entries to be written. Any at all? */
extern bool cxsig_rows_write_events(CxsigRun *run, CxsigEntry *entries, int n,
									TimestampTz recorded_at);

/* Write a contract violation for each entry that is a conflict. */
extern void cxsig_rows_write_violations(CxsigRun *run, CxsigEntry *entries, int n);

/* Write refused inputs to quarantine. */
extern void cxsig_rows_write_rejects(CxsigRun *run, const CxsigReject *rejects, int n);

#endif
