/*
 * http_call.c
 *	  One HTTP request in the engine. Runs where the engine runs; no locks.
 *
 * What a handle needs only once is set when it is created; a request then costs its URL, headers,
 * body and little else. Everything is malloc'd: curl keeps pointers into it, whatever becomes of
 * memory contexts. Callbacks copy and count; none raises.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "transport/http_call.h"
#include "utils/timestamp.h"

/* Connections are renewed after this, so that a change in DNS is seen under steady load too. */
#define CONNECTION_LIFETIME_S 300L

/* Text buffers up to this size stay with the call. */
#define KEEP_TEXT_SIZE 65536

static char no_expect[] = "Expect:";

static bool set_options(CxsigCall *call);
static bool set_callbacks(CxsigCall *call);
static bool reserve(CxsigCall *call, const CxsigRequest *request);
static bool write_lines(CxsigCall *call, const CxsigRequest *request, char **at);
static bool set_request(CxsigCall *call, const CxsigRequest *request, const char *url,
						const char *body, const CxsigHttpLimits *limits);
static bool set_method(CxsigCall *call, const char *method);
static bool set_limits(CxsigCall *call, const CxsigHttpLimits *limits);
static size_t on_header(char *line, size_t size, size_t n, void *arg);
static size_t on_body(char *data, size_t size, size_t n, void *arg);
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
static const char *response_header(const CxsigResponse *response, const char *name);

CxsigCall *
cxsig_call_create(CxsigSockets *sockets)
{
	CxsigCall *call = calloc(1, sizeof(CxsigCall));

	if (call == NULL)
		return NULL;
	call->sockets = sockets;
	call->easy = curl_easy_init();
	call->public.response.header = response_header;
	if (call->easy == NULL || !set_options(call) || !set_callbacks(call))
	{
		cxsig_call_free(call);
		return NULL;
	}
	return call;
}

void
cxsig_call_free(CxsigCall *call)
{
	if (call->easy != NULL)
		curl_easy_cleanup(call->easy);
	cxsig_answer_free(&call->answer);
	free(call->text);
	free(call->lines);
	free(call);
}

/*
 * What holds for every request. No redirects, no proxy out of the environment, no SIGALRM, and no
 * other protocol: a URL leads where it says or nowhere. HTTP/1.1 throughout: a connection carries
 * one request at a time, so one that stalls holds up no other.
 */
static bool
set_options(CxsigCall *call)
{
	CURL *easy = call->easy;
	int rc = 0;

	rc |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	rc |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
	rc |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	rc |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	rc |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
	rc |= curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	rc |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	rc |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	rc |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "cxsig/" CXSIG_VERSION);
	rc |= curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	rc |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	rc |= curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFETIME_S);
	/* a request that is given up must not wait for the thread that still resolves its name */
	rc |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	return rc == 0;
}

static bool
set_callbacks(CxsigCall *call)
{
	CURL *easy = call->easy;
	int rc = 0;

	rc |= curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	rc |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error);
	rc |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	rc |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	rc |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
	/* a connection outlives the call that opened it: its end goes to the engine's table */
	rc |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, cxsig_sockets_close);
	rc |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call->sockets);
	return rc == 0;
}

bool
cxsig_call_load(CxsigCall *call, const CxsigRequest *request, const CxsigHttpLimits *limits)
{
	char *at;
	char *url;
	char *body;
	size_t url_len = strlen(request->url);

	if (!reserve(call, request))
	{
		strlcpy(call->error, "out of memory", sizeof(call->error));
		return false;
	}
	at = call->text;
	url = at;
	memcpy(at, request->url, url_len + 1);
	at += url_len + 1;
	if (!write_lines(call, request, &at))
		return false;
	body = at;
	if (request->body.len > 0)
		memcpy(body, request->body.data, request->body.len);
	if (!set_request(call, request, url, body, limits))
	{
		strlcpy(call->error, "curl does not take the request", sizeof(call->error));
		return false;
	}
	return true;
}

/* Room for the text of a request, and the nodes of its header list. */
static bool
reserve(CxsigCall *call, const CxsigRequest *request)
{
	size_t size = strlen(request->url) + 1 + request->body.len;

	for (int i = 0; i < request->n_headers; i++)
		size += strlen(request->headers[i].name) + strlen(request->headers[i].value) + 3;
	if (size > call->text_size)
	{
		free(call->text);
		call->text_size = 0;
		call->text = malloc(Max(size, 2048));
		if (call->text == NULL)
			return false;
		call->text_size = Max(size, 2048);
	}
	if (request->n_headers + 1 > call->n_lines)
	{
		free(call->lines);
		call->n_lines = 0;
		call->lines = calloc(request->n_headers + 8, sizeof(struct curl_slist));
		if (call->lines == NULL)
			return false;
		call->n_lines = request->n_headers + 8;
	}
	return true;
}

/* The header list: curl only reads it, so its nodes can be ours. */
static bool
write_lines(CxsigCall *call, const CxsigRequest *request, char **at)
{
	struct curl_slist *line = call->lines;

	/* no waiting for the server's leave to send a larger body */
	line->data = no_expect;
	for (int i = 0; i < request->n_headers; i++)
	{
		const CxsigHeader *header = &request->headers[i];
		size_t name_len = strlen(header->name);
		size_t value_len = strlen(header->value);

		if (strpbrk(header->name, "\r\n:;") != NULL || strpbrk(header->value, "\r\n") != NULL)
		{
			snprintf(call->error, sizeof(call->error),
					 "header \"%.64s\" has characters that cannot be sent", header->name);
			return false;
		}
		line->next = line + 1;
		line++;
		line->data = *at;
		memcpy(*at, header->name, name_len);
		*at += name_len;
		/* to curl, "name:" means to leave it out, and "name;" that it is empty */
		*(*at)++ = value_len > 0 ? ':' : ';';
		if (value_len > 0)
			*(*at)++ = ' ';
		memcpy(*at, header->value, value_len + 1);
		*at += value_len + 1;
	}
	line->next = NULL;
	return true;
}

