/*
 * verify.c
 *	  Check of Standard Webhooks v1 signatures: HMAC-SHA256 over "id.timestamp.body".
 *
 * Runs on the HTTP thread, once per request; a secret keeps the two half-keyed digests of its
 * HMAC, so that a check starts from copies instead of hashing the key again.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "verify.h"

#define HMAC_BLOCK 64
#define MIN_KEY 24
#define DIGEST_LEN 32
#define DIGEST_BASE64_LEN 44

struct SinkSecret
{
	EVP_MD_CTX *inner; /* has taken key xor 0x36.. */
	EVP_MD_CTX *outer; /* has taken key xor 0x5c.. */
	EVP_MD_CTX *work;
};

static int decode_base64(const char *text, unsigned char *out, size_t cap);
static EVP_MD_CTX *start_keyed(const unsigned char *key, int key_len, unsigned char pad);
static void secret_sign(SinkSecret *secret, const char *id, const char *timestamp, SinkText body,
						char *base64);
static bool signature_lists(const char *list, const char *base64);

/* Strict base64 with padding; -1 where it is not. */
static int
decode_base64(const char *text, unsigned char *out, size_t cap)
{
	size_t len = strlen(text);
	int decoded;

	if (len == 0 || len % 4 != 0 || len / 4 * 3 > cap)
		return -1;
	decoded = EVP_DecodeBlock(out, (const unsigned char *) text, (int) len);
	if (decoded < 0)
		return -1;
	if (text[len - 1] == '=')
		decoded--;
	if (text[len - 2] == '=')
		decoded--;
	return decoded;
}

static EVP_MD_CTX *
start_keyed(const unsigned char *key, int key_len, unsigned char pad)
{
	unsigned char block[HMAC_BLOCK];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int i;

	memset(block, 0, sizeof(block));
	memcpy(block, key, (size_t) key_len);
	for (i = 0; i < HMAC_BLOCK; i++)
		block[i] ^= pad;
	EVP_DigestInit_ex(context, EVP_sha256(), NULL);
	EVP_DigestUpdate(context, block, sizeof(block));
	return context;
}

SinkSecret *
sink_secret_prepare(const char *text)
{
	unsigned char key[HMAC_BLOCK + 2];
	SinkSecret *secret;
	int key_len;

	if (strncmp(text, "whsec_", 6) == 0)
		text += 6;
	key_len = decode_base64(text, key, sizeof(key));
	if (key_len < MIN_KEY || key_len > HMAC_BLOCK)
		return NULL;
	secret = sink_alloc(sizeof(SinkSecret));
	secret->inner = start_keyed(key, key_len, 0x36);
	secret->outer = start_keyed(key, key_len, 0x5c);
	secret->work = EVP_MD_CTX_new();
	return secret;
}

void
sink_secret_free(SinkSecret *secret)
{
	EVP_MD_CTX_free(secret->inner);
	EVP_MD_CTX_free(secret->outer);
	EVP_MD_CTX_free(secret->work);
	free(secret);
}

/* base64 must have room for DIGEST_BASE64_LEN + 1 bytes. */
static void
secret_sign(SinkSecret *secret, const char *id, const char *timestamp, SinkText body, char *base64)
{
	unsigned char digest[DIGEST_LEN];
	EVP_MD_CTX *work = secret->work;

	EVP_MD_CTX_copy_ex(work, secret->inner);
	EVP_DigestUpdate(work, id, strlen(id));
	EVP_DigestUpdate(work, ".", 1);
	EVP_DigestUpdate(work, timestamp, strlen(timestamp));
	EVP_DigestUpdate(work, ".", 1);
	EVP_DigestUpdate(work, body.s, body.len);
	EVP_DigestFinal_ex(work, digest, NULL);
	EVP_MD_CTX_copy_ex(work, secret->outer);
	EVP_DigestUpdate(work, digest, sizeof(digest));
	EVP_DigestFinal_ex(work, digest, NULL);
	EVP_EncodeBlock((unsigned char *) base64, digest, sizeof(digest));
}

/* Is "v1,<base64>" in a list separated by spaces? */
static bool
signature_lists(const char *list, const char *base64)
{
	while (*list != '\0')
	{
		size_t len = strcspn(list, " ");

		if (len == 3 + DIGEST_BASE64_LEN && strncmp(list, "v1,", 3) == 0 &&
			CRYPTO_memcmp(list + 3, base64, DIGEST_BASE64_LEN) == 0)
			return true;
		list += len;
		list += strspn(list, " ");
	}
	return false;
}

SinkSignature
sink_verify(SinkSecret *const *secrets, int n_secrets, const char *id, const char *timestamp,
			const char *signature, SinkText body, int64_t now_us)
{
	char base64[DIGEST_BASE64_LEN + 1];
	bool right = false;
	char *end;
	long long at;
	int i;

	if (signature == NULL || signature[0] == '\0')
		return SINK_SIGNATURE_MISSING;
	if (n_secrets == 0)
		return SINK_SIGNATURE_UNCHECKED;
	if (id == NULL || timestamp == NULL)
		return SINK_SIGNATURE_WRONG;
	for (i = 0; i < n_secrets && !right; i++)
	{
		secret_sign(secrets[i], id, timestamp, body, base64);
		right = signature_lists(signature, base64);
	}
	at = strtoll(timestamp, &end, 10);
	if (!right || end == timestamp || *end != '\0')
		return SINK_SIGNATURE_WRONG;
	if (llabs(now_us / 1000000 - at) > SINK_TOLERANCE_S)
		return SINK_SIGNATURE_OLD;
	return SINK_SIGNATURE_OK;
}

const char *
sink_signature_name(SinkSignature signature)
{
	switch (signature)
	{
		case SINK_SIGNATURE_OK:
			return "ok";
		case SINK_SIGNATURE_MISSING:
			return "missing";
		case SINK_SIGNATURE_WRONG:
			return "wrong";
		case SINK_SIGNATURE_OLD:
			return "old";
		case SINK_SIGNATURE_UNCHECKED:
			break;
	}
	return "unchecked";
}
