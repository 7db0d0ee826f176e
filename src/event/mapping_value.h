/*
 * mapping_value.h
 *	  A leaf of a mapping that says more than a path, for mapping.c:
 *
 *	  {"$path": "$.churn_risk", "$map": {"high": "High"}, "$else": "Unknown", "$omit": true}
 *
 * "$map" takes what the path finds, as text, to a value; "$else" is for what is not in it, or not found.
 * "$omit" leaves the member out of a record where there is neither.
 */
#ifndef CXSIG_MAPPING_VALUE_H
#define CXSIG_MAPPING_VALUE_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

typedef struct CxsigMappingValue
{
	char *path;
	Jsonb *map;		 /* an object, or NULL: what is found is taken as it is */
	char *otherwise; /* JSON, or NULL */
	bool omit;
} CxsigMappingValue;

/* Is it such a leaf? */
extern bool cxsig_mapping_is_value(JsonbContainer *object);

/* Take it apart, into the current context. ERROR naming the key of the mapping, and its own. */
extern void cxsig_mapping_value_read(JsonbContainer *object, const char *where,
									 CxsigMappingValue *into);

/* Append what a found value (NULL for none) becomes; false where there is nothing for it. */
extern bool cxsig_mapping_value_append(const CxsigMappingValue *value, Jsonb *found,
									   StringInfo out);

/* What was found, as text: a string's own, anything else as JSON. In the current context. */
extern char *cxsig_mapping_value_text(Jsonb *found);

#endif