static bool
set_request(CxsigCall *call, const CxsigRequest *request, const char *url, const char *body,
			const CxsigHttpLimits *limits)
{
	CURL *easy = call->easy;
	int rc = 0;

	rc |= curl_easy_setopt(easy, CURLOPT_URL, url);
	rc |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->lines);
	if (strcmp(request->method, "GET") == 0)
		rc |= curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	else
	{
		rc |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long) request->body.len);
		rc |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	}
	return rc == 0 && set_method(call, request->method) && set_limits(call, limits) &&
		   cxsig_call_set_tls(call, request->tls);
}

/* The method's name, where it differs from what the body makes of it. */
static bool
set_method(CxsigCall *call, const char *method)
{
	bool custom = strcmp(method, "POST") != 0 && strcmp(method, "GET") != 0;

	if (!custom && !call->custom_method)
		return true;
	call->custom_method = custom;
	return curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, custom ? method : NULL) == CURLE_OK;
}

static bool
set_limits(CxsigCall *call, const CxsigHttpLimits *limits)
{
	int rc = 0;

	if (limits->connect_timeout_ms != call->limits.connect_timeout_ms)
		rc |= curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS,
							   (long) limits->connect_timeout_ms);
	if (limits->total_timeout_ms != call->limits.total_timeout_ms)
		rc |= curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long) limits->total_timeout_ms);
	call->limits = *limits;
	return rc == 0;
}

void
cxsig_call_start_silence(CxsigCall *call, int64 now)
{
	call->submitted_ms = now;
	call->silence_due = call->limits.first_byte_timeout_ms < call->limits.total_timeout_ms
							? now + call->limits.first_byte_timeout_ms
							: CXSIG_NEVER;
}

/*
 * curl tells only now when it began to send. A call that still connects starts waiting later than
 * now, and so is looked at again after another whole timeout.
 */
bool
cxsig_call_is_silent(CxsigCall *call, int64 now)
{
	curl_off_t sent_us = 0;

	if (call->answer.begun)
	{
		call->silence_due = CXSIG_NEVER;
		return false;
	}
	curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
	call->silence_due = (sent_us > 0 ? call->submitted_ms + sent_us / 1000 : now) +
						call->limits.first_byte_timeout_ms;
	if (call->silence_due > now)
		return false;
	snprintf(call->error, sizeof(call->error),
			 "timed out after " INT64_FORMAT " ms waiting for the answer",
			 now - call->submitted_ms - (int64) (sent_us / 1000));
	cxsig_call_fail(call);
	return true;
}

void
cxsig_call_finish(CxsigCall *call, CURLcode code)
{
	CxsigResponse *response = &call->public.response;
	const char *retry_after;
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	/* more body than anybody wants to read is still an answer */
	if (code == CURLE_WRITE_ERROR && call->answer.over_limit)
		code = CURLE_OK;
	if (status < 200)
		status = 0;
	if (code != CURLE_OK)
	{
		cxsig_call_describe(call, code, (int) status);
		call->answer.truncated = true;
	}

	response->finished_at = GetCurrentTimestamp();
	response->status = (int) status;
	response->error = call->error;
	response->body = call->answer.body_len > 0 ? call->answer.body : "";
	response->body_len = call->answer.body_len;
	response->body_truncated = call->answer.truncated;
	retry_after = cxsig_answer_header(&call->answer, "retry-after");
	response->retry_after_ms =
		retry_after != NULL ? cxsig_answer_retry_after(retry_after, (int64) time(NULL)) : -1;
}

void
cxsig_call_fail(CxsigCall *call)
{
	CxsigResponse *response = &call->public.response;

	response->finished_at = GetCurrentTimestamp();
	response->status = 0;
	response->error = call->error;
	response->body = "";
	response->body_len = 0;
	response->body_truncated = false;
	response->retry_after_ms = -1;
}

void
cxsig_call_recycle(CxsigCall *call)
{
	cxsig_answer_reset(&call->answer);
	call->refused[0] = '\0';
	call->curl_error[0] = '\0';
	call->error[0] = '\0';
	if (call->text_size > KEEP_TEXT_SIZE)
	{
		free(call->text);
		call->text = NULL;
		call->text_size = 0;
	}
}

static size_t
on_header(char *line, size_t size, size_t n, void *arg)
{
	CxsigCall *call = arg;

	cxsig_answer_add_header(&call->answer, line, size * n);
	return size * n;
}

static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	CxsigCall *call = arg;

	return cxsig_answer_add_body(&call->answer, data, size * n) ? size * n : 0;
}

static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	CxsigCall *call = arg;

	return cxsig_sockets_open(call->sockets, address, call->refused, sizeof(call->refused));
}

static const char *
response_header(const CxsigResponse *response, const char *name)
{
	const CxsigHttpCall *public =
		(const CxsigHttpCall *) ((const char *) response - offsetof(CxsigHttpCall, response));

	return cxsig_answer_header(&((const CxsigCall *) public)->answer, name);
}
