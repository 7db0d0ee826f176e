/*
 * answer.c
 *	  Sending answers. HTTP thread only; the plain 200 is one response object, shared by all.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "answer.h"

#define STREAM_BLOCK 65536

static struct MHD_Response *empty;

static enum MHD_Result send_garbage(struct MHD_Connection *connection);
static void add_retry_after(const SinkAnswer *answer, struct MHD_Response *response);
static void add_quota(const SinkAnswer *answer, struct MHD_Response *response);
static enum MHD_Result send_stream(SinkRequest *request, struct MHD_Connection *connection);
static enum MHD_Result send_status(const SinkAnswer *answer, struct MHD_Connection *connection);
static enum MHD_Result send_results(const SinkRequest *request, struct MHD_Connection *connection);
static ssize_t read_fast(void *cls, uint64_t position, char *out, size_t max);
static ssize_t read_reset(void *cls, uint64_t position, char *out, size_t max);
static ssize_t read_slow(void *cls, uint64_t position, char *out, size_t max);

void
sink_answer_init(void)
{
	empty = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
}

/* Past the daemon, straight to the socket: it would not send what is no HTTP. */
static enum MHD_Result
send_garbage(struct MHD_Connection *connection)
{
	static const char garbage[] = "\x15\x03\x01 this is not HTTP\r\n\r\n";
	const union MHD_ConnectionInfo *info;

	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	(void) !send(info->connect_fd, garbage, sizeof(garbage) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return MHD_NO;
}

static ssize_t
read_fast(void *cls, uint64_t position, char *out, size_t max)
{
	(void) cls;
	(void) position;
	memset(out, 'x', max);
	return (ssize_t) max;
}

/* As many bytes as were asked for, and then a connection that is closed with a reset. */
static ssize_t
read_reset(void *cls, uint64_t position, char *out, size_t max)
{
	SinkRequest *request = cls;
	const union MHD_ConnectionInfo *info;
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	int64_t left = request->answer.reset_after - (int64_t) position;

	if (left > 0)
	{
		if ((int64_t) max > left)
			max = (size_t) left;
		return read_fast(cls, position, out, max);
	}
	info = MHD_get_connection_info(request->park.connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	/* This is what sends a reset at once; the daemon's own closing begins with a polite end. */
	(void) !connect(info->connect_fd, &nobody, sizeof(nobody));
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* A byte each time the timer let the connection go on. */
static ssize_t
read_slow(void *cls, uint64_t position, char *out, size_t max)
{
	SinkRequest *request = cls;

	(void) max;
	if (request->park.gone)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (request->sent == (int64_t) position)
	{
		request->sent++;
		if (!sink_park(&request->park, request->park.connection,
					   (int64_t) request->answer.slow_ms * 1000))
			return MHD_CONTENT_READER_END_WITH_ERROR;
		return 0;
	}
	out[0] = 'x';
	return 1;
}

static enum MHD_Result
send_stream(SinkRequest *request, struct MHD_Connection *connection)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	bool slow = request->answer.slow_ms > 0;
	MHD_ContentReaderCallback reader = slow ? read_slow : read_fast;

	if (request->answer.body_text[0] != '\0')
		return sink_answer_text(connection, request->answer.status, "application/json",
								request->answer.body_text, strlen(request->answer.body_text));
	if (request->answer.reset_after > 0)
		reader = read_reset;
	request->park.connection = connection;
	response = MHD_create_response_from_callback((uint64_t) request->answer.body_bytes,
												 slow ? 1 : STREAM_BLOCK, reader, request, NULL);
	if (response == NULL)
		return MHD_NO;
	result = MHD_queue_response(connection, (unsigned int) request->answer.status, response);
	MHD_destroy_response(response);
	return result;
}

static void
add_retry_after(const SinkAnswer *answer, struct MHD_Response *response)
{
	char date[64];
	struct tm parts;
	time_t when;

	if (answer->retry_after_in > 0)
	{
		when = time(NULL) + answer->retry_after_in;
		gmtime_r(&when, &parts);
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
		MHD_add_response_header(response, "Retry-After", date);
	}
	else if (answer->retry_after[0] != '\0')
		MHD_add_response_header(response, "Retry-After", answer->retry_after);
}

static void
add_quota(const SinkAnswer *answer, struct MHD_Response *response)
{
	char number[32];

	if (answer->quota_limit == 0)
		return;
	snprintf(number, sizeof(number), "%" PRId64, answer->quota_limit);
	MHD_add_response_header(response, "X-RateLimit-Limit", number);
	snprintf(number, sizeof(number), "%" PRId64, answer->quota_left);
	MHD_add_response_header(response, "X-RateLimit-Remaining", number);
	if (answer->quota_reset < 0)
		return;
	snprintf(number, sizeof(number), "%d", answer->quota_reset);
	MHD_add_response_header(response, "X-RateLimit-Reset", number);
}

static enum MHD_Result
send_status(const SinkAnswer *answer, struct MHD_Connection *connection)
{
	char body[64];
	struct MHD_Response *response;
	enum MHD_Result result;
	int len;

	if (answer->status == 204 || answer->status == 304)
		return MHD_queue_response(connection, (unsigned int) answer->status, empty);
	len = snprintf(body, sizeof(body), "{\"answer\":\"status %d, as set for this path\"}",
				   answer->status);
	response = MHD_create_response_from_buffer((size_t) len, body, MHD_RESPMEM_MUST_COPY);
	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", "application/json");
	add_retry_after(answer, response);
	add_quota(answer, response);
	if (answer->redirect[0] != '\0')
		MHD_add_response_header(response, "Location", answer->redirect);
	result = MHD_queue_response(connection, (unsigned int) answer->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
send_results(const SinkRequest *request, struct MHD_Connection *connection)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(request->results.len, request->results.data,
											   MHD_RESPMEM_MUST_COPY);
	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", "application/json");
	if (request->answer.retry_after[0] != '\0')
		MHD_add_response_header(response, "Retry-After", request->answer.retry_after);
	add_quota(&request->answer, response);
	result = MHD_queue_response(connection, (unsigned int) request->answer.status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result
sink_answer_send(SinkRequest *request, struct MHD_Connection *connection)
{
	switch (request->answer.fault)
	{
		case SINK_FAULT_NONE:
			if (request->answer.quota_limit > 0)
				return send_status(&request->answer, connection);
			return MHD_queue_response(connection, (unsigned int) request->answer.status, empty);
		case SINK_FAULT_STATUS:
			return send_status(&request->answer, connection);
		case SINK_FAULT_GARBAGE:
			return send_garbage(connection);
		case SINK_FAULT_BODY:
			return send_stream(request, connection);
		case SINK_FAULT_RESULTS:
			return send_results(request, connection);
		case SINK_FAULT_HANG:
		case SINK_FAULT_CLOSE:
			break;
	}
	return MHD_NO;
}

enum MHD_Result
sink_answer_text(struct MHD_Connection *connection, int status, const char *type, const char *text,
				 size_t len)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(len, (void *) text, MHD_RESPMEM_MUST_COPY);
	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", type);
	result = MHD_queue_response(connection, (unsigned int) status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result
sink_answer_error(struct MHD_Connection *connection, int status, const char *format, ...)
{
	SinkBuffer body = {0};
	char text[1024];
	va_list args;
	enum MHD_Result result;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	sink_buffer_append(&body, "{\"error\":", 9);
	sink_buffer_json(&body, text, strlen(text));
	sink_buffer_append(&body, "}\n", 2);
	result = sink_answer_text(connection, status, "application/json", body.data, body.len);
	sink_buffer_free(&body);
	return result;
}
