/*
 * validate_fields.c
 *	  Readers of the scalar fields of an input: ids, names, levels, scores, time, numbers.
 *
 * Runs in every backend that ingests. Touches no table (the taxonomy is cached), takes no lock, and
 * refuses by CxsigProblem instead of raising. A refusal names the field, the value and what is
 * allowed.
 */
#include "postgres.h"

#include <math.h>

#include "ingest/signal.h"
#include "ingest/taxonomy.h"
#include "ingest/validate.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#define FUTURE_MAX (10 * USECS_PER_MINUTE)

/* Versions above this are not the same number in a receiver that reads JSON numbers as doubles. */
#define VERSION_MAX INT64CONST(9007199254740991)

#define MEMBER(reading, type) ((type *) ((char *) (reading)->signal + (reading)->rule->member))

/* The labels of an enum, and for the hint what else is allowed. */
typedef struct LevelSet
{
	const char *map_field; /* in value_map */
	const char *also;
	int n;
	const char *labels[8];
} LevelSet;

static const LevelSet sentiment_levels = {
	"sentiment",
	"",
	7,
	{"very_negative", "negative", "neutral", "positive", "very_positive", "mixed", "unknown"}};

static const LevelSet churn_levels = {"churn_risk",
									  ", a score such as 0.8, 80% or 8/10",
									  5,
									  {"none", "low", "medium", "high", "unknown"}};

static const LevelSet effort_levels = {
	"effort", ", a score such as 0.8, 80% or 8/10", 4, {"low", "medium", "high", "unknown"}};

static const char *const event_types[] = {"signal.created", "signal.updated", "signal.retracted",
										  "signal.flagged", "signal.remapped"};

static const char *field_find_level(const CxsigReading *reading, const LevelSet *set,
									CxsigString text);
static char *field_level_hint(const LevelSet *set);
static bool field_read_scored(CxsigReading *reading, JsonbValue *value, const LevelSet *set,
							  double *score, const char *(*level_of)(double) );

