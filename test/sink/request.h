/*
 * request.h
 *	  One HTTP request from its first header to its completion.
 */
#ifndef SINK_REQUEST_H
#define SINK_REQUEST_H

#include "park.h"
#include "store.h"

#define SINK_BODY_MAX (16 * 1024 * 1024)
#define SINK_CONTROL_BODY_MAX (256 * 1024 * 1024)

/* A long poll: what it waits for. Linked into its path while it does. */
typedef struct SinkWait
{
	SinkPath *path; /* NULL: this request is no long poll */
	int64_t ok;
	int64_t distinct;
	int64_t received;
	int64_t deadline_us;
	SinkPark *park;
	struct SinkWait *next;
	struct SinkWait *prev;
} SinkWait;

typedef struct SinkRequest
{
	SinkPath *path; /* NULL: a call of the control API */
	SinkBuffer body;
	bool too_large;
	bool decided;
	bool quit;		/* stop the sink once this is answered */
	uint32_t epoch; /* of the path when the keys were set */
	SinkKey **keys; /* counted in flight for, one an event */
	size_t n_keys;
	size_t cap_keys;
	int64_t sent;		/* bytes of a slow body that went out */
	SinkBuffer results; /* JSON, a result for each event of a batch */
	SinkAnswer answer;	/* valid once decided */
	SinkPark park;
	SinkWait wait;
	struct SinkRequest *next_free;
} SinkRequest;

/* The callbacks of the daemon; that of connections is given the SinkTls. */
extern void sink_request_connection(void *cls, struct MHD_Connection *connection, void **context,
									enum MHD_ConnectionNotificationCode what);
extern enum MHD_Result sink_request_handle(void *cls, struct MHD_Connection *connection,
										   const char *url, const char *method, const char *version,
										   const char *upload_data, size_t *upload_data_size,
										   void **con_cls);
extern void sink_request_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
								   enum MHD_RequestTerminationCode toe);

#endif
