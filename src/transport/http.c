/*
 * http.c
 *	  The curl engine: many HTTP requests at once on one thread. One per process that sends: the
 *	  dispatcher, or a backend while it tests a destination. No locks.
 *
 * curl tells through two callbacks what it waits for: sockets, which go into one epoll descriptor,
 * and the next timer. The caller waits for that descriptor beside its latch and calls
 * cxsig_http_drive, which hands curl what is ready. A request goes: idle (in stock) -> running (in
 * the multi handle) -> done -> taken (by the caller) -> idle.
 *
 * The only threads are curl's resolver's. They start inside drive with every signal blocked, so
 * that no signal handler of PostgreSQL's ever runs on them.
 *
 * Descriptors: fd.c is told of as many as there may be connections, when the engine is made and not
 * as they open, since curl opens them where nothing may be raised. A connection being made holds
 * two more for a moment (the resolver's pair, or the other address family's attempt); those are
 * covered by the two thirds of the descriptors that fd.c leaves alone, and a socket that cannot be
 * had is an error of that request only.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <signal.h>
#include <time.h>

#include "storage/fd.h"
#include "transport/http.h"
#include "transport/http_call.h"
#include "utils/timestamp.h"

/*
 * CURLOPT_QUICK_EXIT is what makes giving up on a hanging name server not wait for it; before it
 * came, removing such a request blocked until the resolver's thread ended.
 */
#define LIBCURL_FLOOR 0x075700
#define LIBCURL_FLOOR_TEXT "7.87.0"
#if LIBCURL_VERSION_NUM < LIBCURL_FLOOR
#error "cxsig needs libcurl 7.87.0 or newer"
#endif

#define MAX_EVENTS 256

struct CxsigHttp
{
	CURLM *multi;
	CxsigSockets sockets;
	int64 timer_due;	 /* ms on the monotonic clock, CXSIG_NEVER: none */
	int64 silence_check; /* the same; no running call has its silence_due before it */
	int reserved_fds;	 /* told to fd.c */
	int n_running;
	int n_idle;
	int max_idle;
	dlist_head running;
	dlist_head done;
	dlist_head taken;
	dlist_head idle;
};

static void global_init(void);
static bool reserve_fds(CxsigHttp *http, int wanted);
static bool set_multi_options(CxsigHttp *http, int max_connections);
static void free_calls(CxsigHttp *http, dlist_head *list);
static CxsigCall *take_call(CxsigHttp *http);
static void move_call(CxsigHttp *http, CxsigCall *call, dlist_head *list, CxsigCallState state);
static void drive_sockets(CxsigHttp *http);
static void drive_timer(CxsigHttp *http, int64 now);
static void collect_done(CxsigHttp *http);
static void end_silent(CxsigHttp *http, int64 now);
static void end_call(CxsigHttp *http, CxsigCall *call);
static int64 monotonic_ms(void);
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *per_socket);
static int on_timer(CURLM *multi, long timeout_ms, void *arg);

CxsigHttp *
cxsig_http_create(int max_connections)
{
	CxsigHttp *http;

	global_init();
	http = calloc(1, sizeof(CxsigHttp));
	if (http == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	dlist_init(&http->running);
	dlist_init(&http->done);
	dlist_init(&http->taken);
	dlist_init(&http->idle);
	http->sockets.epoll_fd = -1;
	http->timer_due = CXSIG_NEVER;
	http->silence_check = CXSIG_NEVER;
	http->max_idle = max_connections;

	if (!reserve_fds(http, max_connections + 1))
	{
		int got = http->reserved_fds;

		cxsig_http_destroy(http);
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("cannot reserve file descriptors for %d connections", max_connections),
				 errdetail("There are enough for %d.", Max(got - 1, 0)),
				 errhint("Lower \"cxsig.max_connections\", or raise \"max_files_per_process\" and "
						 "the server's limit of open files.")));
	}
	if (!cxsig_sockets_init(&http->sockets))
	{
		int save_errno = errno;

		cxsig_http_destroy(http);
		errno = save_errno;
		ereport(ERROR, (errcode_for_socket_access(), errmsg("could not create epoll set: %m")));
	}
	http->multi = curl_multi_init();
	if (http->multi == NULL || !set_multi_options(http, max_connections))
	{
		cxsig_http_destroy(http);
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("could not start libcurl")));
	}
	return http;
}

