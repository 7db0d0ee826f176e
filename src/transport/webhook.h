/*
 * webhook.h
 *	  The `webhook` transport: Standard Webhooks, with CloudEvents or plain JSON as the body.
 */
#ifndef CXSIG_WEBHOOK_H
#define CXSIG_WEBHOOK_H

#include "transport/transport.h"

extern const CxsigTransportOps cxsig_webhook_ops;

#endif
