/*
 * http_sockets.c
 *	  The engine's sockets: who they lead to, and what of them the epoll descriptor watches.
 *
 * Runs inside curl's callbacks; no locks. curl stops watching a connection after each request and
 * starts again with the next. Following that to the letter is two system calls a request, so
 * a connection that goes idle stays watched, and only if something arrives on it meanwhile - the
 * server closes it - is it taken out. That needs to know when a descriptor is closed: the kernel
 * then forgets it, and its number may come back as another. Hence only sockets that were opened and
 * will be closed here are treated so; others that curl watches (its resolver's) are not.
 */
#include "postgres.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/guard.h"
#include "transport/http_sockets.h"

struct CxsigSocket
{
	bool ours;		/* opened by cxsig_sockets_open, and not closed */
	uint32 watched; /* epoll events the kernel has for it, 0: not in the set */
	uint32 wanted;	/* events curl wants, 0: idle */
	union
	{
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
};

static CxsigSocket *table_entry(CxsigSockets *sockets, int fd);
static void set_watch(CxsigSockets *sockets, int fd, CxsigSocket *entry, uint32 events);

bool
cxsig_sockets_init(CxsigSockets *sockets)
{
	memset(sockets, 0, sizeof(*sockets));
	sockets->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return sockets->epoll_fd >= 0;
}

void
cxsig_sockets_free(CxsigSockets *sockets)
{
	if (sockets->epoll_fd >= 0)
		close(sockets->epoll_fd);
	free(sockets->table);
	memset(sockets, 0, sizeof(*sockets));
	sockets->epoll_fd = -1;
}

curl_socket_t
cxsig_sockets_open(CxsigSockets *sockets, const struct curl_sockaddr *address, char *why,
				   size_t why_size)
{
	CxsigSocket *entry;
	int fd;

	if (!cxsig_guard_allows(&address->addr))
	{
		char text[64];

		cxsig_guard_describe(&address->addr, text, sizeof(text));
		snprintf(why, why_size, "address %s is not in cxsig.allowed_networks", text);
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0)
	{
		snprintf(why, why_size, "could not create a socket: %s", strerror(errno));
		return CURL_SOCKET_BAD;
	}
	entry = table_entry(sockets, fd);
	if (entry == NULL)
	{
		close(fd);
		strlcpy(why, "out of memory", why_size);
		return CURL_SOCKET_BAD;
	}
	memset(entry, 0, sizeof(*entry));
	entry->ours = true;
	memcpy(&entry->address, &address->addr, Min(sizeof(entry->address), (size_t) address->addrlen));
	return fd;
}

int
cxsig_sockets_close(void *clientp, curl_socket_t fd)
{
	CxsigSockets *sockets = clientp;

	if (fd < sockets->n_table)
		memset(&sockets->table[fd], 0, sizeof(CxsigSocket));
	return close(fd);
}

void
cxsig_sockets_watch(CxsigSockets *sockets, curl_socket_t fd, int what)
{
	CxsigSocket *entry = table_entry(sockets, fd);
	uint32 events = 0;

	if (entry == NULL)
	{
		sockets->error = ENOMEM;
		return;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EPOLLOUT;

	entry->wanted = events;
	if (events == 0 && entry->ours && (entry->watched & EPOLLOUT) == 0)
		return; /* idle: see above. An idle socket is writable for ever, so not with EPOLLOUT */
	if (events != entry->watched)
		set_watch(sockets, fd, entry, events);
}

int
cxsig_sockets_ready(CxsigSockets *sockets, struct epoll_event *events, int n)
{
	int n_ready = 0;

	n = epoll_wait(sockets->epoll_fd, events, n, 0);
	for (int i = 0; i < n; i++)
	{
		int fd = events[i].data.fd;
		CxsigSocket *entry = &sockets->table[fd];

		if (entry->wanted == 0)
			set_watch(sockets, fd, entry, 0);
		else
			events[n_ready++] = events[i];
	}
	return n_ready;
}

void
cxsig_sockets_cut(CxsigSockets *sockets)
{
	for (int fd = 0; fd < sockets->n_table; fd++)
	{
		/* a request under way on it fails, and an idle one is found dead before it is used */
		if (sockets->table[fd].ours && !cxsig_guard_allows(&sockets->table[fd].address.any))
			shutdown(fd, SHUT_RDWR);
	}
}

/* The entry of a descriptor, or NULL where memory is out. Entries move when the table grows. */
static CxsigSocket *
table_entry(CxsigSockets *sockets, int fd)
{
	if (fd >= sockets->n_table)
	{
		int n = Max(fd + 1, sockets->n_table * 2);
		CxsigSocket *grown = realloc(sockets->table, n * sizeof(CxsigSocket));

		if (grown == NULL)
			return NULL;
		memset(grown + sockets->n_table, 0, (n - sockets->n_table) * sizeof(CxsigSocket));
		sockets->table = grown;
		sockets->n_table = n;
	}
	return &sockets->table[fd];
}

/* Bring the kernel's set into line. What fails is kept for the engine to report. */
static void
set_watch(CxsigSockets *sockets, int fd, CxsigSocket *entry, uint32 events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	int op = entry->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	int rc;

	if (events == 0)
		op = EPOLL_CTL_DEL;
	rc = epoll_ctl(sockets->epoll_fd, op, fd, &event);

	/* a descriptor that is not ours may have been closed and come back behind our back */
	if (rc < 0 && op == EPOLL_CTL_MOD && errno == ENOENT)
		rc = epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	else if (rc < 0 && op == EPOLL_CTL_ADD && errno == EEXIST)
		rc = epoll_ctl(sockets->epoll_fd, EPOLL_CTL_MOD, fd, &event);
	if (rc < 0 && op != EPOLL_CTL_DEL)
	{
		sockets->error = errno;
		entry->watched = 0;
	}
	else
		entry->watched = events;
}
