/*
 * item.c
 *	  Shared events and their reference counts. Runs in dispatchers.
 */
#include "postgres.h"

#include "dispatch/item.h"

CxsigEventRef *
cxsig_event_ref_create(CxsigEvent *event)
{
	CxsigEventRef *ref = palloc(sizeof(CxsigEventRef));

	ref->event = event;
	ref->refs = 1;
	return ref;
}

CxsigEventRef *
cxsig_event_ref_retain(CxsigEventRef *ref)
{
	ref->refs++;
	return ref;
}

void
cxsig_event_ref_release(CxsigEventRef *ref)
{
	Assert(ref->refs > 0);
	if (--ref->refs > 0)
		return;
	pfree(ref->event);
	pfree(ref);
}