bool
cxsig_scalar_text(const JsonbValue *value, CxsigString *text)
{
	switch (value->type)
	{
		case jbvString:
			text->data = value->val.string.val;
			text->len = value->val.string.len;
			return true;
		case jbvNumeric:
			*text = cxsig_string(DatumGetCString(
				DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
			return true;
		case jbvBool:
			*text = cxsig_string(value->val.boolean ? "true" : "false");
			return true;
		default:
			return false;
	}
}

bool
cxsig_reading_text(CxsigReading *reading, JsonbValue *value, CxsigString *text)
{
	if (!cxsig_scalar_text(value, text))
		return cxsig_reading_refuse(
			reading, ERRCODE_INVALID_PARAMETER_VALUE,
			psprintf("field \"%s\" is an array or an object", reading->rule->name),
			pstrdup("Allowed is a string or a number."));
	*text = cxsig_scan_trim(*text);
	return true;
}

bool
cxsig_read_text(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;

	if (value->type == jbvBool)
		return cxsig_reading_refuse(reading, ERRCODE_INVALID_PARAMETER_VALUE,
									psprintf("field \"%s\" has value %s", reading->rule->name,
											 value->val.boolean ? "true" : "false"),
									pstrdup("Allowed is a string or a number."));
	if (!cxsig_reading_text(reading, value, &text))
		return false;
	if (text.len > reading->rule->limit && cxsig_scan_length(text) > reading->rule->limit)
		return cxsig_reading_refuse_value(
			reading, ERRCODE_CHECK_VIOLATION, text,
			psprintf("Allowed are 1 to %d characters.", reading->rule->limit));
	if (cxsig_scan_has_control(text, false))
		return cxsig_reading_refuse_value(reading, ERRCODE_CHECK_VIOLATION, text,
										  pstrdup("Control characters are not allowed."));
	*MEMBER(reading, CxsigString) = text;
	return true;
}

bool
cxsig_read_name(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	if (!cxsig_scan_is_name(text))
		return cxsig_reading_refuse_value(
			reading, ERRCODE_CHECK_VIOLATION, text,
			pstrdup("Allowed are 1 to 63 letters, digits and _ . : -, starting with a letter or "
					"digit."));
	*MEMBER(reading, CxsigString) = text;
	return true;
}

bool
cxsig_read_canonical_tag(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;
	CxsigString canonical;
	CxsigString driver;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	if (cxsig_taxonomy_has_tags())
	{
		if (!cxsig_taxonomy_find_tag(text, &canonical, &driver))
			return cxsig_reading_refuse_value(
				reading, ERRCODE_CHECK_VIOLATION, text,
				pstrdup("Allowed are the tags of cxsig.canonical_tag: define it with "
						"cxsig.define_tag(), or give it in raw_tags."));
		*MEMBER(reading, CxsigString) = canonical;
		return true;
	}
	if (!cxsig_scan_is_name(text))
		text = cxsig_scan_fold(text);
	if (!cxsig_scan_is_name(text))
		return cxsig_reading_refuse_value(
			reading, ERRCODE_CHECK_VIOLATION, text,
			pstrdup("Allowed are 1 to 63 letters, digits and _ . : -, starting with a letter or "
					"digit."));
	*MEMBER(reading, CxsigString) = text;
	return true;
}

bool
cxsig_read_event_type(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;
	int i;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	for (i = 0; i < (int) lengthof(event_types); i++)
	{
		if (cxsig_string_equal(text, cxsig_string(event_types[i])))
		{
			*MEMBER(reading, const char *) = event_types[i];
			return true;
		}
	}
	return cxsig_reading_refuse_value(reading, ERRCODE_CHECK_VIOLATION, text,
									  pstrdup("Allowed are signal.created, signal.updated, "
											  "signal.retracted, signal.flagged and "
											  "signal.remapped; leave it out to have it found."));
}

/* The label that a text stands for: by the source's own mapping, else as it is; NULL if none. */
static const char *
field_find_level(const CxsigReading *reading, const LevelSet *set, CxsigString text)
{
	CxsigString folded = cxsig_scan_fold(text);
	CxsigString mapped =
		cxsig_taxonomy_map_value(reading->signal->source_system, set->map_field, folded);
	int i;

	if (mapped.data != NULL)
		folded = mapped;
	for (i = 0; i < set->n; i++)
	{
		if (cxsig_string_equal(folded, cxsig_string(set->labels[i])))
			return set->labels[i];
	}
	return NULL;
}

static char *
field_level_hint(const LevelSet *set)
{
	StringInfoData hint;
	int i;

	initStringInfo(&hint);
	appendStringInfoString(&hint, "Allowed are ");
	for (i = 0; i < set->n; i++)
		appendStringInfo(&hint, "%s%s", i > 0 ? ", " : "", set->labels[i]);
	appendStringInfo(&hint, "%s, or a value mapped by cxsig.map_value().", set->also);
	return hint.data;
}

bool
cxsig_read_sentiment(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;
	const char *level;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	level = field_find_level(reading, &sentiment_levels, text);
	if (level == NULL)
		return cxsig_reading_refuse_value(reading, ERRCODE_CHECK_VIOLATION, text,
										  field_level_hint(&sentiment_levels));
	*MEMBER(reading, const char *) = level;
	return true;
}

/* A level, or a score that gives both. */
static bool
field_read_scored(CxsigReading *reading, JsonbValue *value, const LevelSet *set, double *score,
				  const char *(*level_of)(double) )
{
	CxsigString text;
	const char *level;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	level = field_find_level(reading, set, text);
	if (level == NULL && cxsig_scan_score(text, score))
		level = level_of(*score);
	if (level == NULL)
		return cxsig_reading_refuse_value(reading, ERRCODE_CHECK_VIOLATION, text,
										  field_level_hint(set));
	*MEMBER(reading, const char *) = level;
	return true;
}

bool
cxsig_read_churn_risk(CxsigReading *reading, JsonbValue *value)
{
	return field_read_scored(reading, value, &churn_levels, &reading->signal->churn_score,
							 cxsig_churn_level);
}

bool
cxsig_read_effort(CxsigReading *reading, JsonbValue *value)
{
	return field_read_scored(reading, value, &effort_levels, &reading->signal->effort_score,
							 cxsig_effort_level);
}

const char *
cxsig_churn_level(double score)
{
	if (score >= 0.7)
		return "high";
	if (score >= 0.4)
		return "medium";
	return score >= 0.1 ? "low" : "none";
}

const char *
cxsig_effort_level(double score)
{
	if (score >= 0.7)
		return "high";
	return score >= 0.4 ? "medium" : "low";
}

bool
cxsig_read_score(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	if (!cxsig_scan_score(text, MEMBER(reading, double)))
		return cxsig_reading_refuse_value(
			reading, ERRCODE_CHECK_VIOLATION, text,
			pstrdup("Allowed is a share from 0 to 1, written such as 0.8, 80% or 8/10."));
	return true;
}

bool
cxsig_read_confidence(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;
	CxsigString mapped;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	mapped = cxsig_taxonomy_map_value(reading->signal->source_system, "confidence",
									  cxsig_scan_fold(text));
	if (!cxsig_scan_score(mapped.data != NULL ? mapped : text, MEMBER(reading, double)))
		return cxsig_reading_refuse_value(
			reading, ERRCODE_CHECK_VIOLATION, text,
			pstrdup("Allowed is a share from 0 to 1, written such as 0.8, 80% or 8/10, or a value "
					"mapped by cxsig.map_value()."));
	return true;
}

bool
cxsig_read_occurred_at(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;
	TimestampTz at;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	switch (cxsig_scan_timestamp(text, &at))
	{
		case CXSIG_TIME_OK:
			break;
		case CXSIG_TIME_NO_ZONE:
			return cxsig_reading_refuse(
				reading, ERRCODE_INVALID_DATETIME_FORMAT,
				psprintf("field \"%s\" has value \"%s\", which lacks a time zone",
						 reading->rule->name, cxsig_scan_cut(text)),
				pstrdup("Write date, time and zone, such as 2026-11-24T07:21:57Z or "
						"2026-11-24T08:21:57+01:00."));
		default:
			return cxsig_reading_refuse_value(
				reading, ERRCODE_INVALID_DATETIME_FORMAT, text,
				pstrdup("Allowed is a date with time and zone, such as 2026-11-24T07:21:57Z or "
						"2026-11-24T08:21:57+01:00."));
	}
	if (at > reading->now + FUTURE_MAX)
		return cxsig_reading_refuse(
			reading, ERRCODE_DATETIME_FIELD_OVERFLOW,
			psprintf("field \"%s\" has value \"%s\", which lies in the future", reading->rule->name,
					 cxsig_scan_cut(text)),
			pstrdup("At most 10 minutes ahead of this server's clock are allowed."));
	*MEMBER(reading, TimestampTz) = at;
	return true;
}

bool
cxsig_read_version(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;
	int64 version;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	if (!cxsig_scan_integer(text, &version) || version < 1 || version > VERSION_MAX)
		return cxsig_reading_refuse_value(
			reading, ERRCODE_CHECK_VIOLATION, text,
			psprintf("Allowed is a whole number from 1 to " INT64_FORMAT
					 "; leave it out to have revisions counted.",
					 VERSION_MAX));
	reading->signal->version = version;
	reading->signal->version_given = true;
	return true;
}

bool
cxsig_read_schema_version(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;
	int64 version;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	if (!cxsig_scan_integer(text, &version) || version != CXSIG_SCHEMA_VERSION)
		return cxsig_reading_refuse_value(
			reading, ERRCODE_CHECK_VIOLATION, text,
			psprintf("Allowed is %d, the version this release knows.", CXSIG_SCHEMA_VERSION));
	return true;
}

bool
cxsig_read_backfill(CxsigReading *reading, JsonbValue *value)
{
	CxsigString text;

	if (!cxsig_reading_text(reading, value, &text))
		return false;
	if (!cxsig_scan_boolean(text, MEMBER(reading, bool)))
		return cxsig_reading_refuse_value(reading, ERRCODE_INVALID_PARAMETER_VALUE, text,
										  pstrdup("Allowed are true and false."));
	return true;
}
