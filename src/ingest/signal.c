/*
 * signal.c
 *	  Reads an input, a JSON object, into a CxsigSignal: which fields there are, which must be there,
 *	  and what follows from them (default key, digest, tags).
 *
 * Runs in every backend that ingests. Touches no table (the taxonomy is cached), takes no lock.
 * A bad input is reported in a CxsigProblem, not raised: in a batch its neighbours go on.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "ingest/signal.h"
#include "ingest/taxonomy.h"
#include "ingest/validate.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#define AT(member) offsetof(CxsigSignal, member)

/* Indexed by CxsigField. */
static const CxsigFieldRule signal_rules[CXSIG_FIELDS] = {
	{"model", cxsig_read_text, AT(model), 200},
	{"driver", cxsig_read_name, AT(driver), 63},
	{"effort", cxsig_read_effort, AT(effort), 0},
	{"quotes", cxsig_read_quotes, AT(quotes), 500},
	{"version", cxsig_read_version, AT(version), 0},
	{"backfill", cxsig_read_backfill, AT(backfill), 0},
	{"raw_tags", cxsig_read_raw_tags, AT(raw_tags), 200},
	{"sentiment", cxsig_read_sentiment, AT(sentiment), 0},
	{"ticket_id", cxsig_read_text, AT(ticket_id), 128},
	{"account_id", cxsig_read_text, AT(account_id), 128},
	{"churn_risk", cxsig_read_churn_risk, AT(churn_risk), 0},
	{"confidence", cxsig_read_confidence, AT(confidence), 0},
	{"event_type", cxsig_read_event_type, AT(event_type), 0},
	{"tracestate", cxsig_read_tracestate, AT(tracestate), 512},
	{"churn_score", cxsig_read_score, AT(churn_score), 0},
	{"occurred_at", cxsig_read_occurred_at, AT(occurred_at), 0},
	{"traceparent", cxsig_read_traceparent, AT(traceparent), 0},
	{"effort_score", cxsig_read_score, AT(effort_score), 0},
	{"evidence_url", cxsig_read_evidence_url, AT(evidence_url), 2048},
	{"canonical_tag", cxsig_read_canonical_tag, AT(canonical_tag), 63},
	{"sentiment_end", cxsig_read_sentiment, AT(sentiment_end), 0},
	{"source_system", cxsig_read_name, AT(source_system), 63},
	{"custom_metrics", cxsig_read_custom_metrics, AT(custom_metrics), 0},
	{"schema_version", cxsig_read_schema_version, 0, 0},
	{"idempotency_key", cxsig_read_text, AT(idempotency_key), CXSIG_KEY_MAX},
	{"sentiment_start", cxsig_read_sentiment, AT(sentiment_start), 0}};

/* Read first: other fields depend on the source, and every signal must have these. */
static const CxsigField signal_required[] = {CXSIG_TICKET_ID, CXSIG_SOURCE_SYSTEM,
											 CXSIG_OCCURRED_AT, CXSIG_EVIDENCE_URL};

static bool signal_collect(CxsigReading *reading, JsonbValue *input, JsonbValue *fields,
						   bool *present);
static int signal_find_field(CxsigString key, int from);
static bool signal_refuse_unknown(CxsigReading *reading, CxsigString key);
static bool signal_is_absent(JsonbValue *value);
static bool signal_read_fields(CxsigReading *reading, JsonbValue *fields, bool *present);
static void signal_add_unmapped(CxsigSignal *signal, CxsigString folded);

void
cxsig_signal_init(CxsigSignal *signal)
{
	memset(signal, 0, sizeof(CxsigSignal));
	signal->churn_score = NAN;
	signal->effort_score = NAN;
	signal->confidence = NAN;
}

bool
cxsig_signal_read(JsonbValue *input, TimestampTz now, CxsigSignal *signal, CxsigProblem *problem)
{
	CxsigReading reading;
	JsonbValue fields[CXSIG_FIELDS];
	bool present[CXSIG_FIELDS];

	cxsig_signal_init(signal);
	signal->input = input;
	memset(problem, 0, sizeof(CxsigProblem));
	reading.signal = signal;
	reading.problem = problem;
	reading.rule = NULL;
	reading.now = now;
	memset(present, 0, sizeof(present));
	if (!signal_collect(&reading, input, fields, present) ||
		!signal_read_fields(&reading, fields, present))
		return false;

	if (isnan(signal->churn_score) == false && signal->churn_risk == NULL)
		signal->churn_risk = cxsig_churn_level(signal->churn_score);
	if (isnan(signal->effort_score) == false && signal->effort == NULL)
		signal->effort = cxsig_effort_level(signal->effort_score);
	if (signal->traceparent.data == NULL)
		signal->tracestate = cxsig_string(NULL);
	if (signal->idempotency_key.data == NULL)
		signal->idempotency_key = cxsig_signal_default_key(signal);
	cxsig_signal_digest(signal);
	cxsig_signal_resolve_tags(signal);
	return true;
}

/* Sort the input's fields into an array by CxsigField. */
static bool
signal_collect(CxsigReading *reading, JsonbValue *input, JsonbValue *fields, bool *present)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;
	int field = 0;

	if (input->type != jbvBinary || !JsonContainerIsObject(input->val.binary.data))
		return cxsig_reading_refuse(reading, ERRCODE_INVALID_PARAMETER_VALUE,
									pstrdup("it is not a JSON object"),
									pstrdup("A signal is an object such as {\"ticket_id\": "
											"\"T-1\", \"occurred_at\": ...}."));
	iterator = JsonbIteratorInit(input->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		CxsigString key;

		if (token != WJB_KEY)
			continue;
		key.data = value.val.string.val;
		key.len = value.val.string.len;
		(void) JsonbIteratorNext(&iterator, &value, true);
		/* keys come in the order of the enum, so the search goes on where it stopped */
		field = signal_find_field(key, field);
		if (field == CXSIG_FIELDS)
			return signal_refuse_unknown(reading, key);
		fields[field] = value;
		present[field] = !signal_is_absent(&value);
	}
	return true;
}

