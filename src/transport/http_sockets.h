/*
 * http_sockets.h
 *	  The engine's sockets: who they lead to, and what of them the epoll descriptor watches.
 *
 * Called from curl's callbacks: malloc only, nothing raises. Internal to the engine.
 */
#ifndef CXSIG_HTTP_SOCKETS_H
#define CXSIG_HTTP_SOCKETS_H

#include <curl/curl.h>
#include <sys/epoll.h>

typedef struct CxsigSocket CxsigSocket;

typedef struct CxsigSockets
{
	int epoll_fd;
	int n_table;
	CxsigSocket *table; /* by descriptor */
	int error;			/* errno of a descriptor that could not be watched, 0 for none */
} CxsigSockets;

/* Make the epoll descriptor. False with errno where that fails. */
extern bool cxsig_sockets_init(CxsigSockets *sockets);

/* Close the epoll descriptor. The sockets are curl's to close, before this. */
extern void cxsig_sockets_free(CxsigSockets *sockets);

/*
 * Open a socket for curl, if the guard allows its address; else CURL_SOCKET_BAD, with the reason
 * in why.
 */
extern curl_socket_t cxsig_sockets_open(CxsigSockets *sockets, const struct curl_sockaddr *address,
										char *why, size_t why_size);

/* curl's close-socket callback; clientp is the CxsigSockets. */
extern int cxsig_sockets_close(void *clientp, curl_socket_t fd);

/* Watch a descriptor for what curl asks (CURL_POLL_*). */
extern void cxsig_sockets_watch(CxsigSockets *sockets, curl_socket_t fd, int what);

/* Descriptors that are ready now, n at most; never waits. Returns how many. */
extern int cxsig_sockets_ready(CxsigSockets *sockets, struct epoll_event *events, int n);

/* Cut off every connection whose address the guard does not allow any more. */
extern void cxsig_sockets_cut(CxsigSockets *sockets);

#endif
