/*
 * pagerduty.h
 *	  The `pagerduty` transport: alerts as events of the Events API v2.
 */
#ifndef CXSIG_PAGERDUTY_H
#define CXSIG_PAGERDUTY_H

#include "transport/transport.h"

extern const CxsigTransportOps cxsig_pagerduty_ops;

#endif
