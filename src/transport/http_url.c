/*
 * http_url.c
 *	  Is a URL one the engine would send to? Runs in any process, before anything is sent; no locks.
 *
 * The parser is curl's own, so what passes here is read the same way when it is used.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "transport/http.h"

#define MAX_URL_LEN 2048

static const char *check_parts(CURLU *parts);
static bool has_part(CURLU *parts, CURLUPart which);
static bool scheme_is_http(CURLU *parts);

const char *
cxsig_http_check_url(const char *url)
{
	CURLU *parts;
	const char *rest;
	const char *why;

	if (strlen(url) > MAX_URL_LEN)
		return "It is longer than 2048 characters.";
	for (const char *at = url; *at != '\0'; at++)
	{
		if (*at <= 0x20 || *at >= 0x7f)
			return "It has spaces or characters outside ASCII; percent-encode them.";
	}
	rest = strstr(url, "://");
	if (rest == NULL)
		return "It has no scheme; write https://host/path.";
	if (rest[3] == '/')
		return "It has no host."; /* curl would take the first part of the path for one */

	parts = curl_url();
	if (parts == NULL)
		return "It cannot be checked: out of memory.";
	if (curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		why = "It is no URL.";
	else
		why = check_parts(parts);
	curl_url_cleanup(parts);
	return why;
}

static const char *
check_parts(CURLU *parts)
{
	if (!scheme_is_http(parts))
		return "Its scheme is neither http nor https.";
	if (!has_part(parts, CURLUPART_HOST))
		return "It has no host.";
	if (has_part(parts, CURLUPART_USER) || has_part(parts, CURLUPART_PASSWORD))
		return "It has credentials in it; send them in a header whose value is a secret.";
	if (has_part(parts, CURLUPART_FRAGMENT))
		return "It has a fragment (#...), which is never sent.";
	return NULL;
}

static bool
has_part(CURLU *parts, CURLUPart which)
{
	char *text = NULL;
	bool found = curl_url_get(parts, which, &text, 0) == CURLUE_OK && text[0] != '\0';

	curl_free(text);
	return found;
}

static bool
scheme_is_http(CURLU *parts)
{
	char *scheme = NULL;
	bool found;

	found = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
			(strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	curl_free(scheme);
	return found;
}
