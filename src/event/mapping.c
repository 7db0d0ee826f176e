/*
 * mapping.c
 *	  A mapping: a jsonb template whose "$..." leaves are jsonpath into the canonical event.
 *
 * Prepared when a destination's configuration is read, rendered for each event it is sent. Runs in
 * the dispatcher and in backends. Touches no table, takes no lock.
 *
 * A template becomes a tree that mirrors it. What does not depend on the event is printed once, when
 * it is prepared. A path that finds nothing takes its member, or its element, out of the result; in a
 * record, a member is null then.
 */
#include "postgres.h"

#include "event/event.h"
#include "event/json.h"
#include "event/mapping.h"
#include "event/mapping_value.h"
#include "event/path.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"

typedef enum MapNodeKind
{
	NODE_LITERAL,
	NODE_PATH,
	NODE_OBJECT,
	NODE_ARRAY
} MapNodeKind;

typedef struct MapNode
{
	MapNodeKind kind;
	char *key;		/* '"name":' as a member of an object, else NULL */
	char *literal;	/* NODE_LITERAL: its JSON */
	char *where;	/* NODE_PATH: its name in messages */
	JsonPath *path; /* NODE_PATH */
	CxsigMappingValue value;
	List *children; /* NODE_OBJECT, NODE_ARRAY: of MapNode */
} MapNode;

struct CxsigMapping
{
	MapNode *root;

	/* what its paths look at: making jsonb of the rest would be most of the cost */
	CxsigMembers members;
};

/* An event as it is rendered. */
typedef struct MapRender
{
	Jsonb *canonical;
	bool record;
	StringInfo out;
} MapRender;

static MapNode *read_container(JsonbContainer *container, StringInfo where);
static MapNode *read_value(JsonbValue *value, StringInfo where);
static MapNode *make_path(const CxsigMappingValue *value, const char *where);
static CxsigMembers members_of(const MapNode *node);
static MapNode *read_leaf(const JsonbValue *value, const char *where);
static MapNode *make_node(MapNodeKind kind);
static JsonPath *parse_path(const char *text, const char *where);
static size_t enter_member(StringInfo where, const char *key);
static size_t enter_element(StringInfo where, int index);
static void leave(StringInfo where, size_t len);
static char *key_name(const MapNode *node);
static void render(const CxsigMapping *mapping, const CxsigEvent *event, bool record,
				   StringInfo out);
static bool render_node(const MapNode *node, const MapRender *render);
static bool render_path(const MapNode *node, const MapRender *render);
static void render_children(const MapNode *node, const MapRender *render);
static List *add_unmapped(List *unmapped, const MapNode *node, Jsonb *canonical);

CxsigMapping *
cxsig_mapping_prepare(Jsonb *template)
{
	CxsigMapping *mapping;
	StringInfoData where;

	if (!JB_ROOT_IS_OBJECT(template))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("mapping must be a JSON object"),
				 errhint("Write it as {\"key\": \"$.column\", ...}.")));

	mapping = palloc(sizeof(CxsigMapping));
	initStringInfo(&where);
	mapping->root = read_container(&template->root, &where);
	mapping->members = members_of(mapping->root);
	pfree(where.data);
	return mapping;
}

/* The members of the event that the paths in a node look at. */
static CxsigMembers
members_of(const MapNode *node)
{
	CxsigMembers members = 0;
	ListCell *cell;

	check_stack_depth();
	if (node->kind == NODE_PATH)
		return cxsig_path_members(node->path, true);
	foreach (cell, node->children)
		members |= members_of((const MapNode *) lfirst(cell));
	return members;
}

/* Read an object or array; where names it for errors. */
static MapNode *
read_container(JsonbContainer *container, StringInfo where)
{
	MapNode *node = make_node(JsonContainerIsObject(container) ? NODE_OBJECT : NODE_ARRAY);
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue value;
	char *name = NULL;

	check_stack_depth();
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		MapNode *child;
		size_t outer;

		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE && token != WJB_ELEM)
			continue;
		outer = token == WJB_VALUE ? enter_member(where, name)
								   : enter_element(where, list_length(node->children));
		child = read_value(&value, where);
		if (token == WJB_VALUE)
		{
			StringInfoData printed;

			initStringInfo(&printed);
			cxsig_json_append_string(&printed, name);
			appendStringInfoChar(&printed, ':');
			child->key = printed.data;
			pfree(name);
		}
		node->children = lappend(node->children, child);
		leave(where, outer);
	}
	return node;
}

