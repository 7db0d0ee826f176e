/*
 * mapping_value.c
 *	  A leaf of a mapping that takes what a path finds to another value. Runs in the dispatcher and in
 *	  backends. Touches no table, takes no lock.
 */
#include "postgres.h"

#include "event/mapping_value.h"

static bool get(JsonbContainer *object, const char *key, JsonbValue *value);
static char *print(JsonbValue *value);
static void read_map(JsonbValue *value, const char *where, CxsigMappingValue *into);
static void refuse(const char *where, const char *key, const char *what) pg_attribute_noreturn();

bool
cxsig_mapping_is_value(JsonbContainer *object)
{
	JsonbValue value;

	return get(object, "$path", &value) || get(object, "$map", &value) ||
		   get(object, "$else", &value) || get(object, "$omit", &value);
}

void
cxsig_mapping_value_read(JsonbContainer *object, const char *where, CxsigMappingValue *into)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue value;
	char *key = NULL;

	memset(into, 0, sizeof(*into));
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE)
			continue;
		if (strcmp(key, "$path") == 0)
		{
			if (value.type != jbvString || value.val.string.len == 0 ||
				value.val.string.val[0] != '$')
				refuse(where, key, "is not a path, such as \"$.churn_risk\"");
			into->path = pnstrdup(value.val.string.val, value.val.string.len);
		}
		else if (strcmp(key, "$map") == 0)
			read_map(&value, where, into);
		else if (strcmp(key, "$else") == 0)
			into->otherwise = print(&value);
		else if (strcmp(key, "$omit") == 0)
		{
			if (value.type != jbvBool)
				refuse(where, key, "is neither true nor false");
			into->omit = value.val.boolean;
		}
		else
			refuse(where, key, "is not known");
	}
	if (into->path == NULL)
		refuse(where, "$path", "is missing");
}

static void
read_map(JsonbValue *value, const char *where, CxsigMappingValue *into)
{
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		refuse(where, "$map", "is not an object, such as {\"high\": \"High\"}");
	into->map = JsonbValueToJsonb(value);
}

bool
cxsig_mapping_value_append(const CxsigMappingValue *value, Jsonb *found, StringInfo out)
{
	JsonbValue mapped;
	char *text = found != NULL ? cxsig_mapping_value_text(found) : NULL;

	if (text != NULL && value->map == NULL)
		JsonbToCString(out, &found->root, VARSIZE(found));
	else if (text != NULL && get(&value->map->root, text, &mapped))
		appendStringInfoString(out, print(&mapped));
	else if (value->otherwise != NULL)
		appendStringInfoString(out, value->otherwise);
	else
		return false;
	return true;
}

char *
cxsig_mapping_value_text(Jsonb *found)
{
	JsonbValue scalar;

	if (JB_ROOT_IS_SCALAR(found) && JsonbExtractScalar(&found->root, &scalar))
	{
		if (scalar.type == jbvNull)
			return NULL;
		if (scalar.type == jbvString)
			return pnstrdup(scalar.val.string.val, scalar.val.string.len);
	}
	return JsonbToCString(NULL, &found->root, VARSIZE(found));
}

static bool
get(JsonbContainer *object, const char *key, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, key, strlen(key), value) != NULL;
}

static char *
print(JsonbValue *value)
{
	return JsonbToCString(NULL, &JsonbValueToJsonb(value)->root, 64);
}

static void
refuse(const char *where, const char *key, const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("mapping key \"%s\": \"%.64s\" %s", where, key, what),
					errhint("Beside \"$path\" there may be \"$map\", \"$else\" and \"$omit\".")));
}
