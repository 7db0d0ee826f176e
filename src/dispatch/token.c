/*
 * token.c
 *	  Tokens of the destinations of this dispatcher. Runs in dispatchers; outside transactions but for the
 *	  guarded tasks, whose locks stand in token_task.c. None is open while a token is asked for.
 */
#include "postgres.h"

#include "base/clock.h"
#include "common/pg_prng.h"
#include "dispatch/breaker.h"
#include "dispatch/guarded.h"
#include "dispatch/registry.h"
#include "dispatch/token.h"
#include "dispatch/token_task.h"
#include "transport/token_request.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How often to look for what another process asks for; and for a database that would not. */
#define LOOK_AGAIN_MS 200

/* Between requests for a token that fail. */
#define RETRY_INITIAL_MS 500
#define RETRY_MAX_MS 30000
#define RETRY_AFTER_MAX_MS (10 * 60 * 1000)

/* With what else an end takes, less than the 2 s within which a dispatcher ends. */
#define GRACE_MS 700

/* A token is not used in its last seconds: it has to be good when it arrives. */
#define MARGIN_MS 5000

/* One for each credential in use. */
static dlist_head keepers = DLIST_STATIC_INIT(keepers);

static CxsigKeeper *keeper_find(const unsigned char *key);
static CxsigKeeper *keeper_create(const CxsigDestination *destination);
static void keeper_free_unused(void);
static bool keeper_is_wanted(const CxsigKeeper *keeper);
static bool keeper_is_usable(const CxsigKeeper *keeper, TimestampTz now);
static bool keeper_is_renewing(const CxsigKeeper *keeper);
static TimestampTz keeper_due(const CxsigKeeper *keeper, TimestampTz now);
static bool keeper_step(CxsigKeeper *keeper, TimestampTz now, bool *gone);
static bool keeper_run(CxsigKeeper *keeper, const char *activity, CxsigTask task, void *arg,
					   bool *gone);
static bool keeper_look(CxsigKeeper *keeper, TimestampTz now, bool *gone);
static void keeper_ask(CxsigKeeper *keeper);
static void keeper_landed(CxsigHttpCall *call);
static void keeper_granted(CxsigKeeper *keeper, const CxsigGrant *grant, TimestampTz sent_at);
static void keeper_failed(CxsigKeeper *keeper, const CxsigGrant *grant);
static void keeper_refused(CxsigKeeper *keeper, const char *reason);
static bool keeper_write(CxsigKeeper *keeper, bool *gone);
static bool keeper_release(CxsigKeeper *keeper, bool *gone);
static void keeper_adopt(CxsigKeeper *keeper, CxsigToken *token);
static char *keeper_keep(CxsigKeeper *keeper, const char *text);

void
cxsig_token_attach(CxsigDestination *destination)
{
	CxsigCredential *credential = destination->transport->credential;
	CxsigKeeper *keeper;

	if (credential == NULL || cxsig_credential_key(credential) == NULL)
		return;
	keeper = keeper_find(cxsig_credential_key(credential));
	if (keeper == NULL)
		keeper = keeper_create(destination);
	if (keeper->state == CXSIG_KEEPER_IDLE)
		keeper->retry_at = 0;
	keeper->users++;
	destination->keeper = keeper;
	cxsig_credential_use(credential, &keeper->token);
}

void
cxsig_token_detach(CxsigDestination *destination)
{
	if (destination->keeper != NULL)
		destination->keeper->users--;
	destination->keeper = NULL;
}

static CxsigKeeper *
keeper_find(const unsigned char *key)
{
	dlist_iter iter;

	dlist_foreach (iter, &keepers)
	{
		CxsigKeeper *keeper = dlist_container(CxsigKeeper, node, iter.cur);

		if (memcmp(cxsig_credential_key(keeper->credential), key, CXSIG_CREDENTIAL_KEY_LEN) == 0)
			return keeper;
	}
	return NULL;
}

