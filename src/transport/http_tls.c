/*
 * http_tls.c
 *	  The TLS options of one curl handle. Runs where the engine runs; no locks.
 *
 * Peer and host name are verified always: that is curl's default, and nothing turns it off. curl
 * takes a connection up again only for the same authorities, certificate and version, which it
 * compares by content; keys it does not compare, and need not, since a certificate has only one.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "transport/http_call.h"

/* Of a handle whose options were set by half: no CxsigTls has it. */
#define UNKNOWN_TLS PG_UINT64_MAX

static CURLcode set_blob(CURL *easy, CURLoption option, const char *pem);

bool
cxsig_call_set_tls(CxsigCall *call, const CxsigTls *tls)
{
	static const CxsigTls none;
	CURL *easy = call->easy;
	uint64 id = tls != NULL ? tls->id : 0;
	char *path = NULL;
	int rc = 0;

	if (call->tls_id == id)
		return true;
	call->tls_id = UNKNOWN_TLS;
	if (tls == NULL)
		tls = &none;
	/* authorities given take the place of the system's file, and here of its directory too */
	if (tls->authorities == NULL)
		rc |= curl_easy_getinfo(easy, CURLINFO_CAPATH, &path);
	rc |= curl_easy_setopt(easy, CURLOPT_CAPATH, path);
	rc |= set_blob(easy, CURLOPT_CAINFO_BLOB, tls->authorities);
	rc |= set_blob(easy, CURLOPT_SSLCERT_BLOB, tls->certificate);
	rc |= set_blob(easy, CURLOPT_SSLKEY_BLOB, tls->key);
	rc |= curl_easy_setopt(
		easy, CURLOPT_SSLVERSION,
		(long) (tls->newest_only ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2));
	if (rc == 0)
		call->tls_id = id;
	return rc == 0;
}

static CURLcode
set_blob(CURL *easy, CURLoption option, const char *pem)
{
	struct curl_blob blob;

	if (pem == NULL)
		return curl_easy_setopt(easy, option, NULL);
	blob.data = unconstify(char *, pem);
	blob.len = strlen(pem);
	blob.flags = CURL_BLOB_COPY;
	return curl_easy_setopt(easy, option, &blob);
}
