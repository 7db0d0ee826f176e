/*
 * http_call.h
 *	  One HTTP request in the engine: its curl handle, the bytes it sends, what came back.
 *
 * Internal to the engine. A call outlives its request: handles are kept and used again.
 */
#ifndef CXSIG_HTTP_CALL_H
#define CXSIG_HTTP_CALL_H

#include <curl/curl.h>

#include "lib/ilist.h"
#include "transport/http.h"
#include "transport/http_answer.h"
#include "transport/http_sockets.h"
#include "transport/tls.h"

/* A moment on the monotonic clock that does not come. */
#define CXSIG_NEVER PG_INT64_MAX

typedef enum CxsigCallState
{
	CXSIG_CALL_IDLE,	/* in the engine's stock */
	CXSIG_CALL_RUNNING, /* in the multi handle */
	CXSIG_CALL_DONE,	/* waits for cxsig_http_next_done */
	CXSIG_CALL_TAKEN	/* handed out by it */
} CxsigCallState;

typedef struct CxsigCall
{
	CxsigHttpCall public; /* first: what the caller holds */
	dlist_node node;	  /* in the engine's list for its state */
	CxsigCallState state;
	CxsigSockets *sockets;
	CURL *easy;

	/* the request; buffers are kept from one to the next */
	char *text; /* URL, header lines, body, one after the other */
	size_t text_size;
	struct curl_slist *lines; /* the header list, made in place: n_lines nodes */
	int n_lines;
	bool custom_method;		/* CURLOPT_CUSTOMREQUEST is set */
	CxsigHttpLimits limits; /* as the handle has them */
	uint64 tls_id;			/* likewise: of its CxsigTls, 0 for none */
	int64 submitted_ms;		/* on the monotonic clock */
	int64 silence_due;		/* when to see whether it waits for an answer for too long */

	/* what came back */
	CxsigAnswer answer;
	char refused[128]; /* why no socket was opened, "" where none was refused */
	char curl_error[CURL_ERROR_SIZE];
	char error[512];
} CxsigCall;

/* A call with its handle, every option that never changes set; NULL where memory is out. */
extern CxsigCall *cxsig_call_create(CxsigSockets *sockets);

/* Free it. It must not be in the multi handle any more. */
extern void cxsig_call_free(CxsigCall *call);

/*
 * Copy a request into it. False, with the reason in call->error, where it cannot be sent. Does not
 * raise.
 */
extern bool cxsig_call_load(CxsigCall *call, const CxsigRequest *request,
							const CxsigHttpLimits *limits);

/* It is handed to curl now (ms on the monotonic clock): from here on it can be silent for too long. */
extern void cxsig_call_start_silence(CxsigCall *call, int64 now);

/*
 * At silence_due: has it waited for the first line of the answer for too long? Then its response is
 * filled in. If not, silence_due is when to look again.
 */
extern bool cxsig_call_is_silent(CxsigCall *call, int64 now);

/* Fill in the response of a transfer that ended with this code. Before it leaves the multi handle. */
extern void cxsig_call_finish(CxsigCall *call, CURLcode code);

/* Fill in the response of a request that was never sent, for the reason in call->error. */
extern void cxsig_call_fail(CxsigCall *call);

/* Make it ready for the next request. */
extern void cxsig_call_recycle(CxsigCall *call);

/* http_tls.c: the handle's TLS options, NULL for none. False where curl does not take them. */
extern bool cxsig_call_set_tls(CxsigCall *call, const CxsigTls *tls);

/*
 * http_error.c: why there is no answer, or not a whole one, into call->error: in which phase the
 * transfer ended, and curl's own words. status is 0 where there is no answer.
 */
extern void cxsig_call_describe(CxsigCall *call, CURLcode code, int status);

#endif
