/*
 * taxonomy.c
 *	  A backend's cache of what the words of a source mean.
 *
 * Runs in every backend that ingests. One memory context, one hash table, read as a whole with the
 * latest snapshot. A statement trigger on each of the five tables sends a relcache invalidation of
 * its table, which reaches every backend at commit (and this one at once); the callback only sets
 * a flag. Takes ACCESS SHARE on the five tables while reading.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "ingest/taxonomy.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Longer keys than this cannot have been defined: see the domains of the tables. */
#define TAXONOMY_KEY_MAX 1024

typedef enum TaxonomyTable
{
	TAXONOMY_SOURCE,
	TAXONOMY_VALUE,
	TAXONOMY_MAPPING,
	TAXONOMY_TAG,
	TAXONOMY_METRIC,
	TAXONOMY_TABLES
} TaxonomyTable;

/* Key: the table, then up to three parts, each behind a separator that no part can hold. */
typedef struct TaxonomyEntry
{
	CxsigString key;
	CxsigString text; /* canonical value, canonical tag, driver, or the list of hosts */
	CxsigString *list;
	int n_list;
	CxsigMetric metric;
} TaxonomyEntry;

static const char *const taxonomy_names[TAXONOMY_TABLES] = {"source", "value_map", "tag_mapping",
															"canonical_tag", "metric"};

/* Two or three key columns, then the value: text, or text[] in the last column. */
static const char *const taxonomy_queries[TAXONOMY_TABLES] = {
	"select source_system::pg_catalog.text, ''::pg_catalog.text, ''::pg_catalog.text, "
	"pg_catalog.array_to_string(evidence_hosts, ', '), evidence_hosts from cxsig.source",
	"select source_system::pg_catalog.text, field, raw_value, canonical, "
	"null::pg_catalog.text[] from cxsig.value_map",
	"select source_system, raw_tag, ''::pg_catalog.text, canonical_tag::pg_catalog.text, "
	"null::pg_catalog.text[] from cxsig.tag_mapping",
	"select canonical_tag::pg_catalog.text, ''::pg_catalog.text, ''::pg_catalog.text, "
	"driver::pg_catalog.text, null::pg_catalog.text[] from cxsig.canonical_tag",
	"select metric::pg_catalog.text, ''::pg_catalog.text, ''::pg_catalog.text, type, allowed "
	"from cxsig.metric"};

static MemoryContext taxonomy_context = NULL;
static HTAB *taxonomy_entries = NULL;
static bool taxonomy_has_tags = false;

/* Cleared by the callback; what was read while it was cleared is read again. */
static bool taxonomy_valid = false;
static Oid taxonomy_relations[TAXONOMY_TABLES];

static void taxonomy_register(void);
static void taxonomy_invalidate(Datum arg, Oid relation);
static void taxonomy_load(void);
static void taxonomy_load_table(TaxonomyTable table);
static void taxonomy_load_row(TaxonomyTable table, HeapTuple tuple, TupleDesc desc);
static CxsigString taxonomy_column(HeapTuple tuple, TupleDesc desc, int column);
static CxsigString *taxonomy_list(Datum array, int *count);
static CxsigMetricType taxonomy_metric_type(const char *name);
static bool taxonomy_key(char *buffer, CxsigString *key, TaxonomyTable table, CxsigString a,
						 CxsigString b, CxsigString c);
static TaxonomyEntry *taxonomy_find(TaxonomyTable table, CxsigString a, CxsigString b,
									CxsigString c);
static uint32 taxonomy_hash(const void *key, Size size);
static int taxonomy_compare(const void *a, const void *b, Size size);

PG_FUNCTION_INFO_V1(cxsig_taxonomy_changed);

/* The statement trigger: tell every backend's cache. */
Datum
cxsig_taxonomy_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("cxsig._taxonomy_changed() can only be called as a trigger")));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}

void
cxsig_taxonomy_refresh(void)
{
	taxonomy_register();
	if (!taxonomy_valid)
		taxonomy_load();
}

static void
taxonomy_register(void)
{
	static bool registered = false;

	if (registered)
		return;
	CacheRegisterRelcacheCallback(taxonomy_invalidate, (Datum) 0);
	registered = true;
}

static void
taxonomy_invalidate(Datum arg, Oid relation)
{
	int i;

	if (!OidIsValid(relation))
		taxonomy_valid = false;
	for (i = 0; i < TAXONOMY_TABLES; i++)
	{
		if (taxonomy_relations[i] == relation)
			taxonomy_valid = false;
	}
}

