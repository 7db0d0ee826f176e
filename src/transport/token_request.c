/*
 * token_request.c
 *	  Asking for a token. Runs in dispatchers, outside transactions, and in backends that test a
 *	  destination; no table, no lock.
 *
 * What comes back is the remote's: it is looked at only where it is valid JSON, and what is to be sent
 * in a header only where it can be. What is shown of it has no secrets in it.
 */
#include "postgres.h"

#include "event/json.h"
#include "transport/http.h"
#include "transport/jwt.h"
#include "transport/outcome.h"
#include "transport/token_request.h"
#include "utils/timestamp.h"

#define JWT_LIFE_MS (3 * 60 * 1000)
#define JWT_GRANT "urn:ietf:params:oauth:grant-type:jwt-bearer"

/* Longer than any token, shorter than what a server takes as a header. */
#define TOKEN_MAX 16384

/* A token that is good for longer than this is as good as one for ever. */
#define EXPIRES_MAX_S (10 * 365 * 24 * 60 * 60)

/* Errors that pass. */
static const char *const passing[] = {"temporarily_unavailable", "server_error", "slow_down"};

static const char *fill_form(const CxsigCredential *credential, const char *refresh_token,
							 StringInfo form);
static bool read_grant(const CxsigCredential *credential, const char *body, CxsigGrant *grant);
static void refuse(CxsigGrant *grant, const char *why);
static void read_refusal(const CxsigCredential *credential, const CxsigResponse *response,
						 CxsigGrant *grant);
static bool passes(const CxsigResponse *response, const char *error);
static bool is_object(const CxsigResponse *response);
static char *take_string(const char *body, const char *key);
static bool is_token(const char *text);
static int64 read_seconds(const char *body, const char *key);
static const char *check_instance_url(const CxsigCredential *credential, char *url);

const char *
cxsig_token_build(const CxsigCredential *credential, const char *refresh_token,
				  CxsigRequest *request)
{
	static CxsigHeader headers[] = {{"Content-Type", "application/x-www-form-urlencoded"},
									{"Accept", "application/json"}};

	memset(request, 0, sizeof(*request));
	request->method = "POST";
	request->url = credential->token_url;
	request->headers = headers;
	request->n_headers = lengthof(headers);
	request->tls = credential->tls;
	initStringInfo(&request->body);
	return fill_form(credential, refresh_token, &request->body);
}

static const char *
fill_form(const CxsigCredential *credential, const char *refresh_token, StringInfo form)
{
	TimestampTz expires_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), JWT_LIFE_MS);
	CxsigJwtClaims claims = {credential->client_id, credential->username, credential->audience,
							 expires_at};
	const char *assertion;

	switch (credential->flow)
	{
		case CXSIG_FLOW_CLIENT_CREDENTIALS:
			cxsig_form_append(form, "grant_type", "client_credentials");
			cxsig_form_append(form, "client_id", credential->client_id);
			cxsig_form_append(form, "client_secret", credential->client_secret);
			cxsig_form_append(form, "audience", credential->audience);
			break;
		case CXSIG_FLOW_REFRESH_TOKEN:
			cxsig_form_append(form, "grant_type", "refresh_token");
			cxsig_form_append(form, "client_id", credential->client_id);
			cxsig_form_append(form, "client_secret", credential->client_secret);
			cxsig_form_append(form, "refresh_token",
							  refresh_token != NULL ? refresh_token : credential->refresh_token);
			break;
		case CXSIG_FLOW_JWT_BEARER:
			assertion = cxsig_jwt_sign(credential->private_key, &claims);
			if (assertion == NULL)
				return "the private key cannot sign";
			cxsig_form_append(form, "grant_type", JWT_GRANT);
			cxsig_form_append(form, "assertion", assertion);
			break;
		case CXSIG_FLOW_BEARER:
			return "the flow \"bearer\" asks for no token";
	}
	cxsig_form_append(form, "scope", credential->scope);
	return NULL;
}

/* A value of NULL is left out. */
void
cxsig_form_append(StringInfo form, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(form, "%s%s=", form->len > 0 ? "&" : "", name);
	for (const unsigned char *at = (const unsigned char *) value; *at != '\0'; at++)
	{
		/* isalnum() would ask the locale */
		if ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
			(*at >= '0' && *at <= '9') || strchr("-._~", *at) != NULL)
			appendStringInfoChar(form, (char) *at);
		else
			appendStringInfo(form, "%%%02X", *at);
	}
}

void
cxsig_token_read(const CxsigCredential *credential, const CxsigResponse *response,
				 CxsigGrant *grant)
{
	memset(grant, 0, sizeof(*grant));
	grant->expires_in_ms = -1;
	grant->retry_after_ms = response->retry_after_ms;
	if (response->status < 200 || response->status >= 300 || response->error[0] != '\0')
		read_refusal(credential, response, grant);
	else if (!is_object(response))
		refuse(grant, "the answer is not JSON");
	else if (read_grant(credential, response->body, grant))
		grant->outcome = CXSIG_GRANTED;
	cxsig_credential_redact(credential, grant->reason);
}

