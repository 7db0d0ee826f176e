/*
 * secret.h
 *	  Reading a destination's secrets, from the table and from files.
 */
#ifndef CXSIG_SECRET_H
#define CXSIG_SECRET_H

#include "transport/transport.h"

/*
 * Read the unexpired secrets of a destination, newest first, in the current context; the number is
 * returned. Those in files have no value yet. Call connected to SPI with an active snapshot, with
 * the right to read cxsig.secret (the worker, or a security definer function).
 */
extern int cxsig_secrets_read(int destination_id, CxsigSecret **secrets);

/*
 * Read the values that are in files, in the current context. ERROR where a file cannot be read, or
 * lies outside cxsig.secret_directory; the message names the secret, never its value.
 */
extern void cxsig_secrets_resolve(CxsigSecret *secrets, int n);

#endif
