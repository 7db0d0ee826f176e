/*
 * sign.c
 *	  Signatures of Standard Webhooks, scheme v1. Runs in the dispatcher for every request, and in
 *	  backends that check or test a destination. No locks.
 *
 * OpenSSL's contexts are malloc'd, so the memory context that holds the signer frees them through a
 * callback: an ERROR anywhere leaves nothing behind.
 */
#include "postgres.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "common/base64.h"
#include "transport/sign.h"
#include "utils/memutils.h"

#define SECRET_PREFIX "whsec_"
#define SECRET_PREFIX_LEN (sizeof(SECRET_PREFIX) - 1)
#define DIGEST_LEN 32
#define DIGEST_BASE64_LEN 44
#define MAX_SECRET_LEN 256 /* longer cannot be 64 bytes of base64, however it is broken up */

typedef struct SignKey
{
	struct SignKey *next;
	TimestampTz expires_at;
	EVP_MAC_CTX *mac; /* keyed; starts over from the key when initialised with none */
} SignKey;

struct CxsigSigner
{
	SignKey *keys;
	SignKey **last;
	MemoryContext context;
	MemoryContextCallback cleanup;
};

static void signer_cleanup(void *arg);
static EVP_MAC_CTX *mac_create(const unsigned char *key, size_t len);
static int decode_secret(const char *secret, unsigned char *key);
static void key_error(const char *owner, const char *detail) pg_attribute_noreturn();

CxsigSigner *
cxsig_sign_create(void)
{
	CxsigSigner *signer = palloc0(sizeof(CxsigSigner));

	signer->last = &signer->keys;
	signer->context = CurrentMemoryContext;
	signer->cleanup.func = signer_cleanup;
	signer->cleanup.arg = signer;
	MemoryContextRegisterResetCallback(signer->context, &signer->cleanup);
	return signer;
}

void
cxsig_sign_add_key(CxsigSigner *signer, const char *secret, TimestampTz expires_at,
				   const char *owner)
{
	unsigned char bytes[CXSIG_SIGN_MAX_KEY + 3];
	int len;
	SignKey *key;

	if (strncmp(secret, "whsk_", 5) == 0 || strncmp(secret, "whpk_", 5) == 0)
		key_error(owner, "It is an ed25519 key; signatures are made with HMAC-SHA256 (v1).");
	len = decode_secret(secret, bytes);
	if (len < 0)
		key_error(owner, "It is not base64.");
	if (len < CXSIG_SIGN_MIN_KEY || len > CXSIG_SIGN_MAX_KEY)
	{
		explicit_bzero(bytes, sizeof(bytes));
		key_error(owner, "It is not a key of 24 to 64 bytes.");
	}

	key = MemoryContextAllocZero(signer->context, sizeof(SignKey));
	key->expires_at = expires_at;
	key->mac = mac_create(bytes, len);
	explicit_bzero(bytes, sizeof(bytes));
	if (key->mac == NULL)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not set up HMAC-SHA256 in OpenSSL")));
	*signer->last = key;
	signer->last = &key->next;
}

bool
cxsig_sign_append(CxsigSigner *signer, TimestampTz at, const char *id, const char *timestamp,
				  const char *body, size_t body_len, StringInfo out)
{
	bool any = false;

	for (SignKey *key = signer->keys; key != NULL; key = key->next)
	{
		unsigned char digest[DIGEST_LEN];
		size_t digest_len;

		if (key->expires_at <= at)
			continue;
		if (!EVP_MAC_init(key->mac, NULL, 0, NULL) ||
			!EVP_MAC_update(key->mac, (const unsigned char *) id, strlen(id)) ||
			!EVP_MAC_update(key->mac, (const unsigned char *) ".", 1) ||
			!EVP_MAC_update(key->mac, (const unsigned char *) timestamp, strlen(timestamp)) ||
			!EVP_MAC_update(key->mac, (const unsigned char *) ".", 1) ||
			!EVP_MAC_update(key->mac, (const unsigned char *) body, body_len) ||
			!EVP_MAC_final(key->mac, digest, &digest_len, sizeof(digest)))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
							errmsg("could not compute HMAC-SHA256 in OpenSSL")));
		appendStringInfoString(out, any ? " v1," : "v1,");
		enlargeStringInfo(out, DIGEST_BASE64_LEN + 1);
		out->len += EVP_EncodeBlock((unsigned char *) out->data + out->len, digest, DIGEST_LEN);
		any = true;
	}
	return any;
}

static void
signer_cleanup(void *arg)
{
	CxsigSigner *signer = arg;

	for (SignKey *key = signer->keys; key != NULL; key = key->next)
		EVP_MAC_CTX_free(key->mac);
	signer->keys = NULL;
}

/* A context for HMAC-SHA256 with this key; NULL where OpenSSL cannot. */
static EVP_MAC_CTX *
mac_create(const unsigned char *key, size_t len)
{
	char digest_name[] = "SHA256";
	OSSL_PARAM params[2];
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac;

	if (hmac == NULL)
		return NULL;
	mac = EVP_MAC_CTX_new(hmac);
	EVP_MAC_free(hmac); /* the context keeps its own reference */
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0);
	params[1] = OSSL_PARAM_construct_end();
	if (mac != NULL && !EVP_MAC_init(mac, key, len, params))
	{
		EVP_MAC_CTX_free(mac);
		mac = NULL;
	}
	return mac;
}

/*
 * The key's bytes; returns how many (64 and some where there are too many), or -1 where it is not
 * base64. Padding may be missing, and space around the secret is what files end with.
 */
static int
decode_secret(const char *secret, unsigned char *key)
{
	char text[MAX_SECRET_LEN + 4];
	unsigned char bytes[MAX_SECRET_LEN];
	size_t len;
	int n;

	secret += strspn(secret, " \t\r\n");
	if (strncmp(secret, SECRET_PREFIX, SECRET_PREFIX_LEN) == 0)
		secret += SECRET_PREFIX_LEN;
	len = strlen(secret);
	while (len > 0 && strchr(" \t\r\n", secret[len - 1]) != NULL)
		len--;
	if (strspn(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") < len)
		return -1;
	if (len > MAX_SECRET_LEN)
		return CXSIG_SIGN_MAX_KEY + 1;
	memcpy(text, secret, len);
	while (len % 4 != 0)
		text[len++] = '=';
	n = pg_b64_decode(text, (int) len, (char *) bytes, sizeof(bytes));
	explicit_bzero(text, sizeof(text));
	if (n > CXSIG_SIGN_MAX_KEY)
		n = CXSIG_SIGN_MAX_KEY + 1;
	if (n > 0)
		memcpy(key, bytes, n);
	explicit_bzero(bytes, sizeof(bytes));
	return n;
}

static void
key_error(const char *owner, const char *detail)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 owner != NULL ? errmsg("invalid signing secret of destination \"%s\"", owner)
					   : errmsg("invalid signing secret"),
		 errdetail_internal("%s", detail),
		 errhint("A signing secret is \"whsec_\" followed by the base64 of 24 to 64 random bytes, "
				 "such as the output of: echo \"whsec_$(openssl rand -base64 32)\"")));
}
