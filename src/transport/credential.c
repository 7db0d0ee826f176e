/*
 * credential.c
 *	  The key "auth" of a config, and the token that goes with it. Runs in dispatchers and in backends
 *	  that define or test a destination; no table, no lock.
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "lib/stringinfo.h"
#include "transport/config_read.h"
#include "transport/jwt.h"
#include "transport/tls.h"
#include "transport/token_request.h"

#define HIDDEN "<hidden>"
#define HIDDEN_LEN (sizeof(HIDDEN) - 1)

/* Shorter ones would be found in any text. */
#define SHORTEST_SECRET HIDDEN_LEN

/* A JWT begins with the base64 of {" and is longer than any word. */
#define JWT_START "eyJ"
#define JWT_LEAST 40
#define JWT_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

/* In the order of CxsigFlow. */
static const char *const flow_names[] = {"client_credentials", "refresh_token", "jwt_bearer",
										 "bearer"};

static const char *const known_keys[] = {"flow",	 "client_id", "token_url", "scope",
										 "username", "audience",  NULL};

static void read_config(CxsigCredential *credential, const CxsigConfigObject *auth,
						const CxsigCredentialRules *rules);
static void refuse_unused(const CxsigCredential *credential, const CxsigConfigObject *auth);
static void take_secrets(CxsigCredential *credential, const CxsigTransportSource *source);
static char *need_secret(const CxsigTransportSource *source, const char *flow, const char *name);
static void make_key(CxsigCredential *credential);
static void add_to_key(StringInfo text, const char *part);
static char *copy_text(const char *text);
static CxsigTls *copy_tls(const CxsigTls *tls);
static void hide(char *text, const char *secret);
static void hide_jwts(char *text);
static char *hide_at(char *at, size_t len);

CxsigCredential *
cxsig_credential_create(const CxsigTransportSource *source, const CxsigCredentialRules *rules)
{
	CxsigCredential *credential = palloc0(sizeof(CxsigCredential));
	CxsigConfigObject config = {source->destination, "", source->config};
	CxsigConfigObject auth = cxsig_config_object(&config, "auth");

	if (auth.json == NULL)
		cxsig_config_refuse(&config, "auth", "is missing",
							"Say how a token is got, for example {\"flow\": "
							"\"client_credentials\", \"client_id\": \"...\"}.");
	read_config(credential, &auth, rules);
	if (rules->tls != NULL)
		credential->tls = copy_tls(rules->tls);
	if (source->n_secrets >= 0)
	{
		take_secrets(credential, source);
		make_key(credential);
	}
	return credential;
}

static void
read_config(CxsigCredential *credential, const CxsigConfigObject *auth,
			const CxsigCredentialRules *rules)
{
	const char *flow = cxsig_config_word(auth, "flow", rules->flows, rules->flows[0]);
	bool asks;

	cxsig_config_known(auth, known_keys);
	while (strcmp(flow_names[credential->flow], flow) != 0)
		credential->flow++;
	asks = credential->flow != CXSIG_FLOW_BEARER;
	credential->client_id = cxsig_config_string(auth, "client_id", asks);
	credential->scope = cxsig_config_string(auth, "scope", false);
	credential->username =
		cxsig_config_string(auth, "username", credential->flow == CXSIG_FLOW_JWT_BEARER);
	credential->audience = cxsig_config_string(auth, "audience", false);
	credential->instance_url = rules->instance_url;
	if (asks)
		credential->token_url = cxsig_config_url(auth, "token_url", true, rules->token_url);
	refuse_unused(credential, auth);
	if (!asks)
		return;
	if (credential->scope == NULL && rules->scope != NULL)
		credential->scope = pstrdup(rules->scope);
	if (credential->audience == NULL && credential->flow == CXSIG_FLOW_JWT_BEARER)
		credential->audience =
			pstrdup(rules->audience != NULL ? rules->audience : credential->token_url);
}

