/*
 * pem.h
 *	  Are these certificates and keys ones that TLS can use? Texts in PEM, as files and secrets are.
 *
 * Each check returns NULL, or what is wrong as the rest of a message: constant text that shows
 * nothing of the input.
 */
#ifndef CXSIG_PEM_H
#define CXSIG_PEM_H

/* Does the text claim to be PEM? */
extern bool cxsig_pem_is_meant(const char *text);

/* One certificate at least, and all readable. */
extern const char *cxsig_pem_check_authorities(const char *pem);

/* A certificate, perhaps followed by those between it and its authority. */
extern const char *cxsig_pem_check_certificate(const char *pem);

/* A key without a passphrase; where a certificate is given, the one that belongs to it. */
extern const char *cxsig_pem_check_key(const char *pem, const char *certificate);

#endif
