/*
 * control.c
 *	  The control API. HTTP thread only.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "control.h"
#include "json.h"
#include "report.h"

typedef enum MHD_Result (*ControlCall)(SinkRequest *request, struct MHD_Connection *connection);

static enum MHD_Result call_stats(SinkRequest *request, struct MHD_Connection *connection);
static enum MHD_Result call_log(SinkRequest *request, struct MHD_Connection *connection);
static enum MHD_Result call_wait(SinkRequest *request, struct MHD_Connection *connection);
static enum MHD_Result call_missing(SinkRequest *request, struct MHD_Connection *connection);
static enum MHD_Result call_behave(SinkRequest *request, struct MHD_Connection *connection);
static enum MHD_Result call_secret(SinkRequest *request, struct MHD_Connection *connection);
static enum MHD_Result call_reset(SinkRequest *request, struct MHD_Connection *connection);
static enum MHD_Result call_quit(SinkRequest *request, struct MHD_Connection *connection);

static const char *argument(struct MHD_Connection *connection, const char *name);
static int64_t number_argument(struct MHD_Connection *connection, const char *name,
							   int64_t otherwise);
static enum MHD_Result answer_done(struct MHD_Connection *connection);
static SinkPath *body_path(const SinkJson *object);
static const char *behave_read(const SinkJson *object, SinkBehaviour *behaviour, bool *from_url,
							   char *name, size_t cap);
static bool wait_satisfied(const SinkWait *wait);
static void wait_begin(SinkRequest *request, struct MHD_Connection *connection, SinkPath *path);

static const struct
{
	const char *method;
	const char *url;
	ControlCall call;
} calls[] = {
	{"GET", "/stats", call_stats},	  {"GET", "/log", call_log},
	{"GET", "/wait", call_wait},	  {"POST", "/missing", call_missing},
	{"POST", "/behave", call_behave}, {"POST", "/secret", call_secret},
	{"POST", "/reset", call_reset},	  {"POST", "/quit", call_quit},
};

enum MHD_Result
sink_control_handle(SinkRequest *request, struct MHD_Connection *connection, const char *url,
					const char *method)
{
	size_t i;

	if (request->too_large)
		return sink_answer_error(connection, 413, "the body is too large");
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(url, calls[i].url) == 0 && strcmp(method, calls[i].method) == 0)
			return calls[i].call(request, connection);
	return sink_answer_error(connection, 404, "no such call: %s %s", method, url);
}

static const char *
argument(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

static int64_t
number_argument(struct MHD_Connection *connection, const char *name, int64_t otherwise)
{
	const char *value = argument(connection, name);

	return value != NULL ? strtoll(value, NULL, 10) : otherwise;
}

static enum MHD_Result
answer_done(struct MHD_Connection *connection)
{
	return sink_answer_text(connection, 200, "application/json", "{\"done\":true}\n", 14);
}

static enum MHD_Result
call_stats(SinkRequest *request, struct MHD_Connection *connection)
{
	const char *name = argument(connection, "path");
	SinkBuffer out = {0};
	SinkPath *path;
	enum MHD_Result result;
	size_t i;

	(void) request;
	if (name != NULL)
	{
		/* A path that nothing came to yet has counters too: all zero. */
		path = sink_store_path(name);
		if (path == NULL)
			return sink_answer_error(connection, 507, "more than %d paths", SINK_MAX_PATHS);
		sink_report_stats(path, &out);
	}
	else
	{
		sink_buffer_append(&out, "{\"paths\":[", 10);
		for (i = 0; (path = sink_store_path_at(i)) != NULL; i++)
		{
			if (i > 0)
				sink_buffer_append(&out, ",\n", 2);
			sink_report_stats(path, &out);
		}
		sink_buffer_append(&out, "]}", 2);
	}
	sink_buffer_append(&out, "\n", 1);
	result = sink_answer_text(connection, 200, "application/json", out.data, out.len);
	sink_buffer_free(&out);
	return result;
}

static enum MHD_Result
call_log(SinkRequest *request, struct MHD_Connection *connection)
{
	const char *name = argument(connection, "path");
	SinkPath *path = name != NULL ? sink_store_find_path(name) : NULL;
	int64_t after = number_argument(connection, "after", 0);
	int64_t limit = number_argument(connection, "limit", INT64_MAX);

	(void) request;
	if (name == NULL)
		return sink_answer_error(connection, 400, "path is missing");
	if (path == NULL)
		return sink_answer_text(connection, 200, "application/x-ndjson", "", 0);
	return sink_report_log(path, after > 0 ? after : 0, limit > 0 ? limit : 0, connection);
}

