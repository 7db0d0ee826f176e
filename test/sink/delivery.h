/*
 * delivery.h
 *	  A whole request to /in/...: check it, record it, decide how it is answered.
 */
#ifndef SINK_DELIVERY_H
#define SINK_DELIVERY_H

#include "request.h"

/* Fills request->answer and records the attempt. */
extern void sink_delivery_decide(SinkRequest *request, struct MHD_Connection *connection);

#endif
