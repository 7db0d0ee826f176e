/*
 * alert.c
 *	  What becomes of an event at a destination that alerts people. Runs in dispatchers, outside
 *	  transactions but for loading; touches nothing but memory.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "dispatch/alert.h"
#include "dispatch/alert_state.h"
#include "dispatch/outcome.h"
#include "mb/pg_wchar.h"
#include "transport/alert_config.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* What is to be done with an event. */
typedef enum AlertStep
{
	STEP_NOTHING, /* it is no matter for an alert */
	STEP_TRIGGER, /* a message: the first, or one after the window */
	STEP_FOLD,	  /* counted */
	STEP_LEAVE,	  /* of this ticket it is over, of others not */
	STEP_RESOLVE, /* a message that it is over */
	STEP_CLOSE	  /* the same without the message */
} AlertStep;

typedef struct AlertEntry
{
	char key[CXSIG_ALERT_KEY_SIZE];
	CxsigAlertState *state;
} AlertEntry;

struct CxsigAlerts
{
	const CxsigDestination *destination;
	const CxsigAlertConfig *config;
	HTAB *open; /* by key */
};

static void alerts_take(CxsigAlertState *state, void *arg);
static CxsigAlertState *alert_find(const CxsigAlerts *alerts, const CxsigEvent *event);
static void alert_key(const CxsigAlerts *alerts, const CxsigEvent *event,
					  char key[CXSIG_ALERT_KEY_SIZE]);
static AlertStep decide(const CxsigAlerts *alerts, const CxsigEvent *event, int64 position,
						bool backfill);
static AlertStep decide_item(const CxsigItem *item);
static bool is_over(const CxsigAlertState *state, const CxsigEvent *event, int64 position);
static void take_step(const CxsigItem *item, AlertStep step);
static void alert_open(const CxsigItem *item);
static void alert_note(const CxsigItem *item, CxsigAlertState *state);
static void alert_close(CxsigAlerts *alerts, const CxsigItem *item, CxsigAlertState *state);
static const char *step_detail(AlertStep step, const CxsigItem *item);