/* A key that the flow makes no use of is there by mistake. */
static void
refuse_unused(const CxsigCredential *credential, const CxsigConfigObject *auth)
{
	CxsigFlow flow = credential->flow;
	const char *unused = NULL;

	if (flow == CXSIG_FLOW_BEARER && credential->client_id != NULL)
		unused = "client_id";
	else if (flow == CXSIG_FLOW_BEARER && cxsig_config_value(auth, "token_url") != NULL)
		unused = "token_url";
	else if (flow == CXSIG_FLOW_BEARER && credential->scope != NULL)
		unused = "scope";
	else if (flow != CXSIG_FLOW_JWT_BEARER && credential->username != NULL)
		unused = "username";
	else if (flow != CXSIG_FLOW_JWT_BEARER && flow != CXSIG_FLOW_CLIENT_CREDENTIALS &&
			 credential->audience != NULL)
		unused = "audience";
	if (unused != NULL)
		cxsig_config_refuse(auth, unused,
							psprintf("is of no use to the flow \"%s\"", flow_names[flow]), NULL);
}

static void
take_secrets(CxsigCredential *credential, const CxsigTransportSource *source)
{
	const char *flow = flow_names[credential->flow];
	const char *why;

	switch (credential->flow)
	{
		case CXSIG_FLOW_REFRESH_TOKEN:
			credential->refresh_token = need_secret(source, flow, "refresh_token");
			/* FALLTHROUGH */
		case CXSIG_FLOW_CLIENT_CREDENTIALS:
			credential->client_secret = need_secret(source, flow, "client_secret");
			break;
		case CXSIG_FLOW_JWT_BEARER:
			credential->private_key = need_secret(source, flow, "private_key");
			why = cxsig_jwt_check_key(credential->private_key);
			if (why != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("secret \"private_key\" of destination \"%s\" cannot be used: %s",
								source->destination, why),
						 errhint("An RSA key of 2048 bits or more in PEM, without a passphrase.")));
			break;
		case CXSIG_FLOW_BEARER:
			credential->bearer.serial = 1;
			credential->bearer.access = need_secret(source, flow, "token");
			credential->token = &credential->bearer;
			break;
	}
}

/* The newest secret of that name, which has to be there. */
static char *
need_secret(const CxsigTransportSource *source, const char *flow, const char *name)
{
	bool sent_as_header = strcmp(name, "token") == 0;
	const char *at;

	for (int i = 0; i < source->n_secrets; i++)
	{
		if (strcmp(source->secrets[i].name, name) != 0)
			continue;
		for (at = source->secrets[i].value; sent_as_header && *at != '\0'; at++)
			if (*at <= 0x20 || *at >= 0x7f)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("secret \"%s\" of destination \"%s\" cannot be sent in a header",
								name, source->destination),
						 errdetail("A token is ASCII without control characters or spaces.")));
		return pstrdup(source->secrets[i].value);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("flow \"%s\" of destination \"%s\" needs the secret \"%s\"", flow,
					source->destination, name),
			 errhint("Set it with cxsig.set_secret('%s', '%s', ...).", source->destination, name)));
}

