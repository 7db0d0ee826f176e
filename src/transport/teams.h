/*
 * teams.h
 *	  The `teams` transport: alerts as adaptive cards, posted to a workflow.
 */
#ifndef CXSIG_TEAMS_H
#define CXSIG_TEAMS_H

#include "transport/transport.h"

extern const CxsigTransportOps cxsig_teams_ops;

#endif
