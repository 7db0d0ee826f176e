/*
 * config_read.c
 *	  Taking a transport's config apart. Runs in the dispatcher when it loads a destination, and in
 *	  backends that define or test one. No table, no lock.
 */
#include "postgres.h"

#include "transport/config_read.h"
#include "transport/http.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static bool find(const CxsigConfigObject *object, const char *key, JsonbValue *value);
static bool is_among(const char *word, const char *const *words);
static const char *list_words(const char *before, const char *const *words, const char *quote);
static const char *full_key(const CxsigConfigObject *object, const char *key);

void
cxsig_config_known(const CxsigConfigObject *object, const char *const *keys)
{
	JsonbIterator *it;
	JsonbValue value;
	JsonbIteratorToken token;

	if (object->json == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(object->json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("config of destination \"%s\" is not a JSON object", object->destination),
				 errhint("%s", list_words("Its keys are", keys, ""))));
	it = JsonbIteratorInit(&object->json->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char *key;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		if (is_among(key, keys))
			continue;
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("unknown key \"%s\" in the config of destination \"%s\"",
							   full_key(object, key), object->destination),
						errhint("%s", list_words(object->path[0] == '\0'
													 ? "The keys of this config are"
													 : psprintf("The keys of %s are", object->path),
												 keys, ""))));
	}
}

char *
cxsig_config_string(const CxsigConfigObject *object, const char *key, bool required)
{
	JsonbValue value;

	if (!find(object, key, &value))
	{
		if (required)
			cxsig_config_refuse(object, key, "is missing", NULL);
		return NULL;
	}
	if (value.type != jbvString)
		cxsig_config_refuse(object, key, "is not a string", NULL);
	if (value.val.string.len == 0)
		cxsig_config_refuse(object, key, "is empty", NULL);
	return pnstrdup(value.val.string.val, value.val.string.len);
}

const char *
cxsig_config_word(const CxsigConfigObject *object, const char *key, const char *const *words,
				  const char *fallback)
{
	char *word = cxsig_config_string(object, key, false);

	if (word == NULL)
		return fallback;
	for (int i = 0; words[i] != NULL; i++)
	{
		if (strcmp(word, words[i]) == 0)
			return words[i];
	}
	cxsig_config_refuse(object, key, psprintf("cannot be \"%.64s\"", word),
						list_words("Allowed are", words, "\""));
}

int
cxsig_config_int(const CxsigConfigObject *object, const char *key, int low, int high, int fallback)
{
	JsonbValue value;
	char *text;
	char *end;
	long number;

	if (!find(object, key, &value))
		return fallback;
	if (value.type != jbvNumeric)
		cxsig_config_refuse(object, key, "is not a number",
							psprintf("A whole number from %d to %d.", low, high));
	text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || number < low || number > high)
		cxsig_config_refuse(object, key, psprintf("cannot be %.40s", text),
							psprintf("A whole number from %d to %d.", low, high));
	return (int) number;
}

bool
cxsig_config_bool(const CxsigConfigObject *object, const char *key, bool fallback)
{
	JsonbValue value;

	if (!find(object, key, &value))
		return fallback;
	if (value.type != jbvBool)
		cxsig_config_refuse(object, key, "is neither true nor false", NULL);
	return value.val.boolean;
}

char *
cxsig_config_url(const CxsigConfigObject *object, const char *key, bool query, const char *fallback)
{
	char *url = cxsig_config_string(object, key, fallback == NULL);
	size_t len;

	if (url == NULL)
		return pstrdup(fallback);
	cxsig_config_check_url(object, key, url);
	if (!query && strpbrk(url, "?#") != NULL)
		cxsig_config_refuse(object, key, "has a query, and paths are put behind it",
							"Leave out what begins with \"?\" or \"#\".");
	len = strlen(url);
	while (strpbrk(url, "?#") == NULL && url[len - 1] == '/')
		url[--len] = '\0';
	return url;
}

void
cxsig_config_check_url(const CxsigConfigObject *object, const char *key, const char *url)
{
	const char *why = cxsig_http_check_url(url);

	if (why != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("config key \"%s\" of destination \"%s\" is no URL to send to",
							   full_key(object, key), object->destination),
						errdetail_internal("%s", why)));
}

CxsigConfigObject
cxsig_config_object(const CxsigConfigObject *object, const char *key)
{
	CxsigConfigObject inner = {object->destination, full_key(object, key), NULL};

	inner.json = cxsig_config_value(object, key);
	if (inner.json != NULL && !JB_ROOT_IS_OBJECT(inner.json))
		cxsig_config_refuse(object, key, "is not an object", NULL);
	return inner;
}

Jsonb *
cxsig_config_value(const CxsigConfigObject *object, const char *key)
{
	JsonbValue value;

	return find(object, key, &value) ? JsonbValueToJsonb(&value) : NULL;
}

void
cxsig_config_refuse(const CxsigConfigObject *object, const char *key, const char *what,
					const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("config key \"%s\" of destination \"%s\" %s", full_key(object, key),
						   object->destination, what),
					hint != NULL ? errhint("%s", hint) : 0));
}

static bool
find(const CxsigConfigObject *object, const char *key, JsonbValue *value)
{
	return object->json != NULL && JB_ROOT_IS_OBJECT(object->json) &&
		   getKeyJsonValueFromContainer(&object->json->root, key, strlen(key), value) != NULL;
}

static bool
is_among(const char *word, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
	{
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/* "Allowed are a, b and c.": for a hint. */
static const char *
list_words(const char *before, const char *const *words, const char *quote)
{
	StringInfoData list;

	initStringInfo(&list);
	appendStringInfoString(&list, before);
	for (int i = 0; words[i] != NULL; i++)
		appendStringInfo(&list, "%s %s%s%s", i == 0 ? "" : (words[i + 1] == NULL ? " and" : ","),
						 quote, words[i], quote);
	appendStringInfoChar(&list, '.');
	return list.data;
}

/* The key as it is written from the top of the config: "auth.flow". */
static const char *
full_key(const CxsigConfigObject *object, const char *key)
{
	return object->path[0] == '\0' ? key : psprintf("%s.%.64s", object->path, key);
}
