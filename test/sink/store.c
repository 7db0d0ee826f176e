/*
 * store.c
 *	  What arrived, per path, and the checks that run as it arrives: order, repeats, changed bodies.
 *
 * HTTP thread only, so there are no locks. Paths are never freed: requests and long polls point at
 * them. Records over the limit are counted, not kept, and the checks say that they are partial.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static SinkPath *paths[SINK_MAX_PATHS];
static size_t n_paths;
static int64_t max_records;
static int64_t n_records; /* over all paths */

static bool store_full(void);
static void count_signature(SinkCounters *counters, SinkSignature signature);
static void check_order(SinkPath *path, SinkKey *key, const SinkId *id, const SinkEvent *event,
						int64_t at_us);
static void check_identity(SinkPath *path, SinkId *id, const SinkEnvelope *envelope,
						   const SinkEvent *event);
static void keep_record(SinkPath *path, const SinkEnvelope *envelope, const SinkEvent *event,
						const SinkId *id, const SinkKey *key, int status);

void
sink_store_init(int64_t limit)
{
	max_records = limit;
}

SinkPath *
sink_store_find_path(const char *name)
{
	size_t i;

	for (i = 0; i < n_paths; i++)
		if (strcmp(paths[i]->name, name) == 0)
			return paths[i];
	return NULL;
}

SinkPath *
sink_store_path(const char *name)
{
	SinkPath *path = sink_store_find_path(name);

	if (path != NULL)
		return path;
	if (n_paths == SINK_MAX_PATHS)
		return NULL;
	path = sink_alloc(sizeof(SinkPath));
	path->name = sink_alloc(strlen(name) + 1);
	strcpy(path->name, name);
	path->records.item_size = sizeof(SinkRecord);
	path->ids.entries.item_size = sizeof(SinkId);
	path->keys.entries.item_size = sizeof(SinkKey);
	path->batches.entries.item_size = sizeof(SinkId);
	paths[n_paths++] = path;
	return path;
}

SinkPath *
sink_store_path_at(size_t index)
{
	return index < n_paths ? paths[index] : NULL;
}

static bool
store_full(void)
{
	static bool told = false;

	if (n_records < max_records)
		return false;
	if (!told)
		fprintf(stderr,
				"sink: %" PRId64 " records kept, as --max-records says: later ones are counted "
				"but not checked\n",
				n_records);
	told = true;
	return true;
}

SinkId *
sink_store_attempt(SinkPath *path, const SinkEvent *event, uint32_t *attempt)
{
	SinkId *id;

	*attempt = 1;
	if (event->id.len == 0)
		return NULL;
	if (store_full())
		id = sink_table_find(&path->ids, event->id.s, event->id.len);
	else
		id = sink_table_intern(&path->ids, event->id.s, event->id.len);
	if (id != NULL)
		*attempt = ++id->attempts;
	return id;
}

static void
count_signature(SinkCounters *counters, SinkSignature signature)
{
	switch (signature)
	{
		case SINK_SIGNATURE_OK:
			counters->signature_ok++;
			break;
		case SINK_SIGNATURE_WRONG:
		case SINK_SIGNATURE_OLD:
			counters->signature_failures++;
			break;
		case SINK_SIGNATURE_MISSING:
			counters->unsigned_requests++;
			break;
		case SINK_SIGNATURE_UNCHECKED:
			break;
	}
}

/* A first arrival must be newer than every first arrival of its key before it. */
static void
check_order(SinkPath *path, SinkKey *key, const SinkId *id, const SinkEvent *event, int64_t at_us)
{
	if (event->stale)
	{
		path->counters.stale++;
		return;
	}
	if (key == NULL || !event->has_version)
	{
		path->counters.unkeyed++;
		return;
	}
	if (key->seen && event->version <= key->max_version)
	{
		path->counters.order_violations++;
		if (path->first_violation.len == 0)
		{
			sink_buffer_append(&path->first_violation, "{\"key\":", 7);
			sink_buffer_json(&path->first_violation, key->entry.text, key->entry.len);
			sink_buffer_append(&path->first_violation, ",\"id\":", 6);
			sink_buffer_json(&path->first_violation, id->entry.text, id->entry.len);
			sink_buffer_printf(&path->first_violation,
							   ",\"version\":%" PRId64 ",\"after\":%" PRId64 ",\"at_us\":%" PRId64
							   "}",
							   event->version, key->max_version, at_us);
		}
	}
	if (!key->seen || event->version > key->max_version)
		key->max_version = event->version;
	key->seen = true;
}

/* Every attempt at an id must carry the same bytes and the same identifying headers. */
static void
check_identity(SinkPath *path, SinkId *id, const SinkEnvelope *envelope, const SinkEvent *event)
{
	uint64_t identity = 1;

	if (id->body_hash != 0 && id->body_hash != event->body_hash)
		path->counters.body_mismatch++;
	if (id->body_hash == 0)
		id->body_hash = event->body_hash;

	/* A batch's headers name the batch, which may be cut otherwise the next time: sink_store_batch. */
	if (envelope->batch)
		return;
	if (envelope->webhook_id != NULL)
		identity = sink_hash(envelope->webhook_id, strlen(envelope->webhook_id), identity);
	if (envelope->idempotency_key != NULL)
		identity =
			sink_hash(envelope->idempotency_key, strlen(envelope->idempotency_key), identity);
	if (id->identity_hash != 0 && id->identity_hash != identity)
		path->counters.identity_mismatch++;
	if (id->identity_hash == 0)
		id->identity_hash = identity;
}