CxsigAlerts *
cxsig_alerts_create(const CxsigDestination *destination)
{
	CxsigAlerts *alerts = palloc0(sizeof(CxsigAlerts));
	HASHCTL control = {0};

	alerts->destination = destination;
	alerts->config = cxsig_alert_config(destination->transport);
	control.keysize = CXSIG_ALERT_KEY_SIZE;
	control.entrysize = sizeof(AlertEntry);
	control.hcxt = CurrentMemoryContext;
	alerts->open =
		hash_create("cxsig open alerts", 64, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	return alerts;
}

void
cxsig_alerts_free(CxsigAlerts *alerts)
{
	HASH_SEQ_STATUS scan;
	AlertEntry *entry;

	if (alerts == NULL)
		return;
	hash_seq_init(&scan, alerts->open);
	while ((entry = hash_seq_search(&scan)) != NULL)
		cxsig_alert_state_free(entry->state);
	hash_destroy(alerts->open);
}

void
cxsig_alerts_load(CxsigDestination *destination)
{
	if (destination->alerts != NULL)
		cxsig_alert_state_read(destination, destination->alerts->config->condition_name,
							   alerts_take, destination->alerts);
}

/* Of two that have one key the newer counts; there should be none. */
static void
alerts_take(CxsigAlertState *state, void *arg)
{
	CxsigAlerts *alerts = arg;
	bool found;
	AlertEntry *entry = hash_search(alerts->open, state->key, HASH_ENTER, &found);

	if (found && entry->state->position > state->position)
	{
		cxsig_alert_state_free(state);
		return;
	}
	if (found)
		cxsig_alert_state_free(entry->state);
	entry->state = state;
}

static CxsigAlertState *
alert_find(const CxsigAlerts *alerts, const CxsigEvent *event)
{
	char key[CXSIG_ALERT_KEY_SIZE];
	AlertEntry *entry;

	alert_key(alerts, event, key);
	entry = hash_search(alerts->open, key, HASH_FIND, NULL);
	return entry != NULL ? entry->state : NULL;
}

/* cxsig/<destination>/<condition>/<ticket or account>; what is too long ends in a hash of all of it. */
static void
alert_key(const CxsigAlerts *alerts, const CxsigEvent *event, char key[CXSIG_ALERT_KEY_SIZE])
{
	const char *kind = "";
	const char *subject = event->ticket_id;
	char whole[1024];
	int len;

	if (alerts->config->per_account && event->account_id != NULL)
		subject = event->account_id;
	else if (alerts->config->per_account)
		kind = "ticket/";
	len = snprintf(whole, sizeof(whole), "cxsig/%s/%s/%s%s", alerts->destination->name,
				   alerts->config->condition_name, kind, subject);
	if (len < CXSIG_ALERT_KEY_SIZE)
	{
		strlcpy(key, whole, CXSIG_ALERT_KEY_SIZE);
		return;
	}
	len = pg_mbcliplen(whole, len, CXSIG_ALERT_KEY_SIZE - 34);
	snprintf(key, CXSIG_ALERT_KEY_SIZE, "%.*s-%016" INT64_MODIFIER "x%016" INT64_MODIFIER "x", len,
			 whole, hash_bytes_extended((unsigned char *) whole, strlen(whole), 0),
			 hash_bytes_extended((unsigned char *) whole, strlen(whole), 1));
}

static AlertStep
decide(const CxsigAlerts *alerts, const CxsigEvent *event, int64 position, bool backfill)
{
	const CxsigAlertConfig *config = alerts->config;
	CxsigAlertState *state;

	if (backfill || event->backfill || event->stale)
		return STEP_NOTHING;
	state = alert_find(alerts, event);
	if (strcmp(event->event_type, "signal.retracted") != 0 &&
		strcmp(event->event_type, "signal.flagged") != 0 &&
		cxsig_event_matches(&config->condition, event))
	{
		if (state == NULL || GetCurrentTimestamp() >= TimestampTzPlusMilliseconds(
														  state->last_sent_at, config->window_ms))
			return STEP_TRIGGER;
		return STEP_FOLD;
	}
	if (state == NULL || !is_over(state, event, position))
		return STEP_NOTHING;
	if (state->n_tickets > 1)
		return STEP_LEAVE;
	return config->resolve ? STEP_RESOLVE : STEP_CLOSE;
}

/*
 * Does an event that does not meet the condition end what one of its ticket said before? One that is
 * read again after a crash may be older than that. A flag has to be about the signal.
 */
static bool
is_over(const CxsigAlertState *state, const CxsigEvent *event, int64 position)
{
	int i = cxsig_alert_state_find_ticket(state, event->ticket_id);

	if (i < 0 || state->tickets[i].position > position)
		return false;
	if (strcmp(event->event_type, "signal.flagged") != 0 || !event->has_corrects ||
		strcmp(event->ticket_id, state->ticket_id) != 0)
		return true;
	return memcmp(&event->corrects, &state->event_id, UUID_LEN) == 0 ||
		   memcmp(&event->corrects, &state->last_event_id, UUID_LEN) == 0;
}

bool
cxsig_alert_leaves_out(const CxsigDestination *destination, const CxsigEvent *event, int64 position,
					   bool backfill)
{
	const CxsigAlerts *alerts = destination->alerts;

	if (alerts == NULL)
		return false;
	if (backfill || event->backfill || event->stale)
		return true;
	return cxsig_lane_find(destination->lanes, cxsig_lane_key(destination, event, position)) ==
			   NULL &&
		   decide(alerts, event, position, backfill) == STEP_NOTHING;
}

/* An item that was sent already is sent again, whatever the clock says. */
static AlertStep
decide_item(const CxsigItem *item)
{
	if (item->alert != 0)
		return (AlertStep) item->alert;
	return decide(item->destination->alerts, item->ref->event, item->position, item->backfill);
}

bool
cxsig_alerts_wait(const CxsigDestination *destination)
{
	CxsigLane *lane;
	AlertStep step;

	if (destination->alerts == NULL || (lane = cxsig_lanes_first_ready(destination->lanes)) == NULL)
		return false;
	step = decide_item(cxsig_lane_head(lane));
	return step != STEP_TRIGGER && step != STEP_RESOLVE;
}

void
cxsig_alerts_settle(CxsigDestination *destination)
{
	CxsigLane *lane;

	if (destination->alerts == NULL)
		return;
	while ((lane = cxsig_lanes_first_ready(destination->lanes)) != NULL)
	{
		CxsigItem *item = cxsig_lane_head(lane);
		AlertStep step = decide_item(item);
		const CxsigAlertState *state = alert_find(destination->alerts, item->ref->event);
		pg_uuid_t opened_by = {{0}};

		if (step == STEP_TRIGGER || step == STEP_RESOLVE)
			return;
		if (state != NULL)
			opened_by = state->event_id;
		take_step(item, step);
		cxsig_outcome_folded(item, state != NULL && step != STEP_NOTHING ? &opened_by : NULL,
							 step_detail(step, item));
	}
}

static const char *
step_detail(AlertStep step, const CxsigItem *item)
{
	switch (step)
	{
		case STEP_FOLD:
			return "counted: the alert is open";
		case STEP_LEAVE:
			return "over for this ticket; the alert is open for others of its account";
		case STEP_CLOSE:
			return "the alert is over; no message of that is wanted";
		default:
			return item->backfill ? "backfill alerts nobody" : "nothing to alert about";
	}
}

const CxsigAlert *
cxsig_alert_of(CxsigItem *item)
{
	const CxsigAlerts *alerts = item->destination->alerts;
	const CxsigEvent *event = item->ref->event;
	const CxsigAlertState *state;
	CxsigAlert *alert;
	char key[CXSIG_ALERT_KEY_SIZE];

	if (alerts == NULL)
		return NULL;
	if (item->alert == 0)
		item->alert = (uint8) decide_item(item);
	state = alert_find(alerts, event);
	alert_key(alerts, event, key);
	alert = palloc(sizeof(CxsigAlert));
	alert->action = item->alert == STEP_RESOLVE ? CXSIG_ALERT_RESOLVE : CXSIG_ALERT_TRIGGER;
	alert->key = pstrdup(key);
	alert->since = state != NULL ? state->occurred_at : event->occurred_at;
	alert->folded = 0;
	if (state != NULL)
		alert->folded = item->alert == STEP_RESOLVE ? state->folded_in_all : state->folded;
	return alert;
}

void
cxsig_alert_sent(const CxsigItem *item)
{
	if (item->destination->alerts != NULL)
		take_step(item, (AlertStep) item->alert);
}

/* The alert as the step leaves it. */
static void
take_step(const CxsigItem *item, AlertStep step)
{
	CxsigAlerts *alerts = item->destination->alerts;
	CxsigAlertState *state = alert_find(alerts, item->ref->event);

	switch (step)
	{
		case STEP_NOTHING:
			return;
		case STEP_TRIGGER:
			if (state == NULL)
			{
				alert_open(item);
				return;
			}
			state->last_sent_at = item->sent_at;
			state->folded = 0;
			alert_note(item, state);
			return;
		case STEP_FOLD:
			state->folded++;
			state->folded_in_all++;
			alert_note(item, state);
			return;
		case STEP_LEAVE:
			cxsig_alert_state_remove_ticket(
				state, cxsig_alert_state_find_ticket(state, item->ref->event->ticket_id));
			cxsig_alert_state_touch(state);
			return;
		case STEP_RESOLVE:
		case STEP_CLOSE:
			if (state != NULL)
				alert_close(alerts, item, state);
			return;
	}
}

static void
alert_open(const CxsigItem *item)
{
	CxsigAlerts *alerts = item->destination->alerts;
	const CxsigEvent *event = item->ref->event;
	CxsigAlertState *state = cxsig_alert_state_create();
	char key[CXSIG_ALERT_KEY_SIZE];

	alert_key(alerts, event, key);
	state->destination_id = item->destination->id;
	state->position = item->position;
	state->key = cxsig_alert_state_string(key);
	state->condition = cxsig_alert_state_string(alerts->config->condition_name);
	state->event_id = event->event_id;
	state->ticket_id = cxsig_alert_state_string(event->ticket_id);
	state->account_id = cxsig_alert_state_string(event->account_id);
	state->occurred_at = event->occurred_at;
	state->recorded_at = event->recorded_at;
	state->last_sent_at = item->sent_at;
	alert_note(item, state);
	alerts_take(state, alerts);
}

/* The condition was met once more. */
static void
alert_note(const CxsigItem *item, CxsigAlertState *state)
{
	const CxsigEvent *event = item->ref->event;

	state->last_event_id = event->event_id;
	state->last_signal_at = event->occurred_at;
	cxsig_alert_state_add_ticket(state, event->ticket_id, item->position);
	cxsig_alert_state_touch(state);
}

/* Its memory goes once that is written. */
static void
alert_close(CxsigAlerts *alerts, const CxsigItem *item, CxsigAlertState *state)
{
	state->resolved_at = GetCurrentTimestamp();
	state->resolved_by = item->ref->event->event_id;
	hash_search(alerts->open, state->key, HASH_REMOVE, NULL);
	cxsig_alert_state_touch(state);
}
