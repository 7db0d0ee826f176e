/*
 * filter.c
 *	  A destination's filter: the jsonpath that says which events it wants.
 *
 * Prepared when a destination's configuration is read, tried on each event. Runs in the dispatcher and
 * in backends. Touches no table, takes no lock.
 */
#include "postgres.h"

#include "event/event.h"
#include "event/path.h"
#include "utils/memutils.h"

struct CxsigFilter
{
	JsonPath *path;
	bool predicate;

	/* what the path looks at: making jsonb of the rest would be most of the cost */
	CxsigMembers members;
};

/*
 * Memory for one evaluation. A page of events at many destinations is evaluated in one go, and
 * jsonpath leaves a good kilobyte behind each time.
 */
static MemoryContext scratch = NULL;

CxsigFilter *
cxsig_filter_prepare(JsonPath *path)
{
	CxsigFilter *filter;
	char *text;

	if (cxsig_path_has_variable(path, &text))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("filter names a variable, and there are none: %s", text),
						errhint("Write $.name for the member \"name\" of the event.")));
	pfree(text);
	text = cxsig_path_unknown_member(path);
	if (text != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("filter looks for \"%.64s\", which no event has", text),
						errhint("%s", cxsig_members_hint(text))));

	filter = palloc(sizeof(CxsigFilter));
	filter->path = palloc(VARSIZE(path));
	memcpy(filter->path, path, VARSIZE(path));
	filter->predicate = cxsig_path_is_predicate(filter->path);
	filter->members = cxsig_path_members(filter->path, false);
	return filter;
}

bool
cxsig_event_matches(const CxsigView *view, const CxsigEvent *event)
{
	const CxsigFilter *filter = view->filter;
	Jsonb *canonical;
	bool matches;
	MemoryContext old;

	if (filter == NULL)
		return true;
	if (scratch == NULL)
		scratch = AllocSetContextCreate(TopMemoryContext, "cxsig filter", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	canonical = cxsig_event_to_jsonb(event, filter->members);

	/* a predicate has a truth value; any other path lets the event pass if it finds something */
	if (filter->predicate)
		matches = cxsig_path_holds(canonical, filter->path);
	else
		matches = cxsig_path_exists(canonical, filter->path);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
	return matches;
}