static bool
read_grant(const CxsigCredential *credential, const char *body, CxsigGrant *grant)
{
	char *type = take_string(body, "token_type");
	const char *why = NULL;
	int64 seconds;

	grant->access = take_string(body, "access_token");
	grant->refresh = take_string(body, "refresh_token");
	if (grant->access == NULL)
		why = "the answer has no access_token";
	else if (!is_token(grant->access))
		why = "the access_token of the answer cannot be sent in a header";
	else if (type == NULL || pg_strcasecmp(type, "Bearer") != 0)
		why = "the token_type of the answer is not Bearer";
	if (why == NULL && credential->instance_url)
	{
		grant->instance_url = take_string(body, "instance_url");
		why = check_instance_url(credential, grant->instance_url);
	}
	if (why != NULL)
	{
		refuse(grant, why);
		return false;
	}
	seconds = read_seconds(body, "expires_in");
	if (seconds > 0)
		grant->expires_in_ms = Min(seconds, EXPIRES_MAX_S) * 1000;
	return true;
}

static void
refuse(CxsigGrant *grant, const char *why)
{
	grant->outcome = CXSIG_GRANT_REFUSED;
	strlcpy(grant->reason, why, sizeof(grant->reason));
}

/* The standard's words where the body has them, else what it says, else the status alone. */
static void
read_refusal(const CxsigCredential *credential, const CxsigResponse *response, CxsigGrant *grant)
{
	bool object = response->status != 0 && is_object(response);
	char *error = object ? take_string(response->body, "error") : NULL;
	char *description = object ? take_string(response->body, "error_description") : NULL;
	char words[400];

	if (error != NULL)
	{
		const char *text = description != NULL ? psprintf("%s: %s", error, description) : error;

		cxsig_outcome_copy_line(words, sizeof(words), text, strlen(text));
	}
	else
	{
		CxsigResult result;

		cxsig_outcome_read(response, &result);
		strlcpy(words, result.detail, sizeof(words));
	}
	cxsig_credential_redact(credential, words);
	grant->outcome = passes(response, error) ? CXSIG_GRANT_AGAIN : CXSIG_GRANT_REFUSED;
	if (response->status == 0)
		snprintf(grant->reason, sizeof(grant->reason), "no answer to the request for a token: %s",
				 words);
	else
		snprintf(grant->reason, sizeof(grant->reason), "%d to the request for a token: %s",
				 response->status, words);
}

/* What is not the settings' fault. An answer that broke off is none. */
static bool
passes(const CxsigResponse *response, const char *error)
{
	if (response->status >= 200 && response->status < 300)
		return true;
	for (int i = 0; error != NULL && i < (int) lengthof(passing); i++)
		if (strcmp(error, passing[i]) == 0)
			return true;
	return cxsig_outcome_of_status(response->status) == CXSIG_RETRY;
}

static bool
is_object(const CxsigResponse *response)
{
	const char *body = response->body;

	if (response->body_truncated || !cxsig_json_is_valid(body, response->body_len))
		return false;
	return body[strspn(body, " \t\r\n")] == '{';
}

/* A member that is a string with something in it; NULL where it is not there, or another thing. */
static char *
take_string(const char *body, const char *key)
{
	CxsigJsonSpan span = cxsig_json_member(body, key);
	char *text;
	size_t len;

	if (span.start == NULL || *span.start != '"' || span.len > TOKEN_MAX)
		return NULL;
	text = palloc(span.len + 1);
	len = cxsig_json_unescape(span, text, span.len + 1);
	return len > 0 && strlen(text) == len ? text : NULL;
}

static bool
is_token(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= 0x20 || *text >= 0x7f)
			return false;
	return true;
}

/* A number, as such or as a string; -1 where there is none. */
static int64
read_seconds(const char *body, const char *key)
{
	CxsigJsonSpan span = cxsig_json_member(body, key);
	char digits[16];
	size_t len;

	if (span.start == NULL)
		return -1;
	if (*span.start == '"')
	{
		span.start++;
		span.len -= 2;
	}
	len = strspn(span.start, "0123456789");
	if (len == 0 || len >= sizeof(digits) || len > span.len)
		return -1;
	memcpy(digits, span.start, len);
	digits[len] = '\0';
	return strtoll(digits, NULL, 10);
}

/* NULL, or why requests are not sent there; http will do only where the token came that way too. */
static const char *
check_instance_url(const CxsigCredential *credential, char *url)
{
	size_t len = url != NULL ? strlen(url) : 0;

	if (url == NULL)
		return NULL;
	if (cxsig_http_check_url(url) != NULL || strpbrk(url, "?#") != NULL)
		return "the instance_url of the answer is no URL to send to";
	if (pg_strncasecmp(url, "https:", 6) != 0 &&
		pg_strncasecmp(credential->token_url, "https:", 6) == 0)
		return "the instance_url of the answer is not https";
	while (len > 0 && url[len - 1] == '/')
		url[--len] = '\0';
	return NULL;
}
