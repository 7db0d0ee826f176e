/*
 * slack.h
 *	  The `slack` transport: alerts as messages of an incoming webhook.
 */
#ifndef CXSIG_SLACK_H
#define CXSIG_SLACK_H

#include "transport/transport.h"

extern const CxsigTransportOps cxsig_slack_ops;

#endif
