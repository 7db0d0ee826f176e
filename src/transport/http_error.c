/*
 * http_error.c
 *	  Why a request got no answer, or not a whole one, in words for people. Runs where the engine runs;
 *	  no locks.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "transport/http_call.h"

/* curl's timers may be early by this. */
#define TIMER_SLACK_MS 2

static bool is_timeout(CxsigCall *call);
static void describe_timeout(CxsigCall *call, int status);
static bool has_passed(CxsigCall *call, CURLINFO time);
static bool is_tls_alert(CxsigCall *call, CURLcode code, int status);
static const char *curl_words(CxsigCall *call, CURLcode code);

void
cxsig_call_describe(CxsigCall *call, CURLcode code, int status)
{
	const char *phase;

	switch (code)
	{
		case CURLE_OPERATION_TIMEDOUT:
			if (is_timeout(call))
			{
				describe_timeout(call, status);
				return;
			}
			phase = "could not connect";
			break;
		case CURLE_COULDNT_RESOLVE_HOST:
			phase = "could not resolve the host name";
			break;
		case CURLE_COULDNT_CONNECT:
			phase = "could not connect";
			break;
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CIPHER:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_INVALIDCERTSTATUS:
			phase = "could not set up TLS";
			break;
		case CURLE_URL_MALFORMAT:
		case CURLE_OUT_OF_MEMORY:
		case CURLE_FAILED_INIT:
		case CURLE_LOGIN_DENIED:
			phase = "could not send the request";
			break;
		default:
			if (is_tls_alert(call, code, status))
				phase = "could not set up TLS";
			else
				phase = status != 0 ? "the answer broke off" : "there was no answer";
			break;
	}
	snprintf(call->error, sizeof(call->error), "%s: %s", phase,
			 call->refused[0] != '\0' ? call->refused : curl_words(call, code));
}

/*
 * Was one of the limits reached? curl 7.88 also calls it a timeout when a connection is refused on
 * a handle whose last one had timed out, for it looks at an errno it has kept.
 */
static bool
is_timeout(CxsigCall *call)
{
	double total = 0;

	curl_easy_getinfo(call->easy, CURLINFO_TOTAL_TIME, &total);
	return total * 1000 >=
		   Min(call->limits.connect_timeout_ms, call->limits.total_timeout_ms) - TIMER_SLACK_MS;
}

static void
describe_timeout(CxsigCall *call, int status)
{
	const char *phase;
	double total = 0;

	curl_easy_getinfo(call->easy, CURLINFO_TOTAL_TIME, &total);
	if (status != 0)
		phase = "reading the answer";
	else if (has_passed(call, CURLINFO_PRETRANSFER_TIME_T))
		phase = "waiting for the answer";
	else if (has_passed(call, CURLINFO_CONNECT_TIME_T))
		phase = "setting up TLS";
	else if (!has_passed(call, CURLINFO_NAMELOOKUP_TIME_T))
		phase = "resolving the host name or waiting for a free connection";
	else if (pg_strncasecmp(call->text, "https:", 6) == 0)
		phase = "connecting or setting up TLS"; /* curl counts both as one in some releases */
	else
		phase = "connecting";
	snprintf(call->error, sizeof(call->error), "timed out after %.0f ms %s", total * 1000, phase);
}

static bool
has_passed(CxsigCall *call, CURLINFO time)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(call->easy, time, &us) == CURLE_OK && us > 0;
}

/*
 * With TLS 1.3 a server that does not take the client's certificate says so after the client has
 * begun to send, and curl fails to read.
 */
static bool
is_tls_alert(CxsigCall *call, CURLcode code, int status)
{
	return (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) && status == 0 &&
		   strstr(call->curl_error, "SSL routines") != NULL &&
		   strstr(call->curl_error, " alert ") != NULL;
}

/* What curl says, without where in OpenSSL it was found, and what it says in passing. */
static const char *
curl_words(CxsigCall *call, CURLcode code)
{
	static const char *const lead[] = {"SSL routines::", "SSL certificate problem: ", "SSL: "};
	char *words = call->curl_error;
	char *end;

	if (strstr(words, "SSL_ERROR_SYSCALL") != NULL)
		return "the server closed the connection";
	if (words[0] == '\0' || strncmp(words, "getpeername", strlen("getpeername")) == 0)
		return curl_easy_strerror(code);
	for (int i = 0; i < (int) lengthof(lead); i++)
	{
		char *at = strstr(words, lead[i]);

		if (at != NULL)
			words = at + strlen(lead[i]);
	}
	end = strstr(words, ", errno ");
	if (end != NULL)
		*end = '\0';
	return words;
}