void
cxsig_http_destroy(CxsigHttp *http)
{
	if (http == NULL)
		return;
	free_calls(http, &http->running);
	free_calls(http, &http->done);
	free_calls(http, &http->taken);
	free_calls(http, &http->idle);
	if (http->multi != NULL)
		curl_multi_cleanup(http->multi); /* closes the connections: the table must still be there */
	cxsig_sockets_free(&http->sockets);
	for (; http->reserved_fds > 0; http->reserved_fds--)
		ReleaseExternalFD();
	free(http);
}

/* Once per process, and never before the fork: curl's state is not shared. */
static void
global_init(void)
{
	static bool started = false;
	curl_version_info_data *info;

	if (started)
		return;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("could not start libcurl")));
	info = curl_version_info(CURLVERSION_NOW);
	if (info->version_num < LIBCURL_FLOOR)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("libcurl %s is too old", info->version),
						errhint("Install libcurl %s or newer.", LIBCURL_FLOOR_TEXT)));
	if ((info->features & CURL_VERSION_ASYNCHDNS) == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("this libcurl cannot resolve names without blocking"),
						errhint("Install a libcurl whose \"curl --version\" lists AsynchDNS.")));
	if ((info->features & CURL_VERSION_SSL) == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("this libcurl has no TLS"),
						errhint("Install a libcurl that is built with OpenSSL.")));
	started = true;
}

static bool
reserve_fds(CxsigHttp *http, int wanted)
{
	while (http->reserved_fds < wanted)
	{
		if (!AcquireExternalFD())
			return false;
		http->reserved_fds++;
	}
	return true;
}

static bool
set_multi_options(CxsigHttp *http, int max_connections)
{
	CURLM *multi = http->multi;
	int rc = 0;

	rc |= curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	rc |= curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http);
	rc |= curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	rc |= curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http);
	rc |= curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long) CURLPIPE_NOTHING);
	/* No limit on the total here: behind it, requests that hang would keep all others waiting. */
	/*
	 * curl counts those in use as well, and closes the one that comes back where there are more: with
	 * room for max_connections only, requests that hang would leave the others none to keep.
	 */
	rc |= curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 2L * max_connections);
	return rc == 0;
}

static void
free_calls(CxsigHttp *http, dlist_head *list)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, list)
	{
		CxsigCall *call = dlist_container(CxsigCall, node, iter.cur);

		dlist_delete(iter.cur);
		if (call->state == CXSIG_CALL_RUNNING)
			curl_multi_remove_handle(http->multi, call->easy);
		cxsig_call_free(call);
	}
}

int
cxsig_http_fd(CxsigHttp *http)
{
	return http->sockets.epoll_fd;
}

long
cxsig_http_timeout_ms(CxsigHttp *http)
{
	int64 due = Min(http->timer_due, http->silence_check);

	if (!dlist_is_empty(&http->done))
		return 0;
	if (due == CXSIG_NEVER)
		return -1;
	return (long) Max(due - monotonic_ms(), 0);
}

int
cxsig_http_running(CxsigHttp *http)
{
	return http->n_running;
}

CxsigHttpCall *
cxsig_http_submit(CxsigHttp *http, const CxsigRequest *request, const CxsigHttpLimits *limits,
				  void *owner)
{
	CxsigCall *call = take_call(http);

	call->public.owner = owner;
	call->public.response.sent_at = GetCurrentTimestamp();
	if (!cxsig_call_load(call, request, limits))
	{
		cxsig_call_fail(call);
		move_call(http, call, &http->done, CXSIG_CALL_DONE);
	}
	else if (curl_multi_add_handle(http->multi, call->easy) != CURLM_OK)
	{
		strlcpy(call->error, "libcurl does not take the request", sizeof(call->error));
		cxsig_call_fail(call);
		move_call(http, call, &http->done, CXSIG_CALL_DONE);
	}
	else
	{
		cxsig_call_start_silence(call, monotonic_ms());
		http->silence_check = Min(http->silence_check, call->silence_due);
		move_call(http, call, &http->running, CXSIG_CALL_RUNNING);
	}
	return &call->public;
}

