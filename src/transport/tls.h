/*
 * tls.h
 *	  What a destination asks of TLS: the key "tls" of its config, and the secrets it names.
 *
 *	  ca_file				a file in cxsig.ca_directory: the authorities to trust, instead of
 *							the system's
 *	  min_version			"1.2" (default) or "1.3"
 *	  client_certificate	{"secret": "name"}: a PEM certificate, and those between it and its authority
 *	  client_key			{"secret": "name"}: its key; may be the same secret, holding both
 *
 * The server's certificate and name are verified always: there is no key to turn that off.
 */
#ifndef CXSIG_TLS_H
#define CXSIG_TLS_H

#include "transport/transport.h"

typedef struct CxsigTls
{
	uint64 id;		   /* tells this one from any other in the process; 0 for none */
	bool newest_only;  /* TLS 1.3, not 1.2 */
	char *authorities; /* PEM, NULL for the system's */
	char *certificate; /* PEM, or NULL */
	char *key;
	char *certificate_secret; /* the names, or NULL */
	char *key_secret;
} CxsigTls;

/*
 * Take the value of "tls" apart and read the authorities, into the current context. ERROR
 * (invalid_parameter_value) that names the key that is wrong and what is allowed.
 */
extern CxsigTls *cxsig_tls_parse(const JsonbValue *value, const char *destination);

/*
 * Take certificate and key from the secrets, newest first. ERROR naming the key of the config where
 * one is missing, is not PEM, or the two do not belong together.
 */
extern void cxsig_tls_take_secrets(CxsigTls *tls, const CxsigSecret *secrets, int n_secrets,
								   const char *destination);

#endif