static void
taxonomy_load(void)
{
	Oid schema = get_namespace_oid("cxsig", false);
	HASHCTL control;
	int table;

	if (taxonomy_context == NULL)
		taxonomy_context =
			AllocSetContextCreate(TopMemoryContext, "cxsig taxonomy", ALLOCSET_DEFAULT_SIZES);
	taxonomy_entries = NULL;
	MemoryContextReset(taxonomy_context);
	taxonomy_has_tags = false;

	control.keysize = sizeof(CxsigString);
	control.entrysize = sizeof(TaxonomyEntry);
	control.hash = taxonomy_hash;
	control.match = taxonomy_compare;
	control.hcxt = taxonomy_context;
	taxonomy_entries = hash_create("cxsig taxonomy", 256, &control,
								   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	for (table = 0; table < TAXONOMY_TABLES; table++)
		taxonomy_relations[table] = get_relname_relid(taxonomy_names[table], schema);

	/* set before reading: a change that arrives meanwhile clears it again; an error clears it too */
	taxonomy_valid = true;
	PG_TRY();
	{
		SPI_connect();
		for (table = 0; table < TAXONOMY_TABLES; table++)
			taxonomy_load_table(table);
		SPI_finish();
	}
	PG_CATCH();
	{
		taxonomy_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
taxonomy_load_table(TaxonomyTable table)
{
	SPIPlanPtr plan = SPI_prepare(taxonomy_queries[table], 0, NULL);
	uint64 row;

	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
	if (SPI_execute_snapshot(plan, NULL, NULL, GetLatestSnapshot(), InvalidSnapshot, false, false,
							 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read cxsig.%s", taxonomy_names[table]);
	for (row = 0; row < SPI_processed; row++)
		taxonomy_load_row(table, SPI_tuptable->vals[row], SPI_tuptable->tupdesc);
	if (table == TAXONOMY_TAG)
		taxonomy_has_tags = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	SPI_freeplan(plan);
}

static void
taxonomy_load_row(TaxonomyTable table, HeapTuple tuple, TupleDesc desc)
{
	MemoryContext old;
	TaxonomyEntry *entry;
	CxsigString key;
	char buffer[TAXONOMY_KEY_MAX];
	bool found;
	bool isnull;
	Datum list;

	if (!taxonomy_key(buffer, &key, table, taxonomy_column(tuple, desc, 1),
					  taxonomy_column(tuple, desc, 2), taxonomy_column(tuple, desc, 3)))
		return;
	list = SPI_getbinval(tuple, desc, 5, &isnull);

	old = MemoryContextSwitchTo(taxonomy_context);
	key = cxsig_string_copy(key);
	entry = hash_search(taxonomy_entries, &key, HASH_ENTER, &found);
	entry->text = cxsig_string_copy(taxonomy_column(tuple, desc, 4));
	entry->list = NULL;
	entry->n_list = 0;
	if (!isnull)
		entry->list = taxonomy_list(list, &entry->n_list);
	if (table == TAXONOMY_METRIC)
	{
		entry->metric.type = taxonomy_metric_type(entry->text.data);
		entry->metric.type_name = entry->text.data;
		entry->metric.allowed = entry->list;
		entry->metric.n_allowed = entry->n_list;
	}
	MemoryContextSwitchTo(old);
}

static CxsigString
taxonomy_column(HeapTuple tuple, TupleDesc desc, int column)
{
	CxsigString result = {NULL, 0};
	bool isnull;
	Datum value = SPI_getbinval(tuple, desc, column, &isnull);

	if (!isnull)
		result = cxsig_string(TextDatumGetCString(value));
	return result;
}

static CxsigString *
taxonomy_list(Datum array, int *count)
{
	CxsigString *list;
	Datum *values;
	bool *nulls;
	int n;
	int i;

	*count = 0;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls,
					  &n);
	list = palloc(sizeof(CxsigString) * (n + 1));
	for (i = 0; i < n; i++)
	{
		if (!nulls[i])
			list[(*count)++] = cxsig_string(TextDatumGetCString(values[i]));
	}
	return list;
}

static CxsigMetricType
taxonomy_metric_type(const char *name)
{
	if (strcmp(name, "number") == 0)
		return CXSIG_METRIC_NUMBER;
	if (strcmp(name, "integer") == 0)
		return CXSIG_METRIC_INTEGER;
	if (strcmp(name, "boolean") == 0)
		return CXSIG_METRIC_BOOLEAN;
	if (strcmp(name, "timestamp") == 0)
		return CXSIG_METRIC_TIMESTAMP;
	return CXSIG_METRIC_TEXT;
}

/* The key of an entry, in the caller's buffer; false where it is too long to be defined. */
static bool
taxonomy_key(char *buffer, CxsigString *key, TaxonomyTable table, CxsigString a, CxsigString b,
			 CxsigString c)
{
	CxsigString parts[3];
	int used = 0;
	int i;

	parts[0] = a;
	parts[1] = b;
	parts[2] = c;
	buffer[used++] = 'a' + table;
	for (i = 0; i < 3; i++)
	{
		if (used + 1 + parts[i].len > TAXONOMY_KEY_MAX)
			return false;
		buffer[used++] = '\0';
		if (parts[i].len > 0)
			memcpy(buffer + used, parts[i].data, parts[i].len);
		used += parts[i].len;
	}
	key->data = buffer;
	key->len = used;
	return true;
}

static TaxonomyEntry *
taxonomy_find(TaxonomyTable table, CxsigString a, CxsigString b, CxsigString c)
{
	char buffer[TAXONOMY_KEY_MAX];
	CxsigString key;

	if (taxonomy_entries == NULL || !taxonomy_key(buffer, &key, table, a, b, c))
		return NULL;
	return hash_search(taxonomy_entries, &key, HASH_FIND, NULL);
}

static uint32
taxonomy_hash(const void *key, Size size)
{
	const CxsigString *text = key;

	return hash_bytes((const unsigned char *) text->data, text->len);
}

static int
taxonomy_compare(const void *a, const void *b, Size size)
{
	return cxsig_string_equal(*(const CxsigString *) a, *(const CxsigString *) b) ? 0 : 1;
}

CxsigString
cxsig_taxonomy_map_value(CxsigString source, const char *field, CxsigString folded)
{
	TaxonomyEntry *entry = taxonomy_find(TAXONOMY_VALUE, source, cxsig_string(field), folded);

	return entry ? entry->text : cxsig_string(NULL);
}

bool
cxsig_taxonomy_allows_host(CxsigString source, CxsigString host, const char **allowed)
{
	TaxonomyEntry *entry =
		taxonomy_find(TAXONOMY_SOURCE, source, cxsig_string(NULL), cxsig_string(NULL));
	int i;

	if (entry == NULL || entry->n_list == 0)
		return true;
	for (i = 0; i < entry->n_list; i++)
	{
		CxsigString rule = entry->list[i];
		CxsigString tail = host;

		/* ".example.com" stands for whatever is below example.com */
		if (rule.len > 0 && rule.data[0] == '.' && host.len > rule.len)
		{
			tail.data += host.len - rule.len;
			tail.len = rule.len;
		}
		if (cxsig_string_equal(rule, tail))
			return true;
	}
	*allowed = entry->text.data;
	return false;
}

bool
cxsig_taxonomy_map_tag(CxsigString source, CxsigString folded, CxsigString *canonical)
{
	TaxonomyEntry *entry = taxonomy_find(TAXONOMY_MAPPING, source, folded, cxsig_string(NULL));

	if (entry == NULL)
		entry = taxonomy_find(TAXONOMY_MAPPING, cxsig_string("*"), folded, cxsig_string(NULL));
	if (entry == NULL)
		return false;
	*canonical = entry->text;
	return true;
}

bool
cxsig_taxonomy_has_tags(void)
{
	return taxonomy_has_tags;
}

bool
cxsig_taxonomy_find_tag(CxsigString tag, CxsigString *canonical, CxsigString *driver)
{
	TaxonomyEntry *entry = taxonomy_find(TAXONOMY_TAG, tag, cxsig_string(NULL), cxsig_string(NULL));

	*canonical = tag;
	if (entry == NULL)
	{
		*canonical = cxsig_scan_fold(tag);
		entry = taxonomy_find(TAXONOMY_TAG, *canonical, cxsig_string(NULL), cxsig_string(NULL));
	}
	if (entry == NULL)
		return false;
	*driver = entry->text;
	return true;
}

const CxsigMetric *
cxsig_taxonomy_find_metric(CxsigString name)
{
	TaxonomyEntry *entry =
		taxonomy_find(TAXONOMY_METRIC, name, cxsig_string(NULL), cxsig_string(NULL));

	return entry ? &entry->metric : NULL;
}
