/*
 * store.h
 *	  What arrived, per path, and the checks that run as it arrives.
 *
 * Everything here belongs to the HTTP thread.
 */
#ifndef SINK_STORE_H
#define SINK_STORE_H

#include "behave.h"
#include "table.h"
#include "verify.h"

#define SINK_NONE UINT32_MAX
#define SINK_MAX_PATHS 1024
#define SINK_MAX_SECRETS 8

/* One event of a request, as read from body and headers. Texts live as long as the request. */
typedef struct SinkEvent
{
	SinkText id;
	SinkText key;
	int64_t version;
	int64_t time_us; /* 0: none */
	bool has_version;
	bool stale;
	uint64_t body_hash;
} SinkEvent;

/* What a request says of all its events. Header values are NULL where there was none. */
typedef struct SinkEnvelope
{
	int64_t at_us;
	int64_t webhook_timestamp;
	SinkSignature signature;
	const char *webhook_id;
	const char *idempotency_key;
	const char *traceparent;
	bool batch;
} SinkEnvelope;

/* One attempt at one event, kept. */
typedef struct SinkRecord
{
	int64_t at_us;
	int64_t version;
	int64_t webhook_timestamp;
	int64_t time_us;
	const char *idempotency_key;
	const char *traceparent;
	uint32_t key;	 /* index into keys, SINK_NONE */
	uint32_t id;	 /* index into ids, SINK_NONE */
	uint16_t status; /* 0: not answered in HTTP */
	uint8_t signature;
	bool has_version;
	bool stale;
} SinkRecord;

typedef struct SinkId
{
	SinkEntry entry;
	uint64_t body_hash;
	uint64_t identity_hash;
	uint32_t attempts;
	uint32_t ok;
} SinkId;

typedef struct SinkKey
{
	SinkEntry entry;
	int64_t max_version; /* of the first arrivals */
	bool seen;
	uint32_t in_flight;
	uint32_t latest_id;					   /* of the last request that came for it */
	struct MHD_Connection *latest_request; /* NULL once that was answered */
} SinkKey;

typedef struct SinkCounters
{
	int64_t received; /* attempts at events, malformed ones included */
	int64_t requests;
	int64_t connections;	/* that they came on: one that is kept open counts once */
	int64_t max_batch;		/* events in one of them */
	int64_t max_body_bytes; /* bytes in one of them */
	int64_t ok;
	int64_t refused;	/* answered otherwise */
	int64_t unanswered; /* hung, closed, garbage */
	int64_t distinct_ok;
	int64_t repeats;
	int64_t order_violations;
	int64_t overlaps;
	int64_t body_mismatch;
	int64_t identity_mismatch;
	int64_t signature_ok;
	int64_t signature_failures;
	int64_t unsigned_requests;
	int64_t stale;
	int64_t unkeyed;
	int64_t malformed;
	int64_t unrecorded;
	int64_t first_at_us;
	int64_t last_at_us;
} SinkCounters;

typedef struct SinkPath
{
	char *name;
	SinkCounters counters;
	int64_t in_flight;
	int64_t max_in_flight;
	uint32_t epoch; /* counts resets: a request begun before one leaves the tables alone */
	SinkArray records;
	SinkArena texts;
	SinkTable ids;
	SinkTable keys;
	SinkTable batches;			/* their ids and their bodies: each belongs to one of the other */
	SinkBuffer first_violation; /* JSON, empty until there is one */
	SinkSecret *secrets[SINK_MAX_SECRETS];
	int n_secrets;
	int64_t quota_spent;	  /* requests since the behaviour was set */
	SinkBehaviour *behaviour; /* set at run time; NULL: by the URL's query string */
	struct SinkWait *waits;	  /* long polls, control.c's */
} SinkPath;

extern void sink_store_init(int64_t max_records);

/* The path of that name, made where it is new; NULL where there are too many. */
extern SinkPath *sink_store_path(const char *name);
extern SinkPath *sink_store_find_path(const char *name);
extern SinkPath *sink_store_path_at(size_t index); /* NULL past the last */

/* Count an attempt at the event's id; NULL (and attempt 1) where it has none or memory is full. */
extern SinkId *sink_store_attempt(SinkPath *path, const SinkEvent *event, uint32_t *attempt);

/*
 * Check what names a batch: the same body under another name, or another body under the same, is
 * an identity_mismatch. The envelope's texts are then the path's own, kept once for all its events.
 */
extern void sink_store_batch(SinkPath *path, SinkEnvelope *envelope, SinkText body);

/*
 * Record an attempt and its answer, and check it: status 0 stands for no answer. Returns the key's
 * entry, NULL for none.
 */
extern SinkKey *sink_store_record(SinkPath *path, const SinkEnvelope *envelope,
								  const SinkEvent *event, SinkId *id, int status);

/* Forget records, counters and checks; secrets and behaviour stay. */
extern void sink_store_reset(SinkPath *path);

#endif
