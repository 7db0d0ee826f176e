/*
 * path.c
 *	  jsonpath over the canonical event: what filters and mappings have in common.
 *
 * Runs in the dispatcher and in backends. Touches no table, takes no lock: jsonpath calls no
 * function that somebody could have written, so whoever may set a path gains no privilege by it.
 *
 * The variants of jsonpath that know no time zone are used, so that a path finds the same whatever
 * the TimeZone setting of the process is. A timestamp is best compared as the string it is:
 * $.occurred_at >= "2026-11-24" holds as text, since all of them are UTC in the same form.
 */
#include "postgres.h"

#include "event/path.h"
#include "utils/builtins.h"

/* No variables: an empty object, as jsonb keeps it. */
typedef struct EmptyObject
{
	int32 vl_len_;
	JsonbContainer root;
} EmptyObject;

/* What to look for in the parts of a printed path: see scan_path. */
typedef struct PathParts
{
	bool variable;		  /* $"name" */
	bool wildcard;		  /* * or .keyvalue(): any member; a product counts too */
	bool root_itself;	  /* a $ that no member of it follows */
	CxsigMembers members; /* names of members, as keys or strings */
	const char *unknown;  /* $."name" that is none, or NULL */
	size_t unknown_len;
} PathParts;

static PathParts scan_path(const char *path);
static const char *string_end(const char *at);
static bool call_jsonpath(PGFunction function, Jsonb *event, JsonPath *path, Datum *answer);
static bool is_data_error(int sqlerrcode);

bool
cxsig_path_has_variable(JsonPath *path, char **text)
{
	*text = DatumGetCString(DirectFunctionCall1(jsonpath_out, PointerGetDatum(path)));
	return scan_path(*text).variable;
}

char *
cxsig_path_unknown_member(JsonPath *path)
{
	char *text = DatumGetCString(DirectFunctionCall1(jsonpath_out, PointerGetDatum(path)));
	PathParts parts = scan_path(text);

	return parts.unknown != NULL ? pnstrdup(parts.unknown, parts.unknown_len) : NULL;
}

bool
cxsig_path_is_predicate(JsonPath *path)
{
	JsonPathItem root;

	jspInit(&root, path);
	if (jspHasNext(&root))
		return false;
	switch (root.type)
	{
		case jpiAnd:
		case jpiOr:
		case jpiNot:
		case jpiIsUnknown:
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiGreater:
		case jpiLessOrEqual:
		case jpiGreaterOrEqual:
		case jpiExists:
		case jpiStartsWith:
		case jpiLikeRegex:
			return true;
		default:
			return false;
	}
}

CxsigMembers
cxsig_path_members(JsonPath *path, bool result_matters)
{
	char *text = DatumGetCString(DirectFunctionCall1(jsonpath_out, PointerGetDatum(path)));
	PathParts parts = scan_path(text);

	pfree(text);
	if (parts.wildcard || (result_matters && parts.root_itself))
		return CXSIG_ALL_MEMBERS;
	return parts.members;
}

/*
 * Take a path apart as jsonpath_out prints it: keys and strings always in double quotes, everything
 * else outside of them. That form is documented and stable; the tree behind it is not.
 */
static PathParts
scan_path(const char *path)
{
	PathParts parts = {false, false, false, 0, NULL, 0};
	const char *at = path;

	while (*at != '\0')
	{
		if (*at == '"')
		{
			const char *end = string_end(at);

			CxsigMembers found = cxsig_members_lookup(at + 1, end - at - 1);

			if (found == 0 && parts.unknown == NULL && at - path >= 2 && at[-1] == '.' &&
				at[-2] == '$')
			{
				parts.unknown = at + 1;
				parts.unknown_len = end - at - 1;
			}
			parts.members |= found;
			at = end;
		}
		else if (*at == '*' || strncmp(at, ".keyvalue", strlen(".keyvalue")) == 0)
			parts.wildcard = true;
		else if (*at == '$' && at[1] == '"')
			parts.variable = true;
		else if (*at == '$' && (at[1] != '.' || at[2] != '"'))
			parts.root_itself = true;
		if (*at != '\0')
			at++;
	}
	return parts;
}

/* The closing quote of the string whose opening quote is at. */
static const char *
string_end(const char *at)
{
	for (at++; *at != '\0' && *at != '"'; at++)
	{
		if (*at == '\\' && at[1] != '\0')
			at++;
	}
	return at;
}

Jsonb *
cxsig_event_to_jsonb(const CxsigEvent *event, CxsigMembers members)
{
	StringInfoData text;
	Datum canonical;

	initStringInfo(&text);
	cxsig_event_render_members(event, members, &text);
	canonical = DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data));
	pfree(text.data);
	return DatumGetJsonbP(canonical);
}

bool
cxsig_path_holds(Jsonb *event, JsonPath *predicate)
{
	Datum answer;

	return call_jsonpath(jsonb_path_match, event, predicate, &answer) && DatumGetBool(answer);
}

bool
cxsig_path_exists(Jsonb *event, JsonPath *path)
{
	Datum answer;

	return call_jsonpath(jsonb_path_exists, event, path, &answer) && DatumGetBool(answer);
}

Jsonb *
cxsig_path_first(Jsonb *event, JsonPath *path)
{
	Datum answer;

	if (!call_jsonpath(jsonb_path_query_first, event, path, &answer))
		return NULL;
	return DatumGetJsonbP(answer);
}

/*
 * Call one of the jsonb_path functions, silently and without variables; false where it answers
 * null. Some errors are raised in spite of the silence, such as a comparison that would need a time
 * zone; they are null too. Catching them without a subtransaction is sound: evaluation holds
 * nothing but memory, and what is not an error about data goes on up.
 */
static bool
call_jsonpath(PGFunction function, Jsonb *event, JsonPath *path, Datum *answer)
{
	LOCAL_FCINFO(fcinfo, 4);
	EmptyObject no_variables;
	MemoryContext context = CurrentMemoryContext;
	volatile bool failed = false;

	SET_VARSIZE(&no_variables, sizeof(no_variables));
	no_variables.root.header = JB_FOBJECT;

	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(event);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = PointerGetDatum(path);
	fcinfo->args[1].isnull = false;
	fcinfo->args[2].value = PointerGetDatum(&no_variables);
	fcinfo->args[2].isnull = false;
	fcinfo->args[3].value = BoolGetDatum(true);
	fcinfo->args[3].isnull = false;

	PG_TRY();
	{
		*answer = function(fcinfo);
	}
	PG_CATCH();
	{
		if (!is_data_error(geterrcode()))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		failed = true;
	}
	PG_END_TRY();

	return !failed && !fcinfo->isnull;
}

/* Is it an error about the data or the path, and not about this server or this session? */
static bool
is_data_error(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_DATA_EXCEPTION ||
		   sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED || sqlerrcode == ERRCODE_UNDEFINED_OBJECT;
}
