/*
 * unit_token.c
 *	  Asking for a token: forms, assertions that verify, answers of every kind, and texts without secrets.
 */
#include "postgres.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "transport/jwt.h"
#include "transport/token_request.h"
#include "unit.h"

#define SECRET "s3cr3t &+=%/\xc3\xa9"

static CxsigCredential credential;
static CxsigResponse response;
static CxsigGrant grant;

static void check_forms(void);
static void check_form(CxsigFlow flow, const char *newest, const char *expected);
static void check_jwt(void);
static bool verifies(EVP_PKEY *key, const char *token);
static char *decoded(const char *text, size_t len, size_t *out_len);
static char *pem_of(EVP_PKEY *key);
static void check_granted(void);
static void check_answers(void);
static void check_instance_url(void);
static void check_hidden(void);
static CxsigGrantOutcome answered(int status, const char *body);
static const char *no_header(const CxsigResponse *from, const char *name);

void
unit_token(void)
{
	credential.token_url = "https://login.example.com/token";
	credential.client_id = "me";
	credential.client_secret = SECRET;
	credential.refresh_token = "first-refresh";
	response.header = no_header;
	response.error = "";
	check_forms();
	check_jwt();
	check_granted();
	check_answers();
	check_instance_url();
	check_hidden();
}

static void
check_forms(void)
{
	check_form(CXSIG_FLOW_CLIENT_CREDENTIALS, NULL,
			   "grant_type=client_credentials&client_id=me&"
			   "client_secret=s3cr3t%20%26%2B%3D%25%2F%C3%A9&scope=a%20b");
	check_form(CXSIG_FLOW_REFRESH_TOKEN, NULL,
			   "grant_type=refresh_token&client_id=me&"
			   "client_secret=s3cr3t%20%26%2B%3D%25%2F%C3%A9&refresh_token=first-refresh&"
			   "scope=a%20b");
	check_form(CXSIG_FLOW_REFRESH_TOKEN, "newest~",
			   "grant_type=refresh_token&client_id=me&"
			   "client_secret=s3cr3t%20%26%2B%3D%25%2F%C3%A9&refresh_token=newest~&scope=a%20b");
}

static void
check_form(CxsigFlow flow, const char *newest, const char *expected)
{
	CxsigRequest request;

	credential.flow = flow;
	credential.scope = "a b";
	CHECK(cxsig_token_build(&credential, newest, &request) == NULL);
	CHECK_TEXT(request.method, "POST");
	CHECK_TEXT(request.url, "https://login.example.com/token");
	CHECK_TEXT(request.headers[0].value, "application/x-www-form-urlencoded");
	CHECK_TEXT(request.body.data, expected);
	credential.scope = NULL;
}

static void
check_jwt(void)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	EVP_PKEY *other = EVP_RSA_gen(2048);
	EVP_PKEY *small = EVP_RSA_gen(1024);
	EVP_PKEY *curve = EVP_EC_gen("P-256");
	char *pem = pem_of(key);
	/* 2026-11-24 17:05:00 UTC */
	CxsigJwtClaims claims = {"me \"quoted\"", "robot@example.com", "https://login.example.com",
							 (INT64CONST(1795539900) - INT64CONST(946684800)) * USECS_PER_SEC};
	char *token = cxsig_jwt_sign(pem, &claims);
	size_t len;

	CHECK(verifies(key, token));
	CHECK(!verifies(other, token));
	CHECK_TEXT(decoded(token, strcspn(token, "."), &len), "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
	CHECK_TEXT(decoded(strchr(token, '.') + 1, strcspn(strchr(token, '.') + 1, "."), &len),
			   "{\"iss\":\"me \\\"quoted\\\"\",\"sub\":\"robot@example.com\","
			   "\"aud\":\"https://login.example.com\",\"exp\":1795539900}");
	CHECK(cxsig_jwt_check_key(pem) == NULL);
	CHECK_TEXT(cxsig_jwt_check_key(pem_of(small)), "the key in it is shorter than 2048 bits");
	CHECK_TEXT(cxsig_jwt_check_key(pem_of(curve)), "the key in it is not an RSA key");
	CHECK(cxsig_jwt_check_key("nothing") != NULL);
	CHECK(cxsig_jwt_sign("nothing", &claims) == NULL);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	EVP_PKEY_free(small);
	EVP_PKEY_free(curve);
}

