/*
 * path.h
 *	  jsonpath over the canonical event: what filters and mappings have in common.
 */
#ifndef CXSIG_PATH_H
#define CXSIG_PATH_H

#include "event/event.h"
#include "event/render.h"

/*
 * Does a path name a variable? It cannot work on any event then: there are no variables. For the
 * message, the path is printed to *text, in the current context.
 */
extern bool cxsig_path_has_variable(JsonPath *path, char **text);

/* The first member that a path looks for in the event and that no event has, or NULL; in the current context. */
extern char *cxsig_path_unknown_member(JsonPath *path);

/* Does the path as a whole state something, such as $.version > 3? */
extern bool cxsig_path_is_predicate(JsonPath *path);

/*
 * The members of the event that the path can look at, or more. Where the path's result matters (and not
 * only whether there is one) and may hold the event itself, that is all of them.
 */
extern CxsigMembers cxsig_path_members(JsonPath *path, bool result_matters);

/* The canonical event with these members, in the current context. */
extern Jsonb *cxsig_event_to_jsonb(const CxsigEvent *event, CxsigMembers members);

/* Is the predicate true? A predicate that fails is not. */
extern bool cxsig_path_holds(Jsonb *event, JsonPath *predicate);

/* Does the path find anything? One that fails does not. */
extern bool cxsig_path_exists(Jsonb *event, JsonPath *path);

/* The first item the path finds, in the current context; NULL for none, or where it fails. */
extern Jsonb *cxsig_path_first(Jsonb *event, JsonPath *path);

#endif
