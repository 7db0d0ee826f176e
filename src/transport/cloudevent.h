/*
 * cloudevent.h
 *	  CloudEvents 1.0: the attributes of an event, as JSON or as HTTP headers.
 *
 * Pure functions over memory.
 */
#ifndef CXSIG_CLOUDEVENT_H
#define CXSIG_CLOUDEVENT_H

#include "lib/stringinfo.h"
#include "transport/transport.h"

/* The attributes; those that may be missing are NULL then. */
typedef struct CxsigCloudEvent
{
	const char *id;
	const char *source;
	const char *type;
	const char *time;		 /* RFC 3339 */
	const char *subject;	 /* the ticket; the partition key too. May be missing */
	const char *sequence;	 /* sorts as text. May be missing */
	const char *traceparent; /* what the event itself was recorded with. May be missing */
	const char *tracestate;	 /* May be missing */
} CxsigCloudEvent;

/* Headers that one event makes at most. */
#define CXSIG_CLOUDEVENT_HEADERS 10

/* Append the JSON object as far as its data: `{"specversion":...,"data":`. */
extern void cxsig_cloudevent_append_start(const CxsigCloudEvent *event, StringInfo out);

/*
 * Write the attributes as headers; returns how many. Values that need escaping are palloc'd in the
 * current context, the others are the event's own.
 */
extern int cxsig_cloudevent_write_headers(const CxsigCloudEvent *event, CxsigHeader *headers);

#endif