static CxsigKeeper *
keeper_create(const CxsigDestination *destination)
{
	MemoryContext context =
		AllocSetContextCreate(TopMemoryContext, "cxsig token", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	CxsigKeeper *keeper = palloc0(sizeof(CxsigKeeper));

	keeper->owner.landed = keeper_landed;
	keeper->context = context;
	keeper->credential = cxsig_credential_copy(destination->transport->credential);
	cxsig_credential_use(keeper->credential, &keeper->token);
	keeper->limits = destination->limits;
	strlcpy(keeper->name, destination->name, sizeof(keeper->name));
	dlist_push_tail(&keepers, &keeper->node);
	MemoryContextSwitchTo(old);
	return keeper;
}

static void
keeper_free_unused(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &keepers)
	{
		CxsigKeeper *keeper = dlist_container(CxsigKeeper, node, iter.cur);

		if (keeper->users > 0 || keeper->state != CXSIG_KEEPER_IDLE || keeper->locked)
			continue;
		dlist_delete(iter.cur);
		MemoryContextDelete(keeper->context);
	}
}

bool
cxsig_token_ready(const CxsigDestination *destination, TimestampTz now)
{
	return destination->keeper == NULL || keeper_is_usable(destination->keeper, now);
}

int64
cxsig_token_serial(const CxsigDestination *destination)
{
	return destination->keeper != NULL ? destination->keeper->token.serial : 0;
}

static bool
keeper_is_usable(const CxsigKeeper *keeper, TimestampTz now)
{
	return keeper->token.serial > keeper->refused && now < keeper->unusable_at;
}

static bool
keeper_is_renewing(const CxsigKeeper *keeper)
{
	return keeper->state == CXSIG_KEEPER_ASKING || keeper->state == CXSIG_KEEPER_WRITING;
}

/* Is there a destination that goes on? */
static bool
keeper_is_wanted(const CxsigKeeper *keeper)
{
	dlist_iter iter;

	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		if (destination->keeper == keeper && !destination->draining)
			return true;
	}
	return false;
}

/*
 * One that was sent with a token which has been renewed since, or is at this moment, is sent again as a
 * matter of course: a remote that rotates ends the old one before we have the new one. Else its token
 * is refused: once for each batch, and not again where the token was new and nothing passed with it.
 */
bool
cxsig_token_sends_again(CxsigBatch *batch, const CxsigResult *results)
{
	CxsigKeeper *keeper = batch->destination->keeper;
	int refused = 0;
	int i;

	if (keeper == NULL || batch->token_serial == 0)
		return false;
	for (i = 0; i < batch->n; i++)
	{
		if (results[i].outcome != CXSIG_UNAUTHORISED)
			continue;
		if (results[i].final)
			return false;
		refused++;
	}
	if (refused == 0 && results[0].status > 0 && batch->token_serial == keeper->token.serial)
		keeper->proven = true;
	if (refused < batch->n)
		return false;
	if (batch->token_serial < keeper->token.serial)
		return true;
	if (!keeper_is_renewing(keeper))
	{
		if (batch->reauthorised || (keeper->after_refusal && !keeper->proven))
			return false;
		batch->reauthorised = true;
	}
	keeper->refused = Max(keeper->refused, batch->token_serial);
	return true;
}

TimestampTz
cxsig_token_due(TimestampTz now)
{
	TimestampTz due = DT_NOEND;
	dlist_iter iter;

	dlist_foreach (iter, &keepers)
		due = Min(due, keeper_due(dlist_container(CxsigKeeper, node, iter.cur), now));
	return due;
}

static TimestampTz
keeper_due(const CxsigKeeper *keeper, TimestampTz now)
{
	TimestampTz due = keeper_is_usable(keeper, now) ? keeper->renew_at : now;

	switch (keeper->state)
	{
		case CXSIG_KEEPER_ASKING:
			return DT_NOEND;
		case CXSIG_KEEPER_WRITING:
		case CXSIG_KEEPER_RELEASING:
			return now;
		case CXSIG_KEEPER_IDLE:
			break;
	}
	due = Max(due, keeper->retry_at);
	return due > now || keeper_is_wanted(keeper) ? due : DT_NOEND;
}

bool
cxsig_token_turn(TimestampTz now, bool *gone)
{
	bool done = true;
	dlist_iter iter;

	dlist_foreach (iter, &keepers)
	{
		CxsigKeeper *keeper = dlist_container(CxsigKeeper, node, iter.cur);

		while (done && !*gone && keeper_due(keeper, now) <= now)
			done = keeper_step(keeper, now, gone);
	}
	keeper_free_unused();
	return done;
}

