/*
 * tls.c
 *	  The key "tls" of a destination's config, checked and made ready. Runs in the dispatcher when it
 *	  loads a destination, and in backends that define or test one. No table, no lock.
 */
#include "postgres.h"

#include "base/settings.h"
#include "transport/file.h"
#include "transport/pem.h"
#include "transport/tls.h"

/* Large enough for a system's bundle. */
#define CA_FILE_MAX (1024 * 1024)

static void parse_member(CxsigTls *tls, const char *key, const JsonbValue *value,
						 const char *destination);
static void parse_version(CxsigTls *tls, const JsonbValue *value, const char *destination);
static void read_authorities(CxsigTls *tls, const JsonbValue *value, const char *destination);
static char *parse_secret_name(const char *key, const JsonbValue *value, const char *destination);
static char *take_secret(const char *key, const char *name, const CxsigSecret *secrets,
						 int n_secrets, const char *destination);
static char *take_text(const JsonbValue *value);
static void tls_error(const char *key, const char *destination, const char *detail,
					  const char *hint) pg_attribute_noreturn();

CxsigTls *
cxsig_tls_parse(const JsonbValue *value, const char *destination)
{
	static uint64 last_id = 0;
	CxsigTls *tls = palloc0(sizeof(CxsigTls));
	JsonbIterator *it;
	JsonbValue member;
	JsonbIteratorToken token;
	char *key = NULL;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		tls_error("tls", destination, "it is not an object",
				  "Write {\"ca_file\": \"internal.pem\"}, for example.");
	tls->id = ++last_id;
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &member, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = take_text(&member);
		else if (token == WJB_VALUE)
			parse_member(tls, key, &member, destination);
	}
	if ((tls->certificate_secret == NULL) != (tls->key_secret == NULL))
		tls_error(tls->key_secret == NULL ? "tls.client_key" : "tls.client_certificate",
				  destination, "it is missing",
				  "A client certificate needs its key, and a key its certificate: give both. One "
				  "secret can hold the two.");
	return tls;
}

static void
parse_member(CxsigTls *tls, const char *key, const JsonbValue *value, const char *destination)
{
	if (strcmp(key, "ca_file") == 0)
		read_authorities(tls, value, destination);
	else if (strcmp(key, "min_version") == 0)
		parse_version(tls, value, destination);
	else if (strcmp(key, "client_certificate") == 0)
		tls->certificate_secret = parse_secret_name("tls.client_certificate", value, destination);
	else if (strcmp(key, "client_key") == 0)
		tls->key_secret = parse_secret_name("tls.client_key", value, destination);
	else
		tls_error(
			psprintf("tls.%.64s", key), destination, "there is no such key",
			"The keys of tls are ca_file, min_version, client_certificate and client_key. The "
			"server's certificate is verified always.");
}

static void
parse_version(CxsigTls *tls, const JsonbValue *value, const char *destination)
{
	const char *version = value->type == jbvString ? take_text(value) : "";

	tls->newest_only = strcmp(version, "1.3") == 0;
	if (!tls->newest_only && strcmp(version, "1.2") != 0)
		tls_error("tls.min_version", destination, "it is not a version of TLS to ask for",
				  "Allowed are \"1.2\" and \"1.3\"; the first is the default.");
}

static void
read_authorities(CxsigTls *tls, const JsonbValue *value, const char *destination)
{
	static const CxsigFilePlace place = {&cxsig_ca_directory, "cxsig.ca_directory", CA_FILE_MAX};
	const char *why;
	char *reason;

	if (value->type != jbvString)
		tls_error("tls.ca_file", destination, "it is not a string", NULL);
	tls->authorities = cxsig_file_read(&place, take_text(value), &reason);
	if (tls->authorities == NULL)
		tls_error("tls.ca_file", destination, reason,
				  "Give the name of a file in \"cxsig.ca_directory\".");
	why = cxsig_pem_check_authorities(tls->authorities);
	if (why != NULL)
		tls_error("tls.ca_file", destination, why, NULL);
}

/* The value of {"secret": "name"}, which has to be all there is. */
static char *
parse_secret_name(const char *key, const JsonbValue *value, const char *destination)
{
	JsonbValue found;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) != 1 ||
		getKeyJsonValueFromContainer(value->val.binary.data, "secret", strlen("secret"), &found) ==
			NULL ||
		found.type != jbvString)
		tls_error(key, destination, "it is not {\"secret\": \"name\"}",
				  "Give the PEM text with cxsig.set_secret() under that name.");
	return take_text(&found);
}

void
cxsig_tls_take_secrets(CxsigTls *tls, const CxsigSecret *secrets, int n_secrets,
					   const char *destination)
{
	const char *why;

	if (tls->certificate_secret == NULL)
		return;
	tls->certificate = take_secret("tls.client_certificate", tls->certificate_secret, secrets,
								   n_secrets, destination);
	tls->key = take_secret("tls.client_key", tls->key_secret, secrets, n_secrets, destination);
	why = cxsig_pem_check_certificate(tls->certificate);
	if (why != NULL)
		tls_error("tls.client_certificate", destination, why, NULL);
	why = cxsig_pem_check_key(tls->key, tls->certificate);
	if (why != NULL)
		tls_error("tls.client_key", destination, why, NULL);
}

/* The newest of that name, copied. */
static char *
take_secret(const char *key, const char *name, const CxsigSecret *secrets, int n_secrets,
			const char *destination)
{
	for (int i = 0; i < n_secrets; i++)
	{
		if (strcmp(secrets[i].name, name) == 0)
			return pstrdup(secrets[i].value);
	}
	tls_error(key, destination, psprintf("the secret \"%.64s\" is not set", name),
			  "Set it with cxsig.set_secret().");
}

static char *
take_text(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* The detail is part of the message: a stopped destination has only that to show as its reason. */
static void
tls_error(const char *key, const char *destination, const char *detail, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("invalid \"%s\" in the config of destination \"%s\": %s", key,
						   destination, detail),
					hint != NULL ? errhint("%s", hint) : 0));
}
