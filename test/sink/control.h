/*
 * control.h
 *	  The control API: everything that is not /in/... See the usage text of sink.c.
 */
#ifndef SINK_CONTROL_H
#define SINK_CONTROL_H

#include "request.h"

extern enum MHD_Result sink_control_handle(SinkRequest *request, struct MHD_Connection *connection,
										   const char *url, const char *method);

/* Wake the long polls of a path that have what they wait for. */
extern void sink_control_notify(SinkPath *path);

/* Take a long poll off its path's list. */
extern void sink_control_forget(SinkWait *wait);

/* Replace the secrets of a path: NULL, or what is wrong. Old ones stay where one is wrong. */
extern const char *sink_control_set_secrets(SinkPath *path, const char *const *texts, int n);

#endif
