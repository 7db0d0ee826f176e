/*
 * report.c
 *	  Counters, the log, and the comparison with what should have come. HTTP thread only.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define LOG_BLOCK 65536
#define EXAMPLES 20

/* A log that is being sent. */
typedef struct LogReader
{
	const SinkPath *path;
	uint32_t epoch;
	size_t next;
	size_t end;
	SinkBuffer line;
	size_t taken; /* of line */
} LogReader;

static void append_record(const SinkPath *path, size_t index, SinkBuffer *out);
static void append_entry(const SinkTable *table, uint32_t index, SinkBuffer *out);
static ssize_t log_read(void *cls, uint64_t position, char *out, size_t max);
static void log_free(void *cls);

void
sink_report_stats(const SinkPath *path, SinkBuffer *out)
{
	const SinkCounters *c = &path->counters;
	const struct
	{
		const char *name;
		int64_t value;
	} figures[] = {
		{"received", c->received},
		{"requests", c->requests},
		{"connections", c->connections},
		{"max_batch", c->max_batch},
		{"max_body_bytes", c->max_body_bytes},
		{"ok", c->ok},
		{"refused", c->refused},
		{"unanswered", c->unanswered},
		{"distinct_ids", (int64_t) path->ids.entries.count},
		{"distinct_ok", c->distinct_ok},
		{"distinct_keys", (int64_t) path->keys.entries.count},
		{"repeats", c->repeats},
		{"order_violations", c->order_violations},
		{"overlaps", c->overlaps},
		{"body_mismatch", c->body_mismatch},
		{"identity_mismatch", c->identity_mismatch},
		{"signature_ok", c->signature_ok},
		{"signature_failures", c->signature_failures},
		{"unsigned", c->unsigned_requests},
		{"stale", c->stale},
		{"unkeyed", c->unkeyed},
		{"malformed", c->malformed},
		{"unrecorded", c->unrecorded},
		{"records", (int64_t) path->records.count},
		{"in_flight", path->in_flight},
		{"max_in_flight", path->max_in_flight},
		{"first_at_us", c->first_at_us},
		{"last_at_us", c->last_at_us},
	};
	size_t i;

	sink_buffer_append(out, "{\"path\":", 8);
	sink_buffer_json(out, path->name, strlen(path->name));
	for (i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		sink_buffer_printf(out, ",\"%s\":%" PRId64, figures[i].name, figures[i].value);
	if (path->first_violation.len > 0)
		sink_buffer_printf(out, ",\"first_violation\":%s", path->first_violation.data);
	sink_buffer_append(out, "}", 1);
}

static void
append_entry(const SinkTable *table, uint32_t index, SinkBuffer *out)
{
	const SinkEntry *entry;

	if (index == SINK_NONE)
	{
		sink_buffer_append(out, "null", 4);
		return;
	}
	entry = sink_array_get(&table->entries, index);
	sink_buffer_json(out, entry->text, entry->len);
}

static void
append_record(const SinkPath *path, size_t index, SinkBuffer *out)
{
	const SinkRecord *record = sink_array_get(&path->records, index);
	const char *idempotency_key = record->idempotency_key;
	const char *traceparent = record->traceparent;

	sink_buffer_printf(out, "{\"n\":%zu,\"key\":", index + 1);
	append_entry(&path->keys, record->key, out);
	if (record->has_version)
		sink_buffer_printf(out, ",\"version\":%" PRId64 ",\"id\":", record->version);
	else
		sink_buffer_append(out, ",\"version\":null,\"id\":", 21);
	append_entry(&path->ids, record->id, out);
	sink_buffer_printf(out,
					   ",\"at_us\":%" PRId64 ",\"status\":%d,\"signature\":\"%s\","
					   "\"time_us\":%" PRId64 ",\"webhook_timestamp\":%" PRId64
					   ",\"stale\":%s,\"idempotency_key\":",
					   record->at_us, record->status,
					   sink_signature_name((SinkSignature) record->signature), record->time_us,
					   record->webhook_timestamp, record->stale ? "true" : "false");
	sink_buffer_json(out, idempotency_key, idempotency_key ? strlen(idempotency_key) : 0);
	sink_buffer_append(out, ",\"traceparent\":", 15);
	sink_buffer_json(out, traceparent, traceparent ? strlen(traceparent) : 0);
	sink_buffer_append(out, "}\n", 2);
}

static ssize_t
log_read(void *cls, uint64_t position, char *out, size_t max)
{
	LogReader *reader = cls;
	size_t take;

	(void) position;
	if (reader->taken == reader->line.len)
	{
		reader->line.len = 0;
		reader->taken = 0;
		if (reader->epoch != reader->path->epoch)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		while (reader->next < reader->end && reader->line.len < LOG_BLOCK)
			append_record(reader->path, reader->next++, &reader->line);
		if (reader->line.len == 0)
			return MHD_CONTENT_READER_END_OF_STREAM;
	}
	take = reader->line.len - reader->taken;
	if (take > max)
		take = max;
	memcpy(out, reader->line.data + reader->taken, take);
	reader->taken += take;
	return (ssize_t) take;
}

static void
log_free(void *cls)
{
	LogReader *reader = cls;

	sink_buffer_free(&reader->line);
	free(reader);
}

enum MHD_Result
sink_report_log(const SinkPath *path, int64_t after, int64_t limit,
				struct MHD_Connection *connection)
{
	LogReader *reader = sink_alloc(sizeof(LogReader));
	struct MHD_Response *response;
	enum MHD_Result result;

	reader->path = path;
	reader->epoch = path->epoch;
	reader->end = path->records.count;
	reader->next = after < (int64_t) reader->end ? (size_t) after : reader->end;
	if (limit < (int64_t) (reader->end - reader->next))
		reader->end = reader->next + (size_t) limit;
	response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, LOG_BLOCK, log_read, reader, log_free);
	if (response == NULL)
	{
		log_free(reader);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", "application/x-ndjson");
	result = MHD_queue_response(connection, 200, response);
	MHD_destroy_response(response);
	return result;
}

void
sink_report_missing(const SinkPath *path, SinkText ids, SinkBuffer *out)
{
	SinkBuffer examples = {0};
	const char *at = ids.s;
	const char *end = ids.s + ids.len;
	int64_t asked = 0;
	int64_t missing = 0;

	sink_buffer_append(&examples, "", 0);
	while (at < end)
	{
		const char *newline = memchr(at, '\n', (size_t) (end - at));
		const char *stop = newline != NULL ? newline : end;
		const SinkId *id = sink_table_find(&path->ids, at, (size_t) (stop - at));

		if (stop > at)
		{
			asked++;
			if (id == NULL || id->ok == 0)
			{
				if (missing++ < EXAMPLES)
				{
					if (missing > 1)
						sink_buffer_append(&examples, ",", 1);
					sink_buffer_json(&examples, at, (size_t) (stop - at));
				}
			}
		}
		at = stop + 1;
	}
	sink_buffer_printf(out,
					   "{\"asked\":%" PRId64 ",\"missing\":%" PRId64 ",\"others\":%" PRId64
					   ",\"examples\":[%s]}\n",
					   asked, missing, path->counters.distinct_ok - (asked - missing),
					   examples.data);
	sink_buffer_free(&examples);
}
