/*
 * members.c
 *	  Which member of the event is meant by a name that is none. Runs where a mapping or a filter is
 *	  made ready. Touches no table, takes no lock.
 */
#include "postgres.h"

#include "event/render.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

/* Letters that a name may be off to be taken for another. */
#define CLOSE 3

char *
cxsig_members_hint(const char *name)
{
	StringInfoData all;
	char *closest = NULL;
	int least = CLOSE + 1;

	initStringInfo(&all);
	for (int i = 0; i < CXSIG_EVENT_NCOLUMNS; i++)
	{
		char *member = cxsig_member_name(i);
		int off = strlen(name) > NAMEDATALEN
					  ? least
					  : varstr_levenshtein_less_equal(name, strlen(name), member, strlen(member), 1,
													  1, 1, CLOSE, true);

		if (off < least)
		{
			least = off;
			closest = member;
		}
		appendStringInfo(&all, "%s%s", i == 0 ? "" : ", ", member);
	}
	if (closest != NULL)
		return psprintf("Perhaps \"$.%s\" is meant.", closest);
	return psprintf("An event has %s.", all.data);
}
