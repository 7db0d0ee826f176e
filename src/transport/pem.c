/*
 * pem.c
 *	  Checks of PEM certificates and keys. Runs in any process; no locks. Nothing here raises, so that
 *	  nothing of OpenSSL's is left behind, its queue of errors included: curl looks at that too.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "transport/pem.h"

#define BEGIN "-----BEGIN "

static const char *check_certificates(const char *pem);
static const char *check_key(EVP_PKEY *key, const char *certificate);
static X509 *read_certificate(BIO *bio);
static int no_passphrase(char *buffer, int size, int writing, void *arg);

bool
cxsig_pem_is_meant(const char *text)
{
	return strstr(text, BEGIN) != NULL;
}

const char *
cxsig_pem_check_authorities(const char *pem)
{
	return check_certificates(pem);
}

const char *
cxsig_pem_check_certificate(const char *pem)
{
	return check_certificates(pem);
}

static const char *
check_certificates(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	const char *why = NULL;
	X509 *certificate;
	int n = 0;

	if (bio == NULL)
		return "out of memory";
	while ((certificate = read_certificate(bio)) != NULL)
	{
		X509_free(certificate);
		n++;
	}
	/* at the end there is no further one to start; anything else was found in the middle of one */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		why = "a certificate in it is damaged";
	else if (n == 0)
		why = "there is no PEM certificate in it";
	ERR_clear_error();
	BIO_free(bio);
	return why;
}

const char *
cxsig_pem_check_key(const char *pem, const char *certificate)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key;
	const char *why;

	if (bio == NULL)
		return "out of memory";
	if (strstr(pem, " PRIVATE KEY-----") == NULL)
		why = "there is no PEM private key in it";
	else if (strstr(pem, BEGIN "ENCRYPTED ") != NULL ||
			 strstr(pem, "Proc-Type: 4,ENCRYPTED") != NULL)
		why = "the key in it has a passphrase";
	else
	{
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
		why = check_key(key, certificate);
		EVP_PKEY_free(key);
	}
	ERR_clear_error();
	BIO_free(bio);
	return why;
}

static const char *
check_key(EVP_PKEY *key, const char *certificate)
{
	X509 *owner;
	BIO *bio;
	bool fits;

	if (key == NULL)
		return "the private key in it is damaged";
	if (certificate == NULL)
		return NULL;
	bio = BIO_new_mem_buf(certificate, -1);
	owner = bio != NULL ? read_certificate(bio) : NULL;
	fits = owner != NULL && X509_check_private_key(owner, key) == 1;
	X509_free(owner);
	BIO_free(bio);
	return fits ? NULL : "it is not the key of the client certificate";
}

static X509 *
read_certificate(BIO *bio)
{
	return PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
}

/* Without this OpenSSL would ask on the terminal. */
static int
no_passphrase(char *buffer, int size, int writing, void *arg)
{
	return -1;
}
