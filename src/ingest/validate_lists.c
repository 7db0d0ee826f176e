/*
 * validate_lists.c
 *	  Readers of raw_tags, quotes and custom_metrics: lists and objects, or the text of one.
 *
 * Runs in every backend that ingests. Touches no table (the taxonomy is cached), takes no lock, and
 * refuses by CxsigProblem instead of raising.
 */
#include "postgres.h"

#include "ingest/flatjson.h"
#include "ingest/signal.h"
#include "ingest/taxonomy.h"
#include "ingest/validate.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define TAGS_MAX 50
#define QUOTES_MAX 10
#define METRICS_MAX 64
#define METRIC_NAME_MAX 128
#define METRICS_BYTES_MAX (16 * 1024)

/* What a list may hold. */
typedef struct ListLimits
{
	const char *separators; /* of a list written as one string */
	int count;
	bool lines; /* tab and line ends are allowed */
} ListLimits;

static const ListLimits tag_limits = {";,", TAGS_MAX, false};
static const ListLimits quote_limits = {";", QUOTES_MAX, true};

static bool list_read(CxsigReading *reading, JsonbValue *value, const ListLimits *limits,
					  CxsigString **list, int *n);
static bool list_read_array(CxsigReading *reading, JsonbContainer *array, const ListLimits *limits,
							CxsigString **list, int *n);
static bool list_split(CxsigReading *reading, CxsigString text, const ListLimits *limits,
					   CxsigString **list, int *n);
static bool list_add(CxsigReading *reading, CxsigString text, const ListLimits *limits,
					 CxsigString *list, int *n);
static JsonbContainer *list_parse(CxsigString text);
static bool metrics_read_object(CxsigReading *reading, JsonbContainer *object);
static bool metrics_check_name(CxsigReading *reading, CxsigString name);
static bool metrics_read_one(CxsigReading *reading, CxsigString name, JsonbValue *value);
static bool metrics_coerce(const CxsigMetric *metric, CxsigString text, JsonbValue *value);
static bool metrics_coerce_integer(CxsigString text, JsonbValue *value);
static bool metrics_coerce_text(const CxsigMetric *metric, CxsigString text, JsonbValue *value);
static bool metrics_coerce_timestamp(CxsigString text, JsonbValue *value);
static bool metrics_refuse(CxsigReading *reading, CxsigString name, CxsigString value, char *hint);
static char *metrics_hint(const CxsigMetric *metric);

bool
cxsig_read_raw_tags(CxsigReading *reading, JsonbValue *value)
{
	return list_read(reading, value, &tag_limits, &reading->signal->raw_tags,
					 &reading->signal->n_raw_tags);
}

bool
cxsig_read_quotes(CxsigReading *reading, JsonbValue *value)
{
	return list_read(reading, value, &quote_limits, &reading->signal->quotes,
					 &reading->signal->n_quotes);
}

/* An array of strings, or a string that holds one, as JSON or with separators. */
static bool
list_read(CxsigReading *reading, JsonbValue *value, const ListLimits *limits, CxsigString **list,
		  int *n)
{
	JsonbContainer *parsed;
	CxsigString text;

	if (value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data))
		return list_read_array(reading, value->val.binary.data, limits, list, n);
	if (value->type != jbvString)
		return cxsig_reading_refuse(
			reading, ERRCODE_INVALID_PARAMETER_VALUE,
			psprintf("field \"%s\" is no list", reading->rule->name),
			psprintf("Allowed is an array of at most %d strings.", limits->count));
	text.data = value->val.string.val;
	text.len = value->val.string.len;
	text = cxsig_scan_trim(text);
	if (text.data[0] == '[')
	{
		parsed = list_parse(text);
		if (parsed != NULL && JsonContainerIsArray(parsed))
			return list_read_array(reading, parsed, limits, list, n);
	}
	return list_split(reading, text, limits, list, n);
}

static JsonbContainer *
list_parse(CxsigString text)
{
	Jsonb *jsonb = cxsig_flatjson_parse(text);

	return jsonb ? &jsonb->root : NULL;
}

