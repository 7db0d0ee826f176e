/*
 * tls.h
 *	  The receiver's side of TLS: its certificate, which versions it speaks, whom it lets in.
 */
#ifndef SINK_TLS_H
#define SINK_TLS_H

#include <microhttpd.h>
#include <stdbool.h>

typedef struct SinkTls
{
	const char *cert_file; /* NULL: plain HTTP */
	const char *key_file;
	const char *client_ca_file; /* or NULL: clients need no certificate */
	const char *version;		/* or NULL: whatever the library speaks */
} SinkTls;

/* Options a daemon takes for TLS, with the one that ends them. */
#define SINK_TLS_OPTIONS 5

/* Is "1.1", "1.2" or "1.3". */
extern bool sink_tls_is_version(const char *version);

/* Fill in the options; ends the process where a file cannot be read. */
extern void sink_tls_options(const SinkTls *tls, struct MHD_OptionItem *items);

/* For MHD_OPTION_NOTIFY_CONNECTION: with a client CA, a handshake without its certificate fails. */
extern void sink_tls_connection(void *cls, struct MHD_Connection *connection, void **context,
								enum MHD_ConnectionNotificationCode what);

#endif
