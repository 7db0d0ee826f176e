/*
 * bare_post.c
 *	  A baseline: how fast one thread can post with libcurl's multi-socket interface and nothing
 *	  else to do. What an engine delivers is measured against it.
 *
 * usage: bare_post [-c IN_FLIGHT] [-n REQUESTS] [-b FILE_OF_BODIES] URL
 * Each of the IN_FLIGHT slots owns an easy handle and a message, and starts its next request as
 * soon as it has an answer. With -b the bodies are the file's lines, in turn. Prints
 * "requests seconds rate"; exits with 1 if any answer was not 2xx.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "message.h"

#define MAX_FD 65536
#define MAX_EVENTS 256

typedef struct Slot
{
	CURL *easy;
	BenchMessage *message;
	long version;
} Slot;

/* What epoll watches a descriptor for, and what curl wants it watched for. */
typedef struct Watch
{
	uint32_t watched;
	uint32_t wanted;
} Watch;

static CURLM *multi;
static int epoll_fd;
static long timeout_ms = -1;
static Watch watches[MAX_FD];

static long n_slots = 64;
static long n_requests = 200000;
static long n_started;
static long n_done;
static long n_failed;
static char **bodies; /* NULL: the built-in message */
static long n_bodies;

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *cls, void *socket_cls);
static int on_timer(CURLM *m, long ms, void *cls);
static int on_close(void *cls, curl_socket_t fd);
static void watch(int fd, uint32_t wanted);
static void slot_start(Slot *slot, long index);
static void reap(Slot *slots);
static void run(Slot *slots);
static void read_bodies(const char *name);
static void fail(const char *what);

static void
fail(const char *what)
{
	fprintf(stderr, "bare_post: %s\n", what);
	exit(2);
}

static void
watch(int fd, uint32_t wanted)
{
	struct epoll_event event = {.events = wanted, .data.fd = fd};
	Watch *state = &watches[fd];

	state->wanted = wanted;
	if (wanted == state->watched)
		return;
	epoll_ctl(epoll_fd,
			  wanted == 0			? EPOLL_CTL_DEL
			  : state->watched == 0 ? EPOLL_CTL_ADD
									: EPOLL_CTL_MOD,
			  fd, &event);
	state->watched = wanted;
}

/*
 * A connection between two requests is removed and wanted again at once: it stays watched, and is
 * let go of only if it turns out to be readable while nobody wants it.
 */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *cls, void *socket_cls)
{
	(void) easy;
	(void) cls;
	(void) socket_cls;
	if (fd >= MAX_FD)
		fail("too many descriptors");
	if (what == CURL_POLL_REMOVE)
		watches[fd].wanted = 0;
	else
		watch(fd, ((what & CURL_POLL_IN) ? EPOLLIN : 0) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0));
	return 0;
}

static int
on_timer(CURLM *m, long ms, void *cls)
{
	(void) m;
	(void) cls;
	timeout_ms = ms;
	return 0;
}

/* Closing takes a descriptor out of epoll by itself. */
static int
on_close(void *cls, curl_socket_t fd)
{
	(void) cls;
	if (fd < MAX_FD)
		memset(&watches[fd], 0, sizeof(Watch));
	return close(fd);
}

static void
slot_start(Slot *slot, long index)
{
	long id = n_started++;

	bench_message_patch(slot->message, id, index, slot->version++);
	if (bodies != NULL)
	{
		const char *body = bodies[id % n_bodies];

		bench_easy_point(slot->easy, slot->message, body, strlen(body));
	}
	if (curl_multi_add_handle(multi, slot->easy) != CURLM_OK)
		fail("could not add a handle");
}

/* Take what is done, and start the next request on the same handle. */
static void
reap(Slot *slots)
{
	CURLMsg *done;
	int left;

	while ((done = curl_multi_info_read(multi, &left)) != NULL)
	{
		CURL *easy = done->easy_handle;
		CURLcode code = done->data.result;
		long status = 0;
		char *index;

		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &index);
		curl_multi_remove_handle(multi, easy);
		n_done++;
		if (code != CURLE_OK || status < 200 || status > 299)
		{
			if (n_failed++ == 0)
				fprintf(stderr, "bare_post: first failure: %s, status %ld\n",
						curl_easy_strerror(code), status);
		}
		if (n_started < n_requests)
			slot_start(&slots[(size_t) index], (long) (size_t) index);
	}
}

