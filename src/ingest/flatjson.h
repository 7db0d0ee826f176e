/*
 * flatjson.h
 *	  Reads JSON written inside a text field: an array or an object of scalars, one level deep.
 */
#ifndef CXSIG_FLATJSON_H
#define CXSIG_FLATJSON_H

#include "ingest/scan.h"
#include "utils/jsonb.h"

/*
 * The text as jsonb in the current context, or NULL where it is not JSON, is nested or holds what
 * jsonb cannot. Never raises: a bad row of an import goes to quarantine, and its neighbours do not.
 */
extern Jsonb *cxsig_flatjson_parse(CxsigString text);

#endif
