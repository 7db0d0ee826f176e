/*
 * taxonomy.h
 *	  What the words of a source mean: a backend's cache of source, value_map, tag_mapping,
 *	  canonical_tag and metric.
 *
 * Strings that are handed out live in the cache: they are good until the next
 * cxsig_taxonomy_refresh(), so whoever keeps one copies it.
 */
#ifndef CXSIG_TAXONOMY_H
#define CXSIG_TAXONOMY_H

#include "ingest/scan.h"

typedef enum CxsigMetricType
{
	CXSIG_METRIC_NUMBER,
	CXSIG_METRIC_INTEGER,
	CXSIG_METRIC_BOOLEAN,
	CXSIG_METRIC_TEXT,
	CXSIG_METRIC_TIMESTAMP
} CxsigMetricType;

typedef struct CxsigMetric
{
	CxsigMetricType type;
	const char *type_name;
	CxsigString *allowed; /* for text; NULL: any */
	int n_allowed;
} CxsigMetric;

/*
 * Read the tables again if one of them changed, or at first use. Call it before a run of look-ups,
 * outside of SPI. May raise what reading tables raises; the cache is then read at the next call.
 */
extern void cxsig_taxonomy_refresh(void);

/* What a folded value of a field stands for at this source; without data where it is not mapped. */
extern CxsigString cxsig_taxonomy_map_value(CxsigString source, const char *field,
											CxsigString folded);

/* May an evidence_url of this source point to the host (lower-case)? allowed: list for a hint. */
extern bool cxsig_taxonomy_allows_host(CxsigString source, CxsigString host, const char **allowed);

/* The canonical tag of a folded raw tag: the source's own mapping, else that of source "*". */
extern bool cxsig_taxonomy_map_tag(CxsigString source, CxsigString folded, CxsigString *canonical);

/* Is there any canonical tag at all? */
extern bool cxsig_taxonomy_has_tags(void);

/* Is the tag defined, as written or folded? canonical: its name; driver: without data if none. */
extern bool cxsig_taxonomy_find_tag(CxsigString tag, CxsigString *canonical, CxsigString *driver);

/* The definition of a metric, NULL where there is none. */
extern const CxsigMetric *cxsig_taxonomy_find_metric(CxsigString name);

#endif
