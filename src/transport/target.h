/*
 * target.h
 *	  A destination made ready in an ordinary backend, for what a session asks of it itself: a ping, a
 *	  preview, a read-back. A dispatcher has its own way (dispatch/config.h).
 */
#ifndef CXSIG_TARGET_H
#define CXSIG_TARGET_H

#include "transport/http.h"
#include "transport/transport.h"

typedef struct CxsigTarget
{
	int id;
	char *name;
	char *transport_name;
	Jsonb *config;
	char *order_scope;
	bool latest; /* history = latest */
	CxsigHttpLimits limits;
	CxsigView view;
	CxsigSecret *secrets;
	int n_secrets;
	CxsigTransport *transport; /* NULL until it is made ready */
} CxsigTarget;

/*
 * Read a destination and its secrets by name, into the current context. ERROR where there is none.
 * Connects to SPI; needs the right to read cxsig.destination and cxsig.secret: call it in a security
 * definer function. Takes AccessShareLock on both.
 */
extern CxsigTarget *cxsig_target_read(const char *name);

/*
 * Make its transport ready, in the current context. ERROR where its settings do not work, or a secret
 * is missing. Secrets are left out, as if only the config was to be checked, where nothing is sent.
 */
extern void cxsig_target_prepare(CxsigTarget *target, bool secrets);

#endif
