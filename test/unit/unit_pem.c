/*
 * unit_pem.c
 *	  Certificates and keys that TLS can use are told from those it cannot. All are made here.
 */
#include "postgres.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "transport/pem.h"
#include "unit.h"

static char *text_of(BIO *bio);
static char *certificate_of(EVP_PKEY *key);
static char *key_text(EVP_PKEY *key, const char *passphrase);
static char *joined(const char *a, const char *b);
static char *damaged(const char *pem);

static char *
text_of(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, len);

	BIO_free(bio);
	return text;
}

/* Self-signed, as PEM. */
static char *
certificate_of(EVP_PKEY *key)
{
	X509 *certificate = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());

	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	PEM_write_bio_X509(bio, certificate);
	X509_free(certificate);
	return text_of(bio);
}

static char *
key_text(EVP_PKEY *key, const char *passphrase)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey(bio, key, passphrase != NULL ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
							 unconstify(char *, passphrase));
	return text_of(bio);
}

static char *
joined(const char *a, const char *b)
{
	char *text = malloc(strlen(a) + strlen(b) + 1);

	strcpy(text, a);
	strcat(text, b);
	return text;
}

/* A copy with its middle broken. */
static char *
damaged(const char *pem)
{
	char *copy = strdup(pem);

	memset(copy + strlen(copy) / 2, '!', 4);
	return copy;
}

void
unit_pem(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	EVP_PKEY *other = EVP_EC_gen("P-256");
	char *certificate = certificate_of(key);
	char *secret = key_text(key, NULL);
	char *both = joined(certificate, secret);

	CHECK(cxsig_pem_is_meant(certificate) && cxsig_pem_is_meant(secret));
	CHECK(!cxsig_pem_is_meant("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));

	CHECK(cxsig_pem_check_certificate(certificate) == NULL);
	CHECK(cxsig_pem_check_certificate(both) == NULL);
	CHECK(cxsig_pem_check_authorities(joined(certificate, certificate_of(other))) == NULL);
	CHECK(cxsig_pem_check_authorities(joined("a comment\n", certificate)) == NULL);
	CHECK_TEXT(cxsig_pem_check_certificate(""), "there is no PEM certificate in it");
	CHECK_TEXT(cxsig_pem_check_certificate(secret), "there is no PEM certificate in it");
	CHECK_TEXT(cxsig_pem_check_certificate(damaged(certificate)), "a certificate in it is damaged");
	CHECK_TEXT(cxsig_pem_check_authorities(joined(certificate, damaged(certificate))),
			   "a certificate in it is damaged");

	CHECK(cxsig_pem_check_key(secret, NULL) == NULL);
	CHECK(cxsig_pem_check_key(secret, certificate) == NULL);
	CHECK(cxsig_pem_check_key(both, both) == NULL);
	CHECK_TEXT(cxsig_pem_check_key(certificate, NULL), "there is no PEM private key in it");
	CHECK_TEXT(cxsig_pem_check_key(damaged(secret), NULL), "the private key in it is damaged");
	CHECK_TEXT(cxsig_pem_check_key(key_text(key, "x"), NULL), "the key in it has a passphrase");
	CHECK_TEXT(cxsig_pem_check_key(key_text(other, NULL), certificate),
			   "it is not the key of the client certificate");
}
