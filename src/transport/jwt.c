/*
 * jwt.c
 *	  JSON Web Tokens signed with RS256. Runs in dispatchers, outside transactions, and in backends that
 *	  check or test a destination; no locks. Nothing of OpenSSL's is left behind, its queue of errors
 *	  included: curl looks at that too.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "event/json.h"
#include "transport/jwt.h"
#include "transport/pem.h"

#define HEADER "{\"alg\":\"RS256\",\"typ\":\"JWT\"}"

/* What RFC 7518 asks for. */
#define MIN_BITS 2048

static EVP_PKEY *read_key(const char *pem);
static int no_passphrase(char *buffer, int size, int writing, void *arg);
static void append_claims(StringInfo out, const CxsigJwtClaims *claims);
static void append_member(StringInfo out, const char *name, const char *value);
static bool append_signature(StringInfo out, EVP_PKEY *key);
static void append_base64url(StringInfo out, const unsigned char *bytes, size_t len);

const char *
cxsig_jwt_check_key(const char *pem)
{
	const char *why = cxsig_pem_check_key(pem, NULL);
	EVP_PKEY *key;

	if (why != NULL)
		return why;
	key = read_key(pem);
	if (key == NULL)
		why = "the private key in it is damaged";
	else if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		why = "the key in it is not an RSA key";
	else if (EVP_PKEY_get_bits(key) < MIN_BITS)
		why = "the key in it is shorter than 2048 bits";
	EVP_PKEY_free(key);
	return why;
}

char *
cxsig_jwt_sign(const char *pem, const CxsigJwtClaims *claims)
{
	EVP_PKEY *key = read_key(pem);
	StringInfoData token;
	StringInfoData text;
	bool done;

	initStringInfo(&token);
	initStringInfo(&text);
	append_claims(&text, claims);
	append_base64url(&token, (const unsigned char *) HEADER, strlen(HEADER));
	appendStringInfoChar(&token, '.');
	append_base64url(&token, (unsigned char *) text.data, text.len);
	done = key != NULL && append_signature(&token, key);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return done ? token.data : NULL;
}

static EVP_PKEY *
read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

/* Without this OpenSSL would ask on the terminal. */
static int
no_passphrase(char *buffer, int size, int writing, void *arg)
{
	return -1;
}

static void
append_claims(StringInfo out, const CxsigJwtClaims *claims)
{
	appendStringInfoChar(out, '{');
	append_member(out, "iss", claims->issuer);
	append_member(out, "sub", claims->subject);
	append_member(out, "aud", claims->audience);
	appendStringInfoString(out, "\"exp\":");
	cxsig_json_append_int(out, claims->expires_at / USECS_PER_SEC +
								   (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * INT64CONST(86400));
	appendStringInfoChar(out, '}');
}

static void
append_member(StringInfo out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	cxsig_json_append_string(out, name);
	appendStringInfoChar(out, ':');
	cxsig_json_append_string(out, value);
	appendStringInfoChar(out, ',');
}

/* Append "." and the signature over all that is there. */
static bool
append_signature(StringInfo out, EVP_PKEY *key)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char *signature = palloc(EVP_PKEY_get_size(key));
	size_t len = EVP_PKEY_get_size(key);
	bool done =
		context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(context, signature, &len, (unsigned char *) out->data, out->len) == 1;

	EVP_MD_CTX_free(context);
	if (done)
	{
		appendStringInfoChar(out, '.');
		append_base64url(out, signature, len);
	}
	return done;
}

/* Base64 as RFC 4648 has it for URLs, without padding. */
static void
append_base64url(StringInfo out, const unsigned char *bytes, size_t len)
{
	int start = out->len;

	enlargeStringInfo(out, (int) (len + 2) / 3 * 4 + 1);
	out->len += EVP_EncodeBlock((unsigned char *) out->data + start, bytes, (int) len);
	while (out->len > start && out->data[out->len - 1] == '=')
		out->len--;
	out->data[out->len] = '\0';
	for (int i = start; i < out->len; i++)
	{
		if (out->data[i] == '+')
			out->data[i] = '-';
		else if (out->data[i] == '/')
			out->data[i] = '_';
	}
}