int
cxsig_token_grace_ms(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &keepers)
	{
		CxsigKeeper *keeper = dlist_container(CxsigKeeper, node, iter.cur);

		if (keeper->state == CXSIG_KEEPER_ASKING && cxsig_credential_rotates(keeper->credential))
			return GRACE_MS;
	}
	return 0;
}

bool
cxsig_token_flush(bool *gone)
{
	bool done = true;
	dlist_iter iter;

	dlist_foreach (iter, &keepers)
	{
		CxsigKeeper *keeper = dlist_container(CxsigKeeper, node, iter.cur);

		if (keeper->state == CXSIG_KEEPER_WRITING)
			done = keeper_write(keeper, gone) && done;
	}
	return done;
}

static bool
keeper_step(CxsigKeeper *keeper, TimestampTz now, bool *gone)
{
	switch (keeper->state)
	{
		case CXSIG_KEEPER_IDLE:
			return keeper_look(keeper, now, gone);
		case CXSIG_KEEPER_WRITING:
			return keeper_write(keeper, gone);
		case CXSIG_KEEPER_RELEASING:
			return keeper_release(keeper, gone);
		case CXSIG_KEEPER_ASKING:
			break;
	}
	return true;
}

static bool
keeper_run(CxsigKeeper *keeper, const char *activity, CxsigTask task, void *arg, bool *gone)
{
	CxsigGuarded result = cxsig_guarded_run(activity, task, arg);

	*gone = *gone || result == CXSIG_GONE_EXTENSION;
	return result == CXSIG_DONE;
}

/* What is in the table, if it is newer; else ask, or leave that to who is at it. */
static bool
keeper_look(CxsigKeeper *keeper, TimestampTz now, bool *gone)
{
	CxsigTokenLook look = {keeper};
	bool good;

	if (!keeper_run(keeper, "cxsig: looking for a token", cxsig_token_task_look, &look, gone))
	{
		/* no end of a transaction gives it up, and nobody may want the token any more */
		if (keeper->locked)
			keeper->state = CXSIG_KEEPER_RELEASING;
		cxsig_keeper_drop(&look.found);
		return false;
	}
	good = cxsig_keeper_likes(keeper, &look.found);
	if (look.found.serial > keeper->token.serial)
		keeper_adopt(keeper, &look.found);
	else
		cxsig_keeper_drop(&look.found);
	keeper->retry_at = TimestampTzPlusMilliseconds(now, LOOK_AGAIN_MS);
	if (keeper->locked && good)
		keeper->state = CXSIG_KEEPER_RELEASING;
	else if (keeper->locked)
		keeper_ask(keeper);
	return true;
}

static void
keeper_ask(CxsigKeeper *keeper)
{
	CxsigRequest request;
	const char *why = cxsig_token_build(keeper->credential, keeper->token.refresh, &request);

	if (why != NULL)
	{
		keeper_refused(keeper, why);
		keeper->state = CXSIG_KEEPER_RELEASING;
		return;
	}
	(void) cxsig_sender_submit(&request, &keeper->limits, &keeper->owner);
	keeper->state = CXSIG_KEEPER_ASKING;
	ereport(DEBUG1, (errmsg("cxsig destination \"%s\" asks for a token", keeper->name)));
}