/* A call from the stock, or a new one. It stays on the list of the idle ones until it is moved. */
static CxsigCall *
take_call(CxsigHttp *http)
{
	CxsigCall *call;

	if (!dlist_is_empty(&http->idle))
		return dlist_head_element(CxsigCall, node, &http->idle);
	call = cxsig_call_create(&http->sockets);
	if (call == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	dlist_push_head(&http->idle, &call->node);
	http->n_idle++;
	return call;
}

static void
move_call(CxsigHttp *http, CxsigCall *call, dlist_head *list, CxsigCallState state)
{
	http->n_running += (state == CXSIG_CALL_RUNNING) - (call->state == CXSIG_CALL_RUNNING);
	http->n_idle += (state == CXSIG_CALL_IDLE) - (call->state == CXSIG_CALL_IDLE);
	dlist_delete(&call->node);
	call->state = state;
	/* the stock is a stack, so that few handles stay warm; the others are queues */
	if (state == CXSIG_CALL_IDLE)
		dlist_push_head(list, &call->node);
	else
		dlist_push_tail(list, &call->node);
}

void
cxsig_http_drive(CxsigHttp *http)
{
	sigset_t all;
	sigset_t before;
	int64 now;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	drive_sockets(http);
	now = monotonic_ms();
	drive_timer(http, now);
	collect_done(http);
	end_silent(http, now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);

	if (http->sockets.error != 0)
	{
		errno = http->sockets.error;
		http->sockets.error = 0;
		ereport(WARNING, (errcode_for_socket_access(), errmsg("could not watch a socket: %m"),
						  errdetail("The request on it will run into its timeout.")));
	}
}

static void
drive_sockets(CxsigHttp *http)
{
	struct epoll_event events[MAX_EVENTS];
	int n = cxsig_sockets_ready(&http->sockets, events, MAX_EVENTS);

	for (int i = 0; i < n; i++)
	{
		int action = 0;
		int running;

		/* trouble is both: curl then meets it in whichever call it makes next */
		if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			action |= CURL_CSELECT_IN;
		if (events[i].events & (EPOLLOUT | EPOLLERR))
			action |= CURL_CSELECT_OUT;
		curl_multi_socket_action(http->multi, events[i].data.fd, action, &running);
	}
}

/* Requests just submitted are a timer that is due at once. */
static void
drive_timer(CxsigHttp *http, int64 now)
{
	int running;

	if (http->timer_due > now)
		return;
	http->timer_due = CXSIG_NEVER; /* curl sets the next one in here */
	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void
collect_done(CxsigHttp *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL)
	{
		CURL *easy = message->easy_handle;
		CURLcode code = message->data.result; /* message goes with the handle below */
		CxsigCall *call;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &call);
		cxsig_call_finish(call, code);
		end_call(http, call);
	}
}

/*
 * End the calls that have waited for an answer for too long. To know the next moment to look costs a
 * submit one comparison, and an answer nothing: what is kept is a bound, and found exactly only when
 * it is reached, here, by looking at all that run. It then lies a whole timeout ahead of most.
 */
static void
end_silent(CxsigHttp *http, int64 now)
{
	dlist_mutable_iter iter;

	if (http->silence_check > now)
		return;
	http->silence_check = CXSIG_NEVER;
	dlist_foreach_modify (iter, &http->running)
	{
		CxsigCall *call = dlist_container(CxsigCall, node, iter.cur);

		if (call->silence_due <= now && cxsig_call_is_silent(call, now))
			end_call(http, call);
		else
			http->silence_check = Min(http->silence_check, call->silence_due);
	}
}

/* A running call whose response is filled in: out of curl, to those that are done. */
static void
end_call(CxsigHttp *http, CxsigCall *call)
{
	curl_multi_remove_handle(http->multi, call->easy);
	move_call(http, call, &http->done, CXSIG_CALL_DONE);
}

CxsigHttpCall *
cxsig_http_next_done(CxsigHttp *http)
{
	CxsigCall *call;

	if (dlist_is_empty(&http->done))
		return NULL;
	call = dlist_head_element(CxsigCall, node, &http->done);
	move_call(http, call, &http->taken, CXSIG_CALL_TAKEN);
	return &call->public;
}

void
cxsig_http_release(CxsigHttp *http, CxsigHttpCall *public)
{
	CxsigCall *call = (CxsigCall *) public;

	if (call->state == CXSIG_CALL_RUNNING)
		curl_multi_remove_handle(http->multi, call->easy);
	cxsig_call_recycle(call);
	move_call(http, call, &http->idle, CXSIG_CALL_IDLE);
	if (http->n_idle > http->max_idle)
	{
		dlist_delete(&call->node);
		http->n_idle--;
		cxsig_call_free(call);
	}
}

void
cxsig_http_forget_connections(CxsigHttp *http)
{
	cxsig_sockets_cut(&http->sockets);
}

static int64
monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* An error from here would end every transfer, so there is none: see cxsig_http_drive. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *per_socket)
{
	CxsigHttp *http = arg;

	cxsig_sockets_watch(&http->sockets, fd, what);
	return 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	CxsigHttp *http = arg;

	http->timer_due = timeout_ms < 0 ? CXSIG_NEVER : monotonic_ms() + timeout_ms;
	return 0;
}