static MapNode *
read_value(JsonbValue *value, StringInfo where)
{
	CxsigMappingValue mapped;

	if (value->type != jbvBinary)
		return read_leaf(value, where->data);
	if (!JsonContainerIsObject(value->val.binary.data) ||
		!cxsig_mapping_is_value(value->val.binary.data))
		return read_container(value->val.binary.data, where);
	cxsig_mapping_value_read(value->val.binary.data, where->data, &mapped);
	return make_path(&mapped, where->data);
}

static MapNode *
make_path(const CxsigMappingValue *value, const char *where)
{
	MapNode *node = make_node(NODE_PATH);

	node->value = *value;
	node->where = pstrdup(where);
	node->path = parse_path(value->path, where);
	return node;
}

/* A path, or a value printed as it will be sent. */
static MapNode *
read_leaf(const JsonbValue *value, const char *where)
{
	MapNode *node;
	StringInfoData printed;

	if (value->type == jbvString && value->val.string.len > 0 && value->val.string.val[0] == '$')
	{
		char *text = pnstrdup(value->val.string.val, value->val.string.len);

		if (text[1] != '$')
		{
			CxsigMappingValue plain = {.path = text};

			return make_path(&plain, where);
		}
		node = make_node(NODE_LITERAL);
		initStringInfo(&printed);
		cxsig_json_append_string(&printed, text + 1);
		node->literal = printed.data;
		pfree(text);
		return node;
	}

	node = make_node(NODE_LITERAL);
	initStringInfo(&printed);
	JsonbToCString(&printed, &JsonbValueToJsonb(unconstify(JsonbValue *, value))->root, 64);
	node->literal = printed.data;
	return node;
}

static MapNode *
make_node(MapNodeKind kind)
{
	MapNode *node = palloc0(sizeof(MapNode));

	node->kind = kind;
	return node;
}

/* A leaf's jsonpath; an error names the leaf, and says what is wrong in jsonpath's own words. */
static JsonPath *
parse_path(const char *text, const char *where)
{
	MemoryContext context = CurrentMemoryContext;
	JsonPath *volatile path = NULL;
	char *printed;

	PG_TRY();
	{
		path = DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in, CStringGetDatum(text)));
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR) &&
			ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		error = CopyErrorData();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("mapping key \"%s\" is not a valid jsonpath: %s", where, error->message),
				 errhint("A string that starts with $ is a path into the event, such as "
						 "$.churn_risk; write $$ for a $ of your own.")));
	}
	PG_END_TRY();
	if (cxsig_path_has_variable(path, &printed))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("mapping key \"%s\" names a variable, and there are none: %s", where,
							   printed),
						errhint("Write $.name for the member \"name\" of the event.")));
	pfree(printed);
	printed = cxsig_path_unknown_member(path);
	if (printed != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("mapping key \"%s\" looks for \"%.64s\", which no event has", where,
							   printed),
						errhint("%s", cxsig_members_hint(printed))));
	return path;
}

/* Extend where by a member of an object or an element of an array; answers its length before. */
static size_t
enter_member(StringInfo where, const char *key)
{
	size_t len = where->len;

	if (len > 0)
		appendStringInfoChar(where, '.');
	appendStringInfoString(where, key);
	return len;
}

static size_t
enter_element(StringInfo where, int index)
{
	size_t len = where->len;

	appendStringInfo(where, "[%d]", index);
	return len;
}

/* Cut where back to what it was. */
static void
leave(StringInfo where, size_t len)
{
	where->len = len;
	where->data[len] = '\0';
}

List *
cxsig_mapping_keys(const CxsigMapping *mapping, const char *of)
{
	const MapNode *object = mapping->root;
	List *names = NIL;
	ListCell *cell;

	if (of != NULL)
	{
		object = NULL;
		foreach (cell, mapping->root->children)
		{
			if (strcmp(key_name((const MapNode *) lfirst(cell)), of) == 0)
				object = (const MapNode *) lfirst(cell);
		}
	}
	if (object == NULL || object->kind != NODE_OBJECT)
		return NIL;
	foreach (cell, object->children)
		names = lappend(names, key_name((const MapNode *) lfirst(cell)));
	return names;
}

