/*
 * position.c
 *	  Draws positions of the outbox: the default of cxsig.outbox.position.
 *
 * Runs in every backend that writes to the outbox, which holds the row locks of the tickets it
 * writes about. The transaction gets its xid before the position is drawn: a feed that sees a
 * position therefore knows that every smaller one belongs to a transaction whose xid was already
 * assigned, and misses none. Takes the lock of the sequence that nextval() takes, no other.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

/* The sequence, found by name once; forgotten when its relation changes or goes. */
static Oid position_sequence = InvalidOid;

static Oid position_find_sequence(void);
static void position_forget(Datum arg, Oid relation);

PG_FUNCTION_INFO_V1(cxsig_next_position);

Datum
cxsig_next_position(PG_FUNCTION_ARGS)
{
	(void) GetTopTransactionId();
	PG_RETURN_INT64(nextval_internal(position_find_sequence(), false));
}

static Oid
position_find_sequence(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(position_forget, (Datum) 0);
		registered = true;
	}
	if (!OidIsValid(position_sequence))
	{
		Oid found;

		found = get_relname_relid("outbox_position", get_namespace_oid("cxsig", false));
		if (!OidIsValid(found))
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
							errmsg("sequence \"cxsig.outbox_position\" does not exist"),
							errhint("Create the extension again, or restore the sequence.")));
		position_sequence = found;
	}
	return position_sequence;
}

static void
position_forget(Datum arg, Oid relation)
{
	if (!OidIsValid(relation) || relation == position_sequence)
		position_sequence = InvalidOid;
}
