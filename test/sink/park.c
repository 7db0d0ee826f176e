/*
 * park.c
 *	  The timer thread and its heap of suspended connections.
 *
 * The HTTP thread adds entries, the timer thread takes them out when they are due and resumes the
 * connection. One mutex guards the heap; whoever takes an entry out is the one who resumes it, so
 * an entry is resumed once. A suspended connection is not watched by the daemon, so the timer
 * thread looks every 250 ms whether its peer is still there.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "park.h"

#define LOOK_US 250000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_t thread;
static bool stopping;
static SinkPark **heap; /* binary heap by wake_us */
static size_t heap_len;
static size_t heap_cap;

static void *park_main(void *arg);
static void heap_place(size_t place, SinkPark *park);
static void heap_up(size_t place);
static void heap_down(size_t place);
static void heap_add(SinkPark *park);
static void heap_remove(SinkPark *park);
static int64_t park_next_look(const SinkPark *park, int64_t now);
static bool socket_gone(int socket);

static void
heap_place(size_t place, SinkPark *park)
{
	heap[place] = park;
	park->place = place + 1;
}

static void
heap_up(size_t place)
{
	SinkPark *park = heap[place];

	while (place > 0 && heap[(place - 1) / 2]->wake_us > park->wake_us)
	{
		heap_place(place, heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	heap_place(place, park);
}

static void
heap_down(size_t place)
{
	SinkPark *park = heap[place];

	for (;;)
	{
		size_t child = place * 2 + 1;

		if (child + 1 < heap_len && heap[child + 1]->wake_us < heap[child]->wake_us)
			child++;
		if (child >= heap_len || heap[child]->wake_us >= park->wake_us)
			break;
		heap_place(place, heap[child]);
		place = child;
	}
	heap_place(place, park);
}

static void
heap_add(SinkPark *park)
{
	if (heap_len == heap_cap)
	{
		heap_cap = heap_cap ? heap_cap * 2 : 256;
		heap = sink_realloc(heap, heap_cap * sizeof(SinkPark *));
	}
	heap[heap_len++] = park;
	heap_up(heap_len - 1);
}

static void
heap_remove(SinkPark *park)
{
	size_t place = park->place - 1;
	SinkPark *last = heap[--heap_len];

	park->place = 0;
	if (last == park)
		return;
	heap_place(place, last);
	heap_up(place);
	heap_down(last->place - 1);
}

static bool
socket_gone(int socket)
{
	struct pollfd look = {.fd = socket, .events = POLLRDHUP};

	return poll(&look, 1, 0) == 1 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static int64_t
park_next_look(const SinkPark *park, int64_t now)
{
	return park->due_us < now + LOOK_US ? park->due_us : now + LOOK_US;
}

static void *
park_main(void *arg)
{
	(void) arg;
	pthread_mutex_lock(&lock);
	while (!stopping)
	{
		int64_t now = sink_monotonic_us();
		SinkPark *park = heap_len > 0 ? heap[0] : NULL;

		if (park == NULL)
			pthread_cond_wait(&changed, &lock);
		else if (park->wake_us > now)
		{
			struct timespec until;

			until.tv_sec = park->wake_us / 1000000;
			until.tv_nsec = park->wake_us % 1000000 * 1000;
			pthread_cond_timedwait(&changed, &lock, &until);
		}
		else
		{
			park->gone = socket_gone(park->socket);
			if (park->gone || park->due_us <= now)
			{
				heap_remove(park);
				MHD_resume_connection(park->connection);
			}
			else
			{
				park->wake_us = park_next_look(park, now);
				heap_down(0);
			}
		}
	}
	while (heap_len > 0)
	{
		SinkPark *park = heap[heap_len - 1];

		heap_remove(park);
		park->gone = true;
		MHD_resume_connection(park->connection);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

void
sink_park_start(void)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attributes);
	pthread_condattr_destroy(&attributes);
	if (pthread_create(&thread, NULL, park_main, NULL) != 0)
	{
		fprintf(stderr, "sink: could not start the timer thread\n");
		exit(3);
	}
}

void
sink_park_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	free(heap);
	heap = NULL;
}

bool
sink_park(SinkPark *park, struct MHD_Connection *connection, int64_t delay_us)
{
	const union MHD_ConnectionInfo *info;
	int64_t now = sink_monotonic_us();
	bool parked = false;

	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	pthread_mutex_lock(&lock);
	if (!stopping)
	{
		park->connection = connection;
		park->socket = info->connect_fd;
		park->due_us = delay_us < 0 ? INT64_MAX : now + delay_us;
		park->wake_us = park_next_look(park, now);
		park->gone = false;
		MHD_suspend_connection(connection);
		heap_add(park);
		if (park->place == 1)
			pthread_cond_signal(&changed);
		parked = true;
	}
	pthread_mutex_unlock(&lock);
	return parked;
}

void
sink_park_wake(SinkPark *park)
{
	pthread_mutex_lock(&lock);
	if (park->place != 0)
	{
		heap_remove(park);
		MHD_resume_connection(park->connection);
	}
	pthread_mutex_unlock(&lock);
}

bool
sink_peer_gone(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;

	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	return socket_gone(info->connect_fd);
}
