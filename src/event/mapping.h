/*
 * mapping.h
 *	  Rendering through a mapping, for render.c; cxsig_mapping_prepare is in event.h.
 */
#ifndef CXSIG_MAPPING_H
#define CXSIG_MAPPING_H

#include "event/event.h"
#include "nodes/pg_list.h"

/* Append what a mapping makes of the event. Uses scratch memory in the current context. */
extern void cxsig_mapping_render(const CxsigMapping *mapping, const CxsigEvent *event,
								 StringInfo out);

/* As a record: a member whose path finds nothing is null, unless it says that it is to be left out. */
extern void cxsig_mapping_render_record(const CxsigMapping *mapping, const CxsigEvent *event,
										StringInfo out);

/* The leaves that this event has nothing for, each with why: strings, in the current context. */
extern List *cxsig_mapping_unmapped(const CxsigMapping *mapping, const CxsigEvent *event);

/*
 * The names of the template's members, or of those of its member `of`: strings, in the current context.
 * NIL where that is no object, or not there.
 */
extern List *cxsig_mapping_keys(const CxsigMapping *mapping, const char *of);

#endif
