/*
 * config_read.h
 *	  Taking a transport's config apart: each function reads one key of an object, and its error
 *	  (invalid_parameter_value) names the key, the destination, and what is allowed.
 *
 * Pure functions over memory; results are in the current context.
 */
#ifndef CXSIG_CONFIG_READ_H
#define CXSIG_CONFIG_READ_H

#include "utils/jsonb.h"

/* An object of a config: "path" is "" for the config itself, else as in "auth" or "noise". */
typedef struct CxsigConfigObject
{
	const char *destination;
	const char *path;
	Jsonb *json; /* NULL where it is not there: then every key is absent */
} CxsigConfigObject;

/* ERROR where the object has a key that is not among these (NULL-terminated). */
extern void cxsig_config_known(const CxsigConfigObject *object, const char *const *keys);

/* A string, not empty; NULL where it is absent, which is an ERROR where it is required. */
extern char *cxsig_config_string(const CxsigConfigObject *object, const char *key, bool required);

/* One of these words (NULL-terminated); fallback where it is absent. */
extern const char *cxsig_config_word(const CxsigConfigObject *object, const char *key,
									 const char *const *words, const char *fallback);

/* A whole number in a range; fallback where it is absent. */
extern int cxsig_config_int(const CxsigConfigObject *object, const char *key, int low, int high,
							int fallback);

extern bool cxsig_config_bool(const CxsigConfigObject *object, const char *key, bool fallback);

/*
 * An http or https URL that the engine would send to, without a slash at its end, without credentials
 * and, unless a query is allowed, without "?" and "#"; fallback where it is absent, and ERROR where that
 * is NULL.
 */
extern char *cxsig_config_url(const CxsigConfigObject *object, const char *key, bool query,
							  const char *fallback);

/* ERROR where the engine would not send to this URL, the value of that key. */
extern void cxsig_config_check_url(const CxsigConfigObject *object, const char *key,
								   const char *url);

/* An object of its own; its json is NULL where it is absent. */
extern CxsigConfigObject cxsig_config_object(const CxsigConfigObject *object, const char *key);

/* Anything: the value as jsonb, or NULL. */
extern Jsonb *cxsig_config_value(const CxsigConfigObject *object, const char *key);

/* ERROR of that kind, for what these functions do not know: says "config key "k" of destination "d" what". */
extern void cxsig_config_refuse(const CxsigConfigObject *object, const char *key, const char *what,
								const char *hint) pg_attribute_noreturn();

#endif
