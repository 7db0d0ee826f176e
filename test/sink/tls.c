/*
 * tls.c
 *	  The receiver's side of TLS. What is read here is read once, before any thread starts; the
 *	  handshakes run on the HTTP thread.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "tls.h"

/* Old versions need the old signatures too. */
static const struct
{
	const char *version;
	const char *priorities;
} versions[] = {
	{"1.1", "NORMAL:-VERS-ALL:+VERS-TLS1.1:+SHA1:+SIGN-ALL:%VERIFY_ALLOW_SIGN_WITH_SHA1"},
	{"1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.2"},
	{"1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.3"},
};

static const char *priorities(const char *version);
static char *read_file(const char *name);
static int check_client(gnutls_session_t session);

static const char *
priorities(const char *version)
{
	size_t i;

	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
	{
		if (strcmp(versions[i].version, version) == 0)
			return versions[i].priorities;
	}
	return NULL;
}

bool
sink_tls_is_version(const char *version)
{
	return priorities(version) != NULL;
}

/* The whole file, NUL-terminated; ends the process where it cannot be read. */
static char *
read_file(const char *name)
{
	SinkBuffer content = {0};
	char block[4096];
	FILE *file = fopen(name, "r");
	size_t len;

	if (file == NULL)
	{
		fprintf(stderr, "sink: could not open %s: %s\n", name, strerror(errno));
		exit(2);
	}
	while ((len = fread(block, 1, sizeof(block), file)) > 0)
		sink_buffer_append(&content, block, len);
	fclose(file);
	return content.data != NULL ? content.data : sink_alloc(1);
}

void
sink_tls_options(const SinkTls *tls, struct MHD_OptionItem *items)
{
	const struct MHD_OptionItem cert = {MHD_OPTION_HTTPS_MEM_CERT, 0, read_file(tls->cert_file)};
	const struct MHD_OptionItem key = {MHD_OPTION_HTTPS_MEM_KEY, 0, read_file(tls->key_file)};
	const struct MHD_OptionItem end = {MHD_OPTION_END, 0, NULL};

	*items++ = cert;
	*items++ = key;
	if (tls->client_ca_file != NULL)
	{
		const struct MHD_OptionItem trust = {MHD_OPTION_HTTPS_MEM_TRUST, 0,
											 read_file(tls->client_ca_file)};

		*items++ = trust;
	}
	if (tls->version != NULL)
	{
		const struct MHD_OptionItem only = {MHD_OPTION_HTTPS_PRIORITIES, 0,
											(void *) priorities(tls->version)};

		*items++ = only;
	}
	*items = end;
}

/* By itself the library only asks for a certificate, and takes whatever comes, or comes not. */
void
sink_tls_connection(void *cls, struct MHD_Connection *connection, void **context,
					enum MHD_ConnectionNotificationCode what)
{
	const SinkTls *tls = cls;
	const union MHD_ConnectionInfo *info;
	gnutls_session_t session;

	(void) context;
	if (what != MHD_CONNECTION_NOTIFY_STARTED || tls->client_ca_file == NULL)
		return;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	session = info != NULL ? (gnutls_session_t) info->tls_session : NULL;
	if (session == NULL)
	{
		fprintf(stderr, "sink: there is no TLS session to ask for a certificate\n");
		abort();
	}
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
	gnutls_session_set_verify_function(session, check_client);
}

/* The library ends a failed handshake without a word, so the alert is sent from here, as others do. */
static int
check_client(gnutls_session_t session)
{
	unsigned int status = 0;
	gnutls_alert_description_t why;

	if (gnutls_certificate_get_peers(session, NULL) == NULL)
		why = gnutls_protocol_get_version(session) >= GNUTLS_TLS1_3 ? GNUTLS_A_CERTIFICATE_REQUIRED
																	: GNUTLS_A_HANDSHAKE_FAILURE;
	else if (gnutls_certificate_verify_peers3(session, NULL, &status) == 0 && status == 0)
		return 0;
	else if (status & GNUTLS_CERT_EXPIRED)
		why = GNUTLS_A_CERTIFICATE_EXPIRED;
	else
		why = GNUTLS_A_UNKNOWN_CA;
	gnutls_alert_send(session, GNUTLS_AL_FATAL, why);
	return GNUTLS_E_CERTIFICATE_ERROR;
}