static void
run(Slot *slots)
{
	struct epoll_event events[MAX_EVENTS];
	int running;
	int n;
	int i;

	while (n_done < n_requests)
	{
		n = epoll_wait(epoll_fd, events, MAX_EVENTS, timeout_ms < 0 ? 1000 : (int) timeout_ms);
		if (n < 0 && errno != EINTR)
			fail("epoll_wait failed");
		for (i = 0; i < n; i++)
		{
			int fd = events[i].data.fd;
			int what = 0;

			if (watches[fd].wanted == 0)
			{
				watch(fd, 0);
				continue;
			}
			if (events[i].events & (EPOLLIN | EPOLLHUP))
				what |= CURL_CSELECT_IN;
			if (events[i].events & EPOLLOUT)
				what |= CURL_CSELECT_OUT;
			if (events[i].events & EPOLLERR)
				what |= CURL_CSELECT_ERR;
			curl_multi_socket_action(multi, fd, what, &running);
		}
		if (n <= 0 || timeout_ms == 0)
			curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
		reap(slots);
	}
}

static void
read_bodies(const char *name)
{
	FILE *file = fopen(name, "r");
	char *line = NULL;
	char **longer;
	size_t cap = 0;
	ssize_t len;

	if (file == NULL)
		fail("could not open the file of bodies");
	while ((len = getline(&line, &cap, file)) > 0)
	{
		while (len > 0 && line[len - 1] == '\n')
			line[--len] = '\0';
		if (len == 0)
			continue;
		longer = realloc(bodies, (size_t) (n_bodies + 1) * sizeof(char *));
		if (longer == NULL)
			fail("out of memory");
		bodies = longer;
		if ((bodies[n_bodies++] = strdup(line)) == NULL)
			fail("out of memory");
	}
	free(line);
	fclose(file);
	if (n_bodies == 0)
		fail("the file of bodies is empty");
}

int
main(int argc, char **argv)
{
	Slot *slots;
	double start;
	long i;
	int c;

	while ((c = getopt(argc, argv, "c:n:b:")) != -1)
	{
		if (c == 'c')
			n_slots = bench_number("-c", optarg);
		else if (c == 'n')
			n_requests = bench_number("-n", optarg);
		else if (c == 'b')
			read_bodies(optarg);
		else
			fail("usage: bare_post [-c IN_FLIGHT] [-n REQUESTS] [-b FILE_OF_BODIES] URL");
	}
	if (optind + 1 != argc)
		fail("usage: bare_post [-c IN_FLIGHT] [-n REQUESTS] [-b FILE_OF_BODIES] URL");

	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	slots = calloc((size_t) n_slots, sizeof(Slot));
	if (multi == NULL || epoll_fd < 0 || slots == NULL)
		fail("out of memory");
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, n_slots * 2);

	start = bench_now();
	for (i = 0; i < n_slots; i++)
	{
		slots[i].easy = curl_easy_init();
		slots[i].message = bench_message_create();
		if (slots[i].easy == NULL || slots[i].message == NULL ||
			!bench_easy_setup(slots[i].easy, argv[optind]))
			fail("could not set up a handle");
		curl_easy_setopt(slots[i].easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
		curl_easy_setopt(slots[i].easy, CURLOPT_PRIVATE, (char *) (size_t) i);
		bench_easy_point(slots[i].easy, slots[i].message, slots[i].message->body,
						 slots[i].message->body_len);
		if (n_started < n_requests)
			slot_start(&slots[i], i);
	}
	run(slots);
	bench_report(n_done, bench_now() - start);
	if (n_failed > 0)
		fprintf(stderr, "bare_post: %ld of %ld requests failed\n", n_failed, n_done);
	return n_failed > 0 ? 1 : 0;
}