/* Secrets are part of it: a new one is a new credential, and what an old one brought is not used. */
static void
make_key(CxsigCredential *credential)
{
	StringInfoData text;

	initStringInfo(&text);
	add_to_key(&text, flow_names[credential->flow]);
	add_to_key(&text, credential->token_url);
	add_to_key(&text, credential->client_id);
	add_to_key(&text, credential->scope);
	add_to_key(&text, credential->username);
	add_to_key(&text, credential->audience);
	add_to_key(&text, credential->client_secret);
	add_to_key(&text, credential->refresh_token);
	add_to_key(&text, credential->private_key);
	if (!EVP_Digest(text.data, text.len, credential->key, NULL, EVP_sha256(), NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute SHA-256 in OpenSSL")));
	explicit_bzero(text.data, text.len);
	pfree(text.data);
}

/* With its length, so that no two lists of parts read the same. */
static void
add_to_key(StringInfo text, const char *part)
{
	appendStringInfo(text, "%d:", part != NULL ? (int) strlen(part) : -1);
	if (part != NULL)
		appendStringInfoString(text, part);
}

CxsigCredential *
cxsig_credential_copy(const CxsigCredential *credential)
{
	CxsigCredential *copy = palloc0(sizeof(CxsigCredential));

	copy->flow = credential->flow;
	copy->token_url = copy_text(credential->token_url);
	copy->client_id = copy_text(credential->client_id);
	copy->scope = copy_text(credential->scope);
	copy->username = copy_text(credential->username);
	copy->audience = copy_text(credential->audience);
	copy->client_secret = copy_text(credential->client_secret);
	copy->refresh_token = copy_text(credential->refresh_token);
	copy->private_key = copy_text(credential->private_key);
	if (credential->tls != NULL)
		copy->tls = copy_tls(credential->tls);
	copy->instance_url = credential->instance_url;
	memcpy(copy->key, credential->key, sizeof(copy->key));
	return copy;
}

static char *
copy_text(const char *text)
{
	return text != NULL ? pstrdup(text) : NULL;
}

static CxsigTls *
copy_tls(const CxsigTls *tls)
{
	CxsigTls *copy = palloc(sizeof(CxsigTls));

	*copy = *tls;
	copy->authorities = copy_text(tls->authorities);
	copy->certificate = copy_text(tls->certificate);
	copy->key = copy_text(tls->key);
	copy->certificate_secret = copy_text(tls->certificate_secret);
	copy->key_secret = copy_text(tls->key_secret);
	return copy;
}

const char *
cxsig_credential_token(const CxsigCredential *credential)
{
	return credential->token != NULL ? credential->token->access : NULL;
}

const char *
cxsig_credential_instance_url(const CxsigCredential *credential)
{
	return credential->token != NULL ? credential->token->instance_url : NULL;
}

void
cxsig_credential_use(CxsigCredential *credential, const CxsigToken *token)
{
	credential->token = token;
}

const unsigned char *
cxsig_credential_key(const CxsigCredential *credential)
{
	return credential->flow != CXSIG_FLOW_BEARER ? credential->key : NULL;
}

bool
cxsig_credential_rotates(const CxsigCredential *credential)
{
	return credential->flow == CXSIG_FLOW_REFRESH_TOKEN;
}

void
cxsig_credential_redact(const CxsigCredential *credential, char *text)
{
	const CxsigToken *token = credential->token;

	hide(text, credential->client_secret);
	hide(text, credential->refresh_token);
	if (token != NULL)
	{
		hide(text, token->access);
		hide(text, token->previous);
		hide(text, token->refresh);
	}
	hide_jwts(text);
}

static void
hide(char *text, const char *secret)
{
	size_t secret_len = secret != NULL ? strlen(secret) : 0;

	if (secret_len < SHORTEST_SECRET)
		return;
	while (*text != '\0')
	{
		size_t same = 0;

		while (same < secret_len && text[same] == secret[same])
			same++;
		if (same == secret_len || (text[same] == '\0' && same >= SHORTEST_SECRET))
			text = hide_at(text, same);
		else
			text++;
	}
}

static void
hide_jwts(char *text)
{
	while ((text = strstr(text, JWT_START)) != NULL)
	{
		size_t len = strspn(text, JWT_CHARS);

		text = len >= JWT_LEAST ? hide_at(text, len) : text + len;
	}
}

/* Returns where the text goes on. len is no less than what is put there instead. */
static char *
hide_at(char *at, size_t len)
{
	memcpy(at, HIDDEN, HIDDEN_LEN);
	memmove(at + HIDDEN_LEN, at + len, strlen(at + len) + 1);
	return at + HIDDEN_LEN;
}