static bool
wait_satisfied(const SinkWait *wait)
{
	const SinkCounters *counters = &wait->path->counters;

	return counters->ok >= wait->ok && counters->distinct_ok >= wait->distinct &&
		   counters->received >= wait->received;
}

static void
wait_begin(SinkRequest *request, struct MHD_Connection *connection, SinkPath *path)
{
	SinkWait *wait = &request->wait;

	wait->path = path;
	wait->ok = number_argument(connection, "ok", 0);
	wait->distinct = number_argument(connection, "distinct", 0);
	wait->received = number_argument(connection, "received", 0);
	wait->deadline_us =
		sink_monotonic_us() + 1000 * number_argument(connection, "timeout_ms", 30000);
	wait->park = &request->park;
	wait->prev = NULL;
	wait->next = path->waits;
	if (wait->next != NULL)
		wait->next->prev = wait;
	path->waits = wait;
}

/* Called again when the wait is over, one way or the other. */
static enum MHD_Result
call_wait(SinkRequest *request, struct MHD_Connection *connection)
{
	const char *name = argument(connection, "path");
	SinkPath *path = name != NULL ? sink_store_path(name) : NULL;
	SinkBuffer out = {0};
	enum MHD_Result result;
	int64_t left_us;
	bool satisfied;

	if (path == NULL)
		return sink_answer_error(connection, 400, "path is missing");
	if (request->park.gone)
		return MHD_NO;
	if (request->wait.path == NULL)
		wait_begin(request, connection, path);
	satisfied = wait_satisfied(&request->wait);
	left_us = request->wait.deadline_us - sink_monotonic_us();
	if (!satisfied && left_us > 0)
		return sink_park(&request->park, connection, left_us) ? MHD_YES : MHD_NO;
	sink_report_stats(path, &out);
	sink_buffer_append(&out, "\n", 1);
	result =
		sink_answer_text(connection, satisfied ? 200 : 408, "application/json", out.data, out.len);
	sink_buffer_free(&out);
	return result;
}

void
sink_control_notify(SinkPath *path)
{
	SinkWait *wait;

	for (wait = path->waits; wait != NULL; wait = wait->next)
		if (wait_satisfied(wait))
			sink_park_wake(wait->park);
}

void
sink_control_forget(SinkWait *wait)
{
	if (wait->prev != NULL)
		wait->prev->next = wait->next;
	else
		wait->path->waits = wait->next;
	if (wait->next != NULL)
		wait->next->prev = wait->prev;
	wait->path = NULL;
}

static enum MHD_Result
call_missing(SinkRequest *request, struct MHD_Connection *connection)
{
	const char *name = argument(connection, "path");
	SinkPath *path = name != NULL ? sink_store_path(name) : NULL;
	SinkText ids = {request->body.data, request->body.len};
	SinkBuffer out = {0};
	enum MHD_Result result;

	if (path == NULL)
		return sink_answer_error(connection, 400, "path is missing");
	if (ids.s == NULL)
		ids.s = "";
	sink_report_missing(path, ids, &out);
	result = sink_answer_text(connection, 200, "application/json", out.data, out.len);
	sink_buffer_free(&out);
	return result;
}

/* The path a control body names, NULL where it names none. */
static SinkPath *
body_path(const SinkJson *object)
{
	char text[1024];
	SinkJsonCursor cursor;
	SinkText name;
	SinkJson value;

	sink_json_open(&cursor, object);
	while (sink_json_next_member(&cursor, &name, &value) > 0)
		if (sink_text_equal(name, "path") && value.kind == SINK_JSON_STRING)
		{
			sink_json_text(&value, text, sizeof(text));
			return strncmp(text, "/in/", 4) == 0 ? sink_store_path(text) : NULL;
		}
	return NULL;
}

/* NULL, or what is wrong with the member whose name is then in name. */
static const char *
behave_read(const SinkJson *object, SinkBehaviour *behaviour, bool *from_url, char *name,
			size_t cap)
{
	char text[1100];
	SinkJsonCursor cursor;
	SinkText member;
	SinkJson value;
	const char *wrong = NULL;
	int more;

	sink_behave_init(behaviour);
	*from_url = false;
	strcpy(name, "body");
	sink_json_open(&cursor, object);
	while (wrong == NULL && (more = sink_json_next_member(&cursor, &member, &value)) != 0)
	{
		if (more < 0)
			return "malformed JSON";
		if (member.len >= cap)
			return "a name is too long";
		memcpy(name, member.s, member.len);
		name[member.len] = '\0';
		sink_json_text(&value, text, sizeof(text));
		if (strcmp(name, "from_url") == 0)
			*from_url = sink_json_true(&value);
		else if (strcmp(name, "path") != 0)
			wrong = sink_behave_set(behaviour, name, text);
	}
	return wrong;
}

