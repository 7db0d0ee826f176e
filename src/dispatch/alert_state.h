/*
 * alert_state.h
 *	  An open alert in memory, for alert.c and alert_table.c.
 */
#ifndef CXSIG_ALERT_STATE_H
#define CXSIG_ALERT_STATE_H

#include "dispatch/destination.h"

/* Bytes of a key, with its end; and tickets of an account that an alert remembers at most. */
#define CXSIG_ALERT_KEY_SIZE 256
#define CXSIG_ALERT_TICKETS 1000

/* A ticket of which the condition holds, and the position of the event that said so last. */
typedef struct CxsigAlertTicket
{
	char *ticket_id;
	int64 position;
} CxsigAlertTicket;

/* One alert; everything it points to is its own. */
typedef struct CxsigAlertState
{
	dlist_node node; /* among those that have changed, if dirty */
	bool dirty;
	bool tickets_changed;
	int destination_id;
	int64 position; /* of the event that opened it, which names it */
	char *key;
	char *condition;
	pg_uuid_t event_id;
	pg_uuid_t last_event_id; /* of the newest that met the condition */
	char *ticket_id;
	char *account_id; /* or NULL */
	TimestampTz occurred_at;
	TimestampTz recorded_at;
	TimestampTz last_sent_at;
	TimestampTz last_signal_at;
	int64 folded; /* since the last message, and in all */
	int64 folded_in_all;
	TimestampTz resolved_at; /* 0 while it is open */
	pg_uuid_t resolved_by;
	CxsigAlertTicket *tickets;
	int n_tickets;
	int capacity;
} CxsigAlertState;

/* An empty one. */
extern CxsigAlertState *cxsig_alert_state_create(void);
extern void cxsig_alert_state_free(CxsigAlertState *state);

/* A string that lives as long as the state it is put into. */
extern char *cxsig_alert_state_string(const char *string);

/* Remember a ticket, as of that position; one too many is let be. */
extern void cxsig_alert_state_add_ticket(CxsigAlertState *state, const char *ticket_id,
										 int64 position);

/* The index of a ticket, -1 where it is not remembered; and forget it. */
extern int cxsig_alert_state_find_ticket(const CxsigAlertState *state, const char *ticket_id);
extern void cxsig_alert_state_remove_ticket(CxsigAlertState *state, int i);

/* It has to be written. */
extern void cxsig_alert_state_touch(CxsigAlertState *state);

/* Open alerts of a destination under its condition, read in a guarded task: each is handed on. */
extern void cxsig_alert_state_read(const CxsigDestination *destination, const char *condition,
								   void (*take)(CxsigAlertState *state, void *arg), void *arg);

#endif
