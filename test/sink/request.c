/*
 * request.c
 *	  The daemon's callbacks: gather the body, have it judged, wait if told to, answer, clean up.
 *
 * HTTP thread only. Requests are kept on a free list with their body buffers, so that a steady
 * load allocates nothing.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "control.h"
#include "delivery.h"
#include "request.h"
#include "tls.h"

#define KEEP_BODY 65536

static SinkRequest *free_requests;

static SinkRequest *request_new(void);
static enum MHD_Result request_begin(struct MHD_Connection *connection, const char *url,
									 const char *method, void **con_cls);
static void count_connection(struct MHD_Connection *connection, SinkPath *path);
static enum MHD_Result delivery_finish(SinkRequest *request, struct MHD_Connection *connection);

static SinkRequest *
request_new(void)
{
	SinkRequest *request = free_requests;

	if (request == NULL)
		return sink_alloc(sizeof(SinkRequest));
	free_requests = request->next_free;
	return request;
}

static enum MHD_Result
request_begin(struct MHD_Connection *connection, const char *url, const char *method,
			  void **con_cls)
{
	SinkRequest *request;
	SinkPath *path = NULL;

	if (strncmp(url, "/in/", 4) == 0)
	{
		if (strcmp(method, "POST") != 0)
			return sink_answer_error(connection, 405, "deliveries are POSTed");
		path = sink_store_path(url);
		if (path == NULL)
			return sink_answer_error(connection, 507, "more than %d paths", SINK_MAX_PATHS);
	}
	request = request_new();
	request->path = path;
	if (path != NULL)
	{
		count_connection(connection, path);
		if (++path->in_flight > path->max_in_flight)
			path->max_in_flight = path->in_flight;
	}
	*con_cls = request;
	return MHD_YES;
}

/* A connection remembers the path of its last request: kept open, it counts once. */
static void
count_connection(struct MHD_Connection *connection, SinkPath *path)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	SinkPath **last = info->socket_context;

	if (*last == path)
		return;
	*last = path;
	path->counters.connections++;
}

void
sink_request_connection(void *cls, struct MHD_Connection *connection, void **context,
						enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*context = sink_alloc(sizeof(SinkPath *));
	else
		free(*context);
	sink_tls_connection(cls, connection, context, what);
}

/* Called when the body is there, and again each time a wait is over. */
static enum MHD_Result
delivery_finish(SinkRequest *request, struct MHD_Connection *connection)
{
	int64_t delay_us;

	if (!request->decided)
	{
		sink_delivery_decide(request, connection);
		request->decided = true;
		delay_us = (int64_t) request->answer.delay_ms * 1000;
		if (request->answer.fault == SINK_FAULT_HANG)
			delay_us = -1;
		if (delay_us != 0)
			return sink_park(&request->park, connection, delay_us) ? MHD_YES : MHD_NO;
	}
	if (request->park.gone)
		return MHD_NO;
	return sink_answer_send(request, connection);
}

enum MHD_Result
sink_request_handle(void *cls, struct MHD_Connection *connection, const char *url,
					const char *method, const char *version, const char *upload_data,
					size_t *upload_data_size, void **con_cls)
{
	SinkRequest *request = *con_cls;
	size_t limit;

	(void) cls;
	(void) version;
	if (request == NULL)
		return request_begin(connection, url, method, con_cls);
	if (*upload_data_size > 0)
	{
		limit = request->path != NULL ? SINK_BODY_MAX : SINK_CONTROL_BODY_MAX;
		if (request->body.len + *upload_data_size > limit)
			request->too_large = true;
		else
			sink_buffer_append(&request->body, upload_data, *upload_data_size);
		*upload_data_size = 0;
		return MHD_YES;
	}
	if (request->path != NULL)
		return delivery_finish(request, connection);
	return sink_control_handle(request, connection, url, method);
}

void
sink_request_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
					   enum MHD_RequestTerminationCode toe)
{
	SinkRequest *request = *con_cls;
	SinkBuffer body;
	size_t i;

	(void) cls;
	(void) toe;
	if (request == NULL)
		return;
	*con_cls = NULL;
	if (request->path != NULL)
		request->path->in_flight--;
	for (i = 0; i < request->n_keys && request->epoch == request->path->epoch; i++)
	{
		request->keys[i]->in_flight--;
		if (request->keys[i]->latest_request == connection)
			request->keys[i]->latest_request = NULL;
	}
	if (request->wait.path != NULL)
		sink_control_forget(&request->wait);
	if (request->quit)
		kill(getpid(), SIGTERM);

	/* The answer's strings are large and written before they are read: no need to clear them. */
	body = request->body;
	sink_buffer_reset(&body, KEEP_BODY);
	sink_buffer_reset(&request->results, KEEP_BODY);
	request->path = NULL;
	request->too_large = false;
	request->decided = false;
	request->quit = false;
	request->n_keys = 0;
	request->sent = 0;
	memset(&request->park, 0, sizeof(request->park));
	memset(&request->wait, 0, sizeof(request->wait));
	request->body = body;
	request->next_free = free_requests;
	free_requests = request;
}
