/*
 * retry.h
 *	  Reading lanes back from cxsig.retry when they are due.
 */
#ifndef CXSIG_RETRY_H
#define CXSIG_RETRY_H

#include "dispatch/destination.h"

/*
 * Read back events of the destination's loading lanes, as many as it has room for. Outcomes that
 * wait to be written must have been (cxsig_receipt_flush): the table is then the truth. False
 * where reading failed and was logged.
 */
extern bool cxsig_retry_load(CxsigDestination *destination, bool *gone);

#endif