/* By what OpenSSL says of the signature over what stands before it. */
static bool
verifies(EVP_PKEY *key, const char *token)
{
	const char *last = strrchr(token, '.');
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t len;
	char *signature = decoded(last + 1, strlen(last + 1), &len);
	bool good;

	EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key);
	good = EVP_DigestVerify(context, (unsigned char *) signature, len, (unsigned char *) token,
							last - token) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

/* Base64 for URLs, without padding. */
static char *
decoded(const char *text, size_t len, size_t *out_len)
{
	char *base64 = palloc(len + 5);
	char *out = palloc(len + 5);
	size_t i;

	for (i = 0; i < len; i++)
		base64[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	*out_len = len / 4 * 3 + (len % 4 > 0 ? len % 4 - 1 : 0);
	while (i % 4 != 0)
		base64[i++] = '=';
	EVP_DecodeBlock((unsigned char *) out, (unsigned char *) base64, (int) i);
	out[*out_len] = '\0';
	return out;
}

static char *
pem_of(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	char *text;
	long len;

	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	len = BIO_get_mem_data(bio, &data);
	text = strndup(data, len);
	BIO_free(bio);
	return text;
}

static void
check_granted(void)
{
	CHECK(answered(200, "{\"access_token\":\"a.b\",\"token_type\":\"bearer\",\"expires_in\":1800,"
						"\"refresh_token\":\"r\\u0031\"}") == CXSIG_GRANTED);
	CHECK_TEXT(grant.access, "a.b");
	CHECK_TEXT(grant.refresh, "r1");
	CHECK(grant.expires_in_ms == 1800000);
	CHECK(answered(200,
				   "{\"expires_in\":\"3599\",\"token_type\":\"Bearer\",\"access_token\":\"a\"}") ==
		  CXSIG_GRANTED);
	CHECK(grant.expires_in_ms == 3599000);
	CHECK(grant.refresh == NULL);
	CHECK(answered(200, "{\"token_type\":\"Bearer\",\"access_token\":\"a\"}") == CXSIG_GRANTED);
	CHECK(grant.expires_in_ms == -1);
	CHECK(answered(200, "{\"token_type\":\"Bearer\",\"access_token\":\"a\",\"expires_in\":-5}") ==
		  CXSIG_GRANTED);
	CHECK(grant.expires_in_ms == -1);
}

static void
check_answers(void)
{
	static const char *const useless[] = {
		"",
		"<html>",
		"[]",
		"\"access_token\"",
		"{\"token_type\":\"Bearer\"}",
		"{\"access_token\":\"\",\"token_type\":\"Bearer\"}",
		"{\"access_token\":17,\"token_type\":\"Bearer\"}",
		"{\"access_token\":\"a\"}",
		"{\"access_token\":\"a\",\"token_type\":\"DPoP\"}",
		"{\"access_token\":\"a\\r\\nX-Evil: 1\",\"token_type\":\"Bearer\"}",
		"{\"access_token\":\"a\\u0000b\",\"token_type\":\"Bearer\"}",
		"{\"access_token\":\"a b\",\"token_type\":\"Bearer\"}",
		"{\"access_token\":\"\xc3\xa9\",\"token_type\":\"Bearer\"}"};
	static const int later[] = {0, 408, 425, 429, 500, 502, 503, 504};
	static const int never[] = {301, 400, 401, 403, 404, 410, 422};

	for (int i = 0; i < (int) lengthof(useless); i++)
		unit_check(answered(200, useless[i]) == CXSIG_GRANT_REFUSED, useless[i], 0, "is no grant");
	for (int i = 0; i < (int) lengthof(later); i++)
		CHECK(answered(later[i], "{}") == CXSIG_GRANT_AGAIN);
	for (int i = 0; i < (int) lengthof(never); i++)
		CHECK(answered(never[i], "{}") == CXSIG_GRANT_REFUSED);
	CHECK(answered(400, "{\"error\":\"temporarily_unavailable\"}") == CXSIG_GRANT_AGAIN);
	CHECK(
		answered(400, "{\"error\":\"invalid_grant\",\"error_description\":\"expired\\nTrace\"}") ==
		CXSIG_GRANT_REFUSED);
	CHECK_TEXT(grant.reason, "400 to the request for a token: invalid_grant: expired");
	(void) answered(401, "{\"error\":\"invalid_client\",\"error_description\":"
						 "\"AADSTS7000215: first-refresh is not " SECRET "\"}");
	CHECK_TEXT(grant.reason, "401 to the request for a token: invalid_client: AADSTS7000215: "
							 "<hidden> is not <hidden>");
	response.error = "broke off";
	CHECK(answered(200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\"}") == CXSIG_GRANT_AGAIN);
	response.error = "no route to host";
	CHECK(answered(0, "") == CXSIG_GRANT_AGAIN);
	CHECK_TEXT(grant.reason, "no answer to the request for a token: no route to host");
	response.error = "";
}

#define INSTANCE(url) \
	"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"instance_url\":\"" url "\"}"

static void
check_instance_url(void)
{
	CHECK(answered(200, INSTANCE("http://evil.example")) == CXSIG_GRANTED);
	CHECK(grant.instance_url == NULL);
	credential.instance_url = true;
	CHECK(answered(200, INSTANCE("https://acme.example/")) == CXSIG_GRANTED);
	CHECK_TEXT(grant.instance_url, "https://acme.example");
	CHECK(answered(200, INSTANCE("http://acme.example")) == CXSIG_GRANT_REFUSED);
	CHECK(answered(200, INSTANCE("file:///etc/passwd")) == CXSIG_GRANT_REFUSED);
	CHECK(answered(200, INSTANCE("https://u:p@acme.example")) == CXSIG_GRANT_REFUSED);
	CHECK(answered(200, INSTANCE("https://acme.example/?a")) == CXSIG_GRANT_REFUSED);
	credential.token_url = "http://127.0.0.1/token";
	CHECK(answered(200, INSTANCE("http://127.0.0.1:81")) == CXSIG_GRANTED);
	credential.token_url = "https://login.example.com/token";
	credential.instance_url = false;
}

static void
check_hidden(void)
{
	CxsigToken token = {.access = "access-token-1", .previous = "access-token-0"};
	char text[200];

	credential.token = &token;
#define HIDES(from, to)                             \
	do                                              \
	{                                               \
		strlcpy(text, (from), sizeof(text));        \
		cxsig_credential_redact(&credential, text); \
		CHECK_TEXT(text, (to));                     \
	} while (0)
	HIDES("", "");
	HIDES("nothing", "nothing");
	HIDES("access-token-1", "<hidden>");
	HIDES("x access-token-1access-token-0 y", "x <hidden><hidden> y");
	HIDES("cut: access-to", "cut: <hidden>");
	HIDES("too short to tell: access-", "too short to tell: access-");
	HIDES("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSJ9.c2lnbmF0dXJl!", "<hidden>!");
	HIDES("eyJ is short", "eyJ is short");
	credential.token = NULL;
}

static CxsigGrantOutcome
answered(int status, const char *body)
{
	response.status = status;
	response.body = body;
	response.body_len = strlen(body);
	response.retry_after_ms = -1;
	cxsig_token_read(&credential, &response, &grant);
	return grant.outcome;
}

static const char *
no_header(const CxsigResponse *from, const char *name)
{
	return NULL;
}