static bool
list_read_array(CxsigReading *reading, JsonbContainer *array, const ListLimits *limits,
				CxsigString **list, int *n)
{
	JsonbIterator *iterator = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue element;
	CxsigString text;

	*list = palloc(sizeof(CxsigString) * limits->count);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM || element.type == jbvNull)
			continue;
		if (!cxsig_scalar_text(&element, &text))
			return cxsig_reading_refuse(
				reading, ERRCODE_INVALID_PARAMETER_VALUE,
				psprintf("field \"%s\" holds an array or an object", reading->rule->name),
				psprintf("Allowed is an array of at most %d strings.", limits->count));
		if (!list_add(reading, text, limits, *list, n))
			return false;
	}
	return true;
}

static bool
list_split(CxsigReading *reading, CxsigString text, const ListLimits *limits, CxsigString **list,
		   int *n)
{
	const char *end = text.data + text.len;

	*list = palloc(sizeof(CxsigString) * limits->count);
	while (text.data <= end)
	{
		text.len = 0;
		while (text.data + text.len < end &&
			   strchr(limits->separators, text.data[text.len]) == NULL)
			text.len++;
		if (!list_add(reading, text, limits, *list, n))
			return false;
		text.data += text.len + 1;
	}
	return true;
}

static bool
list_add(CxsigReading *reading, CxsigString text, const ListLimits *limits, CxsigString *list,
		 int *n)
{
	int limit = reading->rule->limit;

	text = cxsig_scan_trim(text);
	if (text.len == 0)
		return true;
	if (*n >= limits->count)
		return cxsig_reading_refuse(
			reading, ERRCODE_CHECK_VIOLATION,
			psprintf("field \"%s\" has more than %d elements", reading->rule->name, limits->count),
			psprintf("Allowed are at most %d, of %d characters each.", limits->count, limit));
	if (text.len > limit && cxsig_scan_length(text) > limit)
		return cxsig_reading_refuse_value(
			reading, ERRCODE_CHECK_VIOLATION, text,
			psprintf("Allowed are at most %d elements of %d characters each.", limits->count,
					 limit));
	if (cxsig_scan_has_control(text, limits->lines))
		return cxsig_reading_refuse_value(reading, ERRCODE_CHECK_VIOLATION, text,
										  pstrdup("Control characters are not allowed."));
	list[(*n)++] = text;
	return true;
}

bool
cxsig_read_custom_metrics(CxsigReading *reading, JsonbValue *value)
{
	JsonbContainer *object = NULL;
	CxsigString text;

	if (value->type == jbvBinary)
		object = value->val.binary.data;
	else if (value->type == jbvString)
	{
		text.data = value->val.string.val;
		text.len = value->val.string.len;
		object = list_parse(text);
	}
	if (object == NULL || !JsonContainerIsObject(object))
	{
		if (cxsig_scalar_text(value, &text))
			return cxsig_reading_refuse_value(
				reading, ERRCODE_INVALID_PARAMETER_VALUE, text,
				pstrdup("Allowed is a JSON object of strings, numbers and booleans."));
		return cxsig_reading_refuse(
			reading, ERRCODE_INVALID_PARAMETER_VALUE,
			psprintf("field \"%s\" is an array", reading->rule->name),
			pstrdup("Allowed is a JSON object of strings, numbers and booleans."));
	}
	if (JsonContainerSize(object) > METRICS_MAX)
		return cxsig_reading_refuse(
			reading, ERRCODE_CHECK_VIOLATION,
			psprintf("field \"%s\" has %d keys", reading->rule->name, JsonContainerSize(object)),
			psprintf("Allowed are at most %d.", METRICS_MAX));
	return metrics_read_object(reading, object);
}

static bool
metrics_read_object(CxsigReading *reading, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbParseState *state = NULL;
	JsonbValue key;
	JsonbValue value;
	Jsonb *metrics;
	int n = 0;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		CxsigString name;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (value.type == jbvNull)
			continue;
		name.data = key.val.string.val;
		name.len = key.val.string.len;
		if (!metrics_check_name(reading, name) || !metrics_read_one(reading, name, &value))
			return false;
		(void) pushJsonbValue(&state, WJB_KEY, &key);
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
		n++;
	}
	metrics = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	if (VARSIZE(metrics) > METRICS_BYTES_MAX)
		return cxsig_reading_refuse(reading, ERRCODE_CHECK_VIOLATION,
									psprintf("field \"%s\" is too large", reading->rule->name),
									psprintf("Allowed are %d bytes in all.", METRICS_BYTES_MAX));
	if (n > 0)
		reading->signal->custom_metrics = metrics;
	return true;
}