/* The answer to a request for a token; in the engine's loop, outside transactions. */
static void
keeper_landed(CxsigHttpCall *call)
{
	CxsigKeeper *keeper = (CxsigKeeper *) call->owner; /* its first field */
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "cxsig grant", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	TimestampTz sent_at = call->response.sent_at;
	CxsigGrant grant;

	cxsig_token_read(keeper->credential, &call->response, &grant);
	cxsig_sender_release(call);
	keeper->state = CXSIG_KEEPER_RELEASING;
	switch (grant.outcome)
	{
		case CXSIG_GRANTED:
			keeper_granted(keeper, &grant, sent_at);
			break;
		case CXSIG_GRANT_AGAIN:
			keeper_failed(keeper, &grant);
			break;
		case CXSIG_GRANT_REFUSED:
			keeper_refused(keeper, grant.reason);
			break;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

/* How long it is good for counts from when it was asked for at the latest. */
static void
keeper_granted(CxsigKeeper *keeper, const CxsigGrant *grant, TimestampTz sent_at)
{
	CxsigToken *next = &keeper->next;
	const char *refresh = grant->refresh;

	if (refresh == NULL || !cxsig_credential_rotates(keeper->credential))
		refresh = keeper->token.refresh;
	next->access = keeper_keep(keeper, grant->access);
	next->refresh = keeper_keep(keeper, refresh);
	next->instance_url = keeper_keep(keeper, grant->instance_url);
	next->serial = keeper->token.serial + 1;
	next->obtained_at = sent_at;
	next->expires_at = DT_NOEND;
	if (grant->expires_in_ms >= 0)
		next->expires_at = TimestampTzPlusMilliseconds(next->obtained_at, grant->expires_in_ms);
	keeper->state = CXSIG_KEEPER_WRITING;
}

static char *
keeper_keep(CxsigKeeper *keeper, const char *text)
{
	return text != NULL ? MemoryContextStrdup(keeper->context, text) : NULL;
}

/* It costs no attempts: what there is to send waits, unless the old token is still good. */
static void
keeper_failed(CxsigKeeper *keeper, const CxsigGrant *grant)
{
	int64 delay = cxsig_backoff_ms(++keeper->failures, RETRY_INITIAL_MS, RETRY_MAX_MS,
								   pg_prng_double(&pg_global_prng_state));

	delay = Max(delay, Min(grant->retry_after_ms, RETRY_AFTER_MAX_MS));
	keeper->retry_at = TimestampTzPlusMilliseconds(cxsig_clock_now(), delay);
	ereport(keeper->failures == 1 ? LOG : DEBUG1,
			(errmsg("cxsig destination \"%s\" gets no token: %s", keeper->name, grant->reason),
			 errdetail("It is asked for again. Events wait once the one there is has expired.")));
}

/* The settings are wrong: every destination stops that has them, and is not changed just now. */
static void
keeper_refused(CxsigKeeper *keeper, const char *reason)
{
	dlist_iter iter;

	dlist_foreach (iter, &cxsig_destinations)
	{
		CxsigDestination *destination = dlist_container(CxsigDestination, node, iter.cur);

		if (destination->keeper == keeper && !destination->draining)
			cxsig_destination_stop(destination, reason);
	}
}

static bool
keeper_write(CxsigKeeper *keeper, bool *gone)
{
	CxsigTokenWrite write = {keeper};

	if (!keeper_run(keeper, "cxsig: writing a token", cxsig_token_task_write, &write, gone))
		return false;
	keeper->next.serial = write.serial;
	keeper_adopt(keeper, &keeper->next);
	keeper->state = CXSIG_KEEPER_RELEASING;
	return true;
}

static bool
keeper_release(CxsigKeeper *keeper, bool *gone)
{
	if (!keeper_run(keeper, "cxsig: unlocking a credential", cxsig_token_task_release, keeper,
					gone))
		return false;
	keeper->locked = false;
	keeper->state = CXSIG_KEEPER_IDLE;
	return true;
}

/* Use it from now on; it is moved, not copied. */
static void
keeper_adopt(CxsigKeeper *keeper, CxsigToken *token)
{
	char *previous = keeper->token.access;
	TimestampTz expires_at = token->expires_at;
	int64 margin_ms = MARGIN_MS;

	if (keeper->failures > 0)
		ereport(LOG, (errmsg("cxsig destination \"%s\" has a token again", keeper->name)));
	keeper->failures = 0;
	keeper->after_refusal = keeper->token.serial > 0 && keeper->token.serial <= keeper->refused;
	keeper->proven = false;
	keeper->token.access = NULL;
	cxsig_keeper_drop(&keeper->token);
	keeper->token = *token;
	keeper->token.previous = previous;
	memset(token, 0, sizeof(*token));

	keeper->renew_at = cxsig_clock_from_wall(cxsig_token_renew_at(&keeper->token));
	keeper->unusable_at = DT_NOEND;
	if (expires_at == DT_NOEND)
		return;
	margin_ms = Min(margin_ms, (expires_at - keeper->token.obtained_at) / 10000);
	keeper->unusable_at =
		cxsig_clock_from_wall(TimestampTzPlusMilliseconds(expires_at, -margin_ms));
}