static int
signal_find_field(CxsigString key, int from)
{
	int field;

	for (field = from; field < CXSIG_FIELDS; field++)
	{
		if (cxsig_string_equal(cxsig_string(signal_rules[field].name), key))
			break;
	}
	return field;
}

static bool
signal_refuse_unknown(CxsigReading *reading, CxsigString key)
{
	CxsigString tried = cxsig_string_copy(key);
	int nearest = 0;
	int distance = INT_MAX;
	int field;

	tried.len = pg_mbcharcliplen(key.data, key.len, 30);
	for (field = 0; field < CXSIG_FIELDS; field++)
	{
		const char *name = signal_rules[field].name;
		int d;

		d = varstr_levenshtein(tried.data, tried.len, name, strlen(name), 1, 1, 1, true);
		/* "metrics" means custom_metrics, however many letters lie between them */
		if (strstr(name, tried.data) != NULL)
			d = 0;
		if (d < distance)
		{
			distance = d;
			nearest = field;
		}
	}
	reading->problem->field = pnstrdup(tried.data, tried.len);
	return cxsig_reading_refuse(
		reading, ERRCODE_INVALID_PARAMETER_VALUE,
		psprintf("field \"%s\" is unknown", cxsig_scan_cut(key)),
		psprintf("The nearest allowed field is \"%s\"; fields of your own go into "
				 "\"custom_metrics\".",
				 signal_rules[nearest].name));
}

/* null and the empty string say nothing. */
static bool
signal_is_absent(JsonbValue *value)
{
	CxsigString text;

	if (value->type == jbvNull)
		return true;
	if (value->type != jbvString)
		return false;
	text.data = value->val.string.val;
	text.len = value->val.string.len;
	return cxsig_scan_trim(text).len == 0;
}

static bool
signal_read_fields(CxsigReading *reading, JsonbValue *fields, bool *present)
{
	int i;

	reading->problem->field = NULL;
	for (i = 0; i < (int) lengthof(signal_required); i++)
	{
		CxsigField field = signal_required[i];

		reading->rule = &signal_rules[field];
		if (!present[field])
			return cxsig_reading_refuse(
				reading, ERRCODE_NOT_NULL_VIOLATION,
				psprintf("field \"%s\" is missing", reading->rule->name),
				pstrdup("Every signal has ticket_id, occurred_at, source_system and "
						"evidence_url."));
	}
	for (i = 0; i < (int) lengthof(signal_required); i++)
	{
		reading->rule = &signal_rules[signal_required[i]];
		if (!reading->rule->read(reading, &fields[signal_required[i]]))
			return false;
		present[signal_required[i]] = false;
	}
	for (i = 0; i < CXSIG_FIELDS; i++)
	{
		reading->rule = &signal_rules[i];
		if (present[i] && !reading->rule->read(reading, &fields[i]))
			return false;
	}
	return true;
}

void
cxsig_signal_resolve_tags(CxsigSignal *signal)
{
	CxsigString canonical = signal->canonical_tag;
	CxsigString driver = {NULL, 0};
	int i;

	signal->n_unmapped = 0;
	for (i = 0; i < signal->n_raw_tags; i++)
	{
		CxsigString folded = cxsig_scan_fold(signal->raw_tags[i]);
		CxsigString mapped;

		if (!cxsig_taxonomy_map_tag(signal->source_system, folded, &mapped))
			signal_add_unmapped(signal, folded);
		else if (canonical.data == NULL)
			canonical = cxsig_string_copy(mapped);
	}
	if (canonical.data != NULL && cxsig_taxonomy_find_tag(canonical, &canonical, &driver) &&
		signal->driver.data == NULL)
		signal->driver = cxsig_string_copy(driver);
	signal->canonical_tag = canonical;
}

static void
signal_add_unmapped(CxsigSignal *signal, CxsigString folded)
{
	int i;

	if (signal->unmapped == NULL)
		signal->unmapped = palloc(sizeof(CxsigString) * signal->n_raw_tags);
	for (i = 0; i < signal->n_unmapped; i++)
	{
		if (cxsig_string_equal(signal->unmapped[i], folded))
			return;
	}
	signal->unmapped[signal->n_unmapped++] = folded;
}

void
cxsig_problem_raise(const CxsigProblem *problem, int element)
{
	ereport(ERROR, (errcode(problem->sqlstate), errmsg("invalid signal: %s", problem->reason),
					element > 0 ? errdetail("It is element %d of the batch.", element) : 0,
					problem->hint ? errhint("%s", problem->hint) : 0));
}

bool
cxsig_reading_refuse(CxsigReading *reading, int sqlstate, char *reason, char *hint)
{
	reading->problem->sqlstate = sqlstate;
	if (reading->rule != NULL)
		reading->problem->field = reading->rule->name;
	reading->problem->reason = reason;
	reading->problem->hint = hint;
	return false;
}

bool
cxsig_reading_refuse_value(CxsigReading *reading, int sqlstate, CxsigString value, char *hint)
{
	return cxsig_reading_refuse(
		reading, sqlstate,
		psprintf("field \"%s\" has value \"%s\"", reading->rule->name, cxsig_scan_cut(value)),
		hint);
}