static bool
metrics_check_name(CxsigReading *reading, CxsigString name)
{
	if (name.len > 0 && !cxsig_scan_has_control(name, false) &&
		(name.len <= METRIC_NAME_MAX || cxsig_scan_length(name) <= METRIC_NAME_MAX))
		return true;
	return cxsig_reading_refuse(
		reading, ERRCODE_CHECK_VIOLATION,
		psprintf("field \"%s\" has key \"%s\"", reading->rule->name, cxsig_scan_cut(name)),
		psprintf("Allowed are keys of 1 to %d characters, without control characters.",
				 METRIC_NAME_MAX));
}

/* Check one metric and turn it into its defined type. */
static bool
metrics_read_one(CxsigReading *reading, CxsigString name, JsonbValue *value)
{
	const CxsigMetric *metric;
	CxsigString text;

	if (!cxsig_scalar_text(value, &text))
		return cxsig_reading_refuse(
			reading, ERRCODE_INVALID_PARAMETER_VALUE,
			psprintf("field \"%s\" has an array or an object under key \"%s\"", reading->rule->name,
					 cxsig_scan_cut(name)),
			pstrdup("Allowed are strings, numbers and booleans."));
	if (cxsig_scan_has_control(text, true))
		return metrics_refuse(reading, name, text, pstrdup("Control characters are not allowed."));
	metric = cxsig_taxonomy_find_metric(name);
	if (metric == NULL || metrics_coerce(metric, text, value))
		return true;
	return metrics_refuse(reading, name, text, metrics_hint(metric));
}

static bool
metrics_refuse(CxsigReading *reading, CxsigString name, CxsigString value, char *hint)
{
	return cxsig_reading_refuse(reading, ERRCODE_CHECK_VIOLATION,
								psprintf("field \"%s\" has value \"%s\" under key \"%s\"",
										 reading->rule->name, cxsig_scan_cut(value),
										 cxsig_scan_cut(name)),
								hint);
}

static char *
metrics_hint(const CxsigMetric *metric)
{
	StringInfoData hint;
	int i;

	initStringInfo(&hint);
	appendStringInfo(&hint, "The metric is defined as %s", metric->type_name);
	for (i = 0; i < metric->n_allowed; i++)
		appendStringInfo(&hint, "%s%s", i == 0 ? "; allowed are " : ", ", metric->allowed[i].data);
	appendStringInfoString(&hint, ". See cxsig.define_metric().");
	return hint.data;
}

static bool
metrics_coerce(const CxsigMetric *metric, CxsigString text, JsonbValue *value)
{
	CxsigString trimmed = cxsig_scan_trim(text);

	switch (metric->type)
	{
		case CXSIG_METRIC_NUMBER:
			if (value->type == jbvNumeric)
				return true;
			value->type = jbvNumeric;
			return cxsig_scan_numeric(trimmed, &value->val.numeric);
		case CXSIG_METRIC_INTEGER:
			return metrics_coerce_integer(trimmed, value);
		case CXSIG_METRIC_BOOLEAN:
			value->type = jbvBool;
			return cxsig_scan_boolean(trimmed, &value->val.boolean);
		case CXSIG_METRIC_TEXT:
			return metrics_coerce_text(metric, text, value);
		case CXSIG_METRIC_TIMESTAMP:
			return metrics_coerce_timestamp(trimmed, value);
	}
	return false;
}

static bool
metrics_coerce_integer(CxsigString text, JsonbValue *value)
{
	int64 whole;

	if (!cxsig_scan_integer(text, &whole))
		return false;
	value->type = jbvNumeric;
	value->val.numeric = int64_to_numeric(whole);
	return true;
}

static bool
metrics_coerce_text(const CxsigMetric *metric, CxsigString text, JsonbValue *value)
{
	int i;

	value->type = jbvString;
	value->val.string.val = unconstify(char *, text.data);
	value->val.string.len = text.len;
	if (metric->allowed == NULL)
		return true;
	for (i = 0; i < metric->n_allowed; i++)
	{
		if (cxsig_string_equal(metric->allowed[i], text))
			return true;
	}
	return false;
}

static bool
metrics_coerce_timestamp(CxsigString text, JsonbValue *value)
{
	CxsigString written;
	TimestampTz at;

	if (cxsig_scan_timestamp(text, &at) != CXSIG_TIME_OK)
		return false;
	written = cxsig_print_timestamp(at);
	value->type = jbvString;
	value->val.string.val = unconstify(char *, written.data);
	value->val.string.len = written.len;
	return true;
}
