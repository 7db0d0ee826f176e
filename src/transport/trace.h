/*
 * trace.h
 *	  W3C trace context: which trace a request belongs to.
 */
#ifndef CXSIG_TRACE_H
#define CXSIG_TRACE_H

#include "utils/uuid.h"

#define CXSIG_TRACEPARENT_LEN 55

/* Is it a traceparent that can be passed on? NULL is not. */
extern bool cxsig_trace_is_valid(const char *traceparent);

/* Is it a tracestate that can be passed on? NULL is not. */
extern bool cxsig_trace_is_valid_state(const char *tracestate);

/*
 * Write the traceparent of one attempt into text (CXSIG_TRACEPARENT_LEN + 1 bytes): the event's own
 * trace, or, where it has none that is valid, one made of its id, so that attempts share it; a new
 * parent each time. ERROR where there is no randomness to be had.
 */
extern void cxsig_trace_write(const char *traceparent, const pg_uuid_t *event_id, char *text);

#endif
