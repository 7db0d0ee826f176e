/*
 * catch_up.h
 *	  After an outage, with history = latest: what waited in memory meanwhile may have been overtaken.
 */
#ifndef CXSIG_CATCH_UP_H
#define CXSIG_CATCH_UP_H

#include "dispatch/destination.h"

/*
 * Supersede events in memory whose ticket has a newer revision by now, if the destination asks for it
 * (its catch_up). False where looking failed and was logged.
 */
extern bool cxsig_catch_up(CxsigDestination *destination, bool *gone);

#endif
