/*
 * digest.c
 *	  What a signal is told apart by: the digest of its content, and its default idempotency key.
 *
 * Runs in every backend that ingests; pure, takes no lock. The bytes that are hashed must stay the
 * same from release to release: a repeat of an old signal would turn from a duplicate into a
 * conflict. A field that is added later is hashed only where it is present.
 */
#include "postgres.h"

#include <math.h>

#include "common/cryptohash.h"
#include "common/shortest_dec.h"
#include "ingest/signal.h"
#include "ingest/validate.h"
#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/numeric.h"

static void digest_bytes(StringInfo out, char tag, const char *data, int len);
static void digest_text(StringInfo out, char tag, CxsigString text);
static void digest_label(StringInfo out, char tag, const char *label);
static void digest_int64(StringInfo out, char tag, int64 value);
static void digest_score(StringInfo out, char tag, double score);
static void digest_list(StringInfo out, char tag, const CxsigString *list, int n);
static void digest_metrics(StringInfo out, char tag, Jsonb *metrics);
static CxsigString digest_scalar(const JsonbValue *value);
static void digest_sha256(const char *data, int len, uint8 *digest);
static void key_append(StringInfo out, CxsigString part);

/* A field that is present: its tag, its length, its bytes. */
static void
digest_bytes(StringInfo out, char tag, const char *data, int len)
{
	uint32 length = pg_hton32((uint32) len);

	appendStringInfoCharMacro(out, tag);
	appendBinaryStringInfo(out, (const char *) &length, sizeof(length));
	appendBinaryStringInfo(out, data, len);
}

static void
digest_text(StringInfo out, char tag, CxsigString text)
{
	if (text.data != NULL)
		digest_bytes(out, tag, text.data, text.len);
}

static void
digest_label(StringInfo out, char tag, const char *label)
{
	if (label != NULL)
		digest_bytes(out, tag, label, strlen(label));
}

static void
digest_int64(StringInfo out, char tag, int64 value)
{
	uint64 bytes = pg_hton64((uint64) value);

	digest_bytes(out, tag, (const char *) &bytes, sizeof(bytes));
}

static void
digest_score(StringInfo out, char tag, double score)
{
	char text[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (!isnan(score))
		digest_bytes(out, tag, text, double_to_shortest_decimal_buf(score, text));
}

static void
digest_list(StringInfo out, char tag, const CxsigString *list, int n)
{
	int i;

	for (i = 0; i < n; i++)
		digest_text(out, tag, list[i]);
}

/*
 * A metric counts by its text, so that a metric defined later (which turns "42" into 42, "yes" into
 * true) does not turn repeats of earlier signals into conflicts.
 */
static void
digest_metrics(StringInfo out, char tag, Jsonb *metrics)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;

	if (metrics == NULL)
		return;
	iterator = JsonbIteratorInit(&metrics->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			digest_bytes(out, tag, value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			digest_text(out, tag, digest_scalar(&value));
	}
}

static CxsigString
digest_scalar(const JsonbValue *value)
{
	CxsigString text = {"", 0};
	bool truth;

	if (value->type == jbvNumeric)
		return cxsig_string(numeric_normalize(value->val.numeric));
	(void) cxsig_scalar_text(value, &text);
	/* a lone digit stays a number */
	if (text.len > 1 && cxsig_scan_boolean(text, &truth))
		return cxsig_string(truth ? "true" : "false");
	return text;
}

void
cxsig_signal_digest(CxsigSignal *signal)
{
	StringInfoData out;

	initStringInfo(&out);
	digest_text(&out, 'A', signal->source_system);
	digest_text(&out, 'B', signal->ticket_id);
	digest_int64(&out, 'C', signal->occurred_at);
	digest_text(&out, 'D', signal->evidence_url);
	digest_text(&out, 'E', signal->account_id);
	if (signal->version_given)
		digest_int64(&out, 'F', signal->version);
	digest_label(&out, 'G', signal->event_type);
	digest_label(&out, 'H', signal->sentiment);
	digest_label(&out, 'I', signal->sentiment_start);
	digest_label(&out, 'J', signal->sentiment_end);
	digest_label(&out, 'K', signal->churn_risk);
	digest_score(&out, 'L', signal->churn_score);
	digest_label(&out, 'M', signal->effort);
	digest_score(&out, 'N', signal->effort_score);
	digest_score(&out, 'O', signal->confidence);
	digest_text(&out, 'P', signal->model);
	digest_text(&out, 'Q', signal->canonical_tag);
	digest_text(&out, 'R', signal->driver);
	digest_list(&out, 'S', signal->raw_tags, signal->n_raw_tags);
	digest_metrics(&out, 'T', signal->custom_metrics);
	digest_list(&out, 'U', signal->quotes, signal->n_quotes);
	digest_sha256(out.data, out.len, signal->digest);
	pfree(out.data);
}

static void
digest_sha256(const char *data, int len, uint8 *digest)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);

	if (pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) data, len) < 0 ||
		pg_cryptohash_final(context, digest, CXSIG_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(context));
	pg_cryptohash_free(context);
}

/* ":" separates the parts of a key, so it is escaped inside of them. */
static void
key_append(StringInfo out, CxsigString part)
{
	int i;

	for (i = 0; i < part.len; i++)
	{
		if (part.data[i] == ':' || part.data[i] == '\\')
			appendStringInfoCharMacro(out, '\\');
		appendStringInfoCharMacro(out, part.data[i]);
	}
}

CxsigString
cxsig_signal_default_key(const CxsigSignal *signal)
{
	StringInfoData out;
	CxsigString key;
	initStringInfo(&out);
	key_append(&out, signal->source_system);
	appendStringInfoChar(&out, ':');
	key_append(&out, signal->ticket_id);
	appendStringInfo(&out, ":%s", cxsig_print_timestamp(signal->occurred_at).data);
	key.data = out.data;
	key.len = out.len;
	if (cxsig_scan_length(key) > CXSIG_KEY_MAX)
	{
		uint8 digest[CXSIG_DIGEST_LENGTH];
		int i;

		digest_sha256(key.data, key.len, digest);
		resetStringInfo(&out);
		key_append(&out, signal->source_system);
		appendStringInfoString(&out, ":sha256:");
		for (i = 0; i < CXSIG_DIGEST_LENGTH; i++)
			appendStringInfo(&out, "%02x", digest[i]);
		key.data = out.data;
		key.len = out.len;
	}
	return key;
}
