/*
 * http.h
 *	  The curl engine: many HTTP requests at once on one thread, without blocking.
 *
 * One engine per process that sends: the dispatcher, or a backend for the time of a
 * test_destination call. All curl sockets sit in one epoll descriptor (cxsig_http_fd) that the
 * caller waits on together with its latch. Never raises from inside curl; never blocks.
 */
#ifndef CXSIG_HTTP_H
#define CXSIG_HTTP_H

#include "transport/transport.h"

/* Bytes of an answer that are kept: a result for each of 1,000 events, with a few words, fits. */
#define CXSIG_BODY_CAP (256 * 1024)

typedef struct CxsigHttp CxsigHttp;

typedef struct CxsigHttpLimits
{
	int connect_timeout_ms;	   /* TLS included */
	int first_byte_timeout_ms; /* from when sending starts to the first line of the answer */
	int total_timeout_ms;	   /* from the submit to the end of the answer */
} CxsigHttpLimits;

/* A request under way or done. The caller owns `owner`; the engine owns the rest. */
typedef struct CxsigHttpCall
{
	void *owner;
	CxsigResponse response; /* valid once the call is done */
} CxsigHttpCall;

/*
 * Start an engine (curl_global_init once per process). ERROR if libcurl lacks an asynchronous
 * resolver or is too old, or if there are not descriptors enough for max_connections. Frees nothing
 * on ERROR of the caller: call cxsig_http_destroy from an exit hook or PG_FINALLY. It is malloc'd.
 */
extern CxsigHttp *cxsig_http_create(int max_connections);

/* End it, aborting what is under way. NULL is allowed. */
extern void cxsig_http_destroy(CxsigHttp *http);

/* The descriptor to wait on for readable, and the ms until a timer is due (-1: none). */
extern int cxsig_http_fd(CxsigHttp *http);
extern long cxsig_http_timeout_ms(CxsigHttp *http);

/*
 * Start a request; copies what it needs. It goes out with the next drive. What cannot be started
 * comes back as a done call with its error; ERROR only where memory is out.
 */
extern CxsigHttpCall *cxsig_http_submit(CxsigHttp *http, const CxsigRequest *request,
										const CxsigHttpLimits *limits, void *owner);

/* Move transfers on: sockets that are ready, timers that are due. */
extern void cxsig_http_drive(CxsigHttp *http);

/* The next finished call, or NULL. Release it with cxsig_http_release. */
extern CxsigHttpCall *cxsig_http_next_done(CxsigHttp *http);

/* Free a finished call, or abort one under way. */
extern void cxsig_http_release(CxsigHttp *http, CxsigHttpCall *call);

/* How many are under way. */
extern int cxsig_http_running(CxsigHttp *http);

/*
 * Cut every connection, idle or not, that leads where cxsig.allowed_networks does not allow any
 * more: after the setting changed.
 */
extern void cxsig_http_forget_connections(CxsigHttp *http);

/* NULL, or why the engine would not send to this URL: a full sentence, a constant. */
extern const char *cxsig_http_check_url(const char *url);

#endif
