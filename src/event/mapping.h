/*
 * mapping.h
 *	  Rendering through a mapping, for render.c; cxsig_mapping_prepare is in event.h.
 */
#ifndef CXSIG_MAPPING_H
#define CXSIG_MAPPING_H

#include "event/event.h"

/* Append what a mapping makes of the event. Uses scratch memory in the current context. */
extern void cxsig_mapping_render(const CxsigMapping *mapping, const CxsigEvent *event,
								 StringInfo out);

#endif