void
sink_store_batch(SinkPath *path, SinkEnvelope *envelope, SinkText body)
{
	const char *name = envelope->webhook_id;
	const char *key = envelope->idempotency_key;
	const char *trace = envelope->traceparent;
	uint64_t body_hash = sink_hash(body.s, body.len, 1) | 1;
	uint64_t identity;
	char text[24];
	SinkId *entry;

	if (store_full())
		return;
	if (key != NULL)
		envelope->idempotency_key = sink_arena_copy(&path->texts, key, strlen(key));
	if (trace != NULL)
		envelope->traceparent = sink_arena_copy(&path->texts, trace, strlen(trace));
	if (name == NULL || (path->n_secrets > 0 && envelope->signature != SINK_SIGNATURE_OK))
		return;
	identity = sink_hash(name, strlen(name), 1);
	if (key != NULL)
		identity = sink_hash(key, strlen(key), identity);
	entry = sink_table_intern(&path->batches, name, strlen(name));
	if (entry->body_hash != 0 && entry->body_hash != body_hash)
		path->counters.identity_mismatch++;
	entry->body_hash = body_hash;
	snprintf(text, sizeof(text), "body %016" PRIx64, body_hash);
	entry = sink_table_intern(&path->batches, text, strlen(text));
	if (entry->identity_hash != 0 && entry->identity_hash != identity)
		path->counters.identity_mismatch++;
	entry->identity_hash = identity;
}

static void
keep_record(SinkPath *path, const SinkEnvelope *envelope, const SinkEvent *event, const SinkId *id,
			const SinkKey *key, int status)
{
	SinkRecord *record;

	if (store_full())
	{
		path->counters.unrecorded++;
		return;
	}
	n_records++;
	record = sink_array_add(&path->records);
	record->at_us = envelope->at_us;
	record->webhook_timestamp = envelope->webhook_timestamp;
	record->version = event->version;
	record->has_version = event->has_version;
	record->time_us = event->time_us;
	record->stale = event->stale;
	record->key = key != NULL ? key->entry.index : SINK_NONE;
	record->id = id != NULL ? id->entry.index : SINK_NONE;
	record->status = (uint16_t) status;
	record->signature = (uint8_t) envelope->signature;
	if (envelope->batch)
	{
		record->idempotency_key = envelope->idempotency_key;
		record->traceparent = envelope->traceparent;
		return;
	}
	if (envelope->idempotency_key != NULL)
	{
		/* Usually the id itself: then there is nothing to copy. */
		if (id != NULL && strcmp(id->entry.text, envelope->idempotency_key) == 0)
			record->idempotency_key = id->entry.text;
		else
			record->idempotency_key = sink_arena_copy(&path->texts, envelope->idempotency_key,
													  strlen(envelope->idempotency_key));
	}
	if (envelope->traceparent != NULL)
		record->traceparent =
			sink_arena_copy(&path->texts, envelope->traceparent, strlen(envelope->traceparent));
}

SinkKey *
sink_store_record(SinkPath *path, const SinkEnvelope *envelope, const SinkEvent *event, SinkId *id,
				  int status)
{
	SinkCounters *counters = &path->counters;
	bool rejected = path->n_secrets > 0 && envelope->signature != SINK_SIGNATURE_OK;
	SinkKey *key = NULL;

	counters->received++;
	counters->last_at_us = envelope->at_us;
	if (counters->first_at_us == 0)
		counters->first_at_us = envelope->at_us;
	count_signature(counters, envelope->signature);
	if (event->key.len > 0)
		key = store_full() ? sink_table_find(&path->keys, event->key.s, event->key.len)
						   : sink_table_intern(&path->keys, event->key.s, event->key.len);
	if (id != NULL && !rejected)
	{
		check_identity(path, id, envelope, event);
		if (id->ok > 0)
			counters->repeats++;
	}
	keep_record(path, envelope, event, id, key, status);
	if (status == 0)
		counters->unanswered++;
	else if (status < 200 || status > 299)
		counters->refused++;
	else
	{
		counters->ok++;
		if (id != NULL && id->ok++ == 0)
		{
			counters->distinct_ok++;
			check_order(path, key, id, event, envelope->at_us);
		}
	}
	return key;
}

void
sink_store_reset(SinkPath *path)
{
	n_records -= (int64_t) path->records.count;
	path->epoch++;
	memset(&path->counters, 0, sizeof(path->counters));
	path->max_in_flight = path->in_flight;
	sink_array_clear(&path->records);
	sink_arena_clear(&path->texts);
	sink_table_clear(&path->ids);
	sink_table_clear(&path->keys);
	sink_table_clear(&path->batches);
	sink_buffer_free(&path->first_violation);
	malloc_trim(0);
}
