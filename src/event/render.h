/*
 * render.h
 *	  Parts of the canonical event, by name: for what needs to look at a few members only.
 */
#ifndef CXSIG_RENDER_H
#define CXSIG_RENDER_H

#include "event/event.h"

/* A set of members of the canonical event, a bit each. */
typedef uint32 CxsigMembers;

#define CXSIG_ALL_MEMBERS ((CxsigMembers) (((uint64) 1 << CXSIG_EVENT_NCOLUMNS) - 1))

/* The member of that name as a set of one; the empty set where there is no such member. */
extern CxsigMembers cxsig_members_lookup(const char *name, size_t len);

/* The name of a member by its number, in the current context. */
extern char *cxsig_member_name(int number);

/*
 * A hint for a name that is no member: the member that is meant, if one is close, or all of them. In the
 * current context.
 */
extern char *cxsig_members_hint(const char *name);

/* Append the canonical event with these members only, as a JSON object. */
extern void cxsig_event_render_members(const CxsigEvent *event, CxsigMembers members,
									   StringInfo out);

#endif