/* {"path": "/in/crm", ...settings}; "from_url": true goes back to the query string. */
static enum MHD_Result
call_behave(SinkRequest *request, struct MHD_Connection *connection)
{
	SinkText body = {request->body.data, request->body.len};
	SinkBehaviour behaviour;
	char name[64];
	const char *wrong;
	SinkJson object;
	SinkPath *path;
	bool from_url;

	if (body.len == 0 || !sink_json_parse(body, &object) || object.kind != SINK_JSON_OBJECT)
		return sink_answer_error(connection, 400, "the body is no JSON object");
	path = body_path(&object);
	if (path == NULL)
		return sink_answer_error(connection, 400, "path is missing or does not start with /in/");
	wrong = behave_read(&object, &behaviour, &from_url, name, sizeof(name));
	if (wrong != NULL)
		return sink_answer_error(connection, 400, "%s: %s", name, wrong);
	path->quota_spent = 0;
	if (from_url)
	{
		free(path->behaviour);
		path->behaviour = NULL;
	}
	else
	{
		if (path->behaviour == NULL)
			path->behaviour = sink_alloc(sizeof(SinkBehaviour));
		*path->behaviour = behaviour;
	}
	return answer_done(connection);
}

const char *
sink_control_set_secrets(SinkPath *path, const char *const *texts, int n)
{
	SinkSecret *secrets[SINK_MAX_SECRETS];
	int i;

	if (n > SINK_MAX_SECRETS)
		return "too many secrets";
	for (i = 0; i < n; i++)
	{
		secrets[i] = sink_secret_prepare(texts[i]);
		if (secrets[i] == NULL)
		{
			while (i-- > 0)
				sink_secret_free(secrets[i]);
			return "a secret is not whsec_ and base64 of 24 to 64 bytes";
		}
	}
	for (i = 0; i < path->n_secrets; i++)
		sink_secret_free(path->secrets[i]);
	memcpy(path->secrets, secrets, sizeof(SinkSecret *) * (size_t) n);
	path->n_secrets = n;
	return NULL;
}

/* {"path": "/in/crm", "secrets": ["whsec_..."]}; an empty list ends the checking. */
static enum MHD_Result
call_secret(SinkRequest *request, struct MHD_Connection *connection)
{
	SinkText body = {request->body.data, request->body.len};
	char texts[SINK_MAX_SECRETS][256];
	const char *list[SINK_MAX_SECRETS];
	const char *wrong = "secrets is missing";
	SinkJsonCursor cursor;
	SinkJsonCursor elements;
	SinkText name;
	SinkJson object;
	SinkJson value;
	SinkPath *path;
	int n = 0;

	if (body.len == 0 || !sink_json_parse(body, &object) || object.kind != SINK_JSON_OBJECT)
		return sink_answer_error(connection, 400, "the body is no JSON object");
	path = body_path(&object);
	if (path == NULL)
		return sink_answer_error(connection, 400, "path is missing or does not start with /in/");
	sink_json_open(&cursor, &object);
	while (sink_json_next_member(&cursor, &name, &value) > 0)
		if (sink_text_equal(name, "secrets") && value.kind == SINK_JSON_ARRAY)
		{
			sink_json_open(&elements, &value);
			for (n = 0; n < SINK_MAX_SECRETS && sink_json_next_element(&elements, &value) > 0; n++)
			{
				sink_json_text(&value, texts[n], sizeof(texts[n]));
				list[n] = texts[n];
			}
			wrong = sink_control_set_secrets(path, list, n);
		}
	if (wrong != NULL)
		return sink_answer_error(connection, 400, "%s", wrong);
	return answer_done(connection);
}

static enum MHD_Result
call_reset(SinkRequest *request, struct MHD_Connection *connection)
{
	const char *name = argument(connection, "path");
	SinkPath *path;
	size_t i;

	(void) request;
	for (i = 0; (path = sink_store_path_at(i)) != NULL; i++)
		if (name == NULL || strcmp(name, path->name) == 0)
			sink_store_reset(path);
	return answer_done(connection);
}

static enum MHD_Result
call_quit(SinkRequest *request, struct MHD_Connection *connection)
{
	request->quit = true;
	return answer_done(connection);
}