/* A member's name, out of the form that it is printed in. */
static char *
key_name(const MapNode *node)
{
	CxsigJsonSpan printed = {node->key, strlen(node->key) - 1};
	char *name = palloc(printed.len);

	cxsig_json_unescape(printed, name, printed.len);
	return name;
}

void
cxsig_mapping_render(const CxsigMapping *mapping, const CxsigEvent *event, StringInfo out)
{
	render(mapping, event, false, out);
}

void
cxsig_mapping_render_record(const CxsigMapping *mapping, const CxsigEvent *event, StringInfo out)
{
	render(mapping, event, true, out);
}

static void
render(const CxsigMapping *mapping, const CxsigEvent *event, bool record, StringInfo out)
{
	MapRender render = {cxsig_event_to_jsonb(event, mapping->members), record, out};

	render_node(mapping->root, &render);
	pfree(render.canonical);
}

/* Append a node with its key; false, and nothing appended, where its path finds nothing. */
static bool
render_node(const MapNode *node, const MapRender *render)
{
	if (node->key != NULL)
		appendStringInfoString(render->out, node->key);
	switch (node->kind)
	{
		case NODE_LITERAL:
			appendStringInfoString(render->out, node->literal);
			break;
		case NODE_OBJECT:
			appendStringInfoChar(render->out, '{');
			render_children(node, render);
			appendStringInfoChar(render->out, '}');
			break;
		case NODE_ARRAY:
			appendStringInfoChar(render->out, '[');
			render_children(node, render);
			appendStringInfoChar(render->out, ']');
			break;
		case NODE_PATH:
			return render_path(node, render);
	}
	return true;
}

static bool
render_path(const MapNode *node, const MapRender *render)
{
	Jsonb *found = cxsig_path_first(render->canonical, node->path);
	bool there = true;

	/* a plain path shows a null that is there */
	if (found != NULL && node->value.map == NULL && node->value.otherwise == NULL &&
		!node->value.omit)
		JsonbToCString(render->out, &found->root, VARSIZE(found));
	else
		there = cxsig_mapping_value_append(&node->value, found, render->out);
	if (found != NULL)
		pfree(found);
	if (there || !render->record || node->key == NULL || node->value.omit)
		return there;
	appendStringInfoString(render->out, "null");
	return true;
}

/* Append the children that are there, with commas between them. */
static void
render_children(const MapNode *node, const MapRender *render)
{
	StringInfo out = render->out;
	ListCell *cell;
	bool first = true;

	check_stack_depth();
	foreach (cell, node->children)
	{
		int before = out->len;

		if (!first)
			appendStringInfoChar(out, ',');
		if (render_node((const MapNode *) lfirst(cell), render))
			first = false;
		else
		{
			/* take back the comma and the key of a child that turned out not to be there */
			out->len = before;
			out->data[before] = '\0';
		}
	}
}

List *
cxsig_mapping_unmapped(const CxsigMapping *mapping, const CxsigEvent *event)
{
	return add_unmapped(NIL, mapping->root, cxsig_event_to_jsonb(event, mapping->members));
}

static List *
add_unmapped(List *unmapped, const MapNode *node, Jsonb *canonical)
{
	ListCell *cell;
	Jsonb *found;
	char *text;
	JsonbValue value;

	check_stack_depth();
	foreach (cell, node->children)
		unmapped = add_unmapped(unmapped, (const MapNode *) lfirst(cell), canonical);
	if (node->kind != NODE_PATH)
		return unmapped;
	found = cxsig_path_first(canonical, node->path);
	text = found != NULL ? cxsig_mapping_value_text(found) : NULL;
	if (text == NULL)
		return lappend(unmapped, psprintf("%s: %s finds %s", node->where, node->value.path,
										  found == NULL ? "nothing" : "null"));
	if (node->value.map == NULL ||
		getKeyJsonValueFromContainer(&node->value.map->root, text, strlen(text), &value) != NULL)
		return unmapped;
	return lappend(unmapped, psprintf("%s: \"%s\" is not in its $map", node->where, text));
}
