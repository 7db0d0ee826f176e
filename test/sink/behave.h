/*
 * behave.h
 *	  How a path answers: settings by name, and the decision for one attempt at one event.
 *
 *	  status=503			answer with it
 *	  retry_after=2			header Retry-After on it, a number or an HTTP date
 *	  retry_after_in=2		the same as an HTTP date so many seconds ahead
 *	  redirect=URL			header Location; status 307 unless set
 *	  hang=1				never answer
 *	  close=1				close the connection instead
 *	  garbage=1				bytes that are no HTTP, then close
 *	  body_bytes=N			an answer with a body that long
 *	  slow_bytes=MS			a body (64 bytes, or body_bytes) a byte every MS milliseconds
 *	  reset_after=N			a body that breaks off after N bytes, by a reset of the connection
 *	  body_text=TEXT		an answer with that body, called application/json
 *	The above is the fault. It happens to every attempt, or where one of these is given, only to
 *	those that meet all of them (the others get 200; the fault is status 500 unless named):
 *	  fail_first=3			the first 3 attempts at each event id
 *	  fail_rate=0.1 seed=7	that share of attempts, the same ones in each run
 *	  fail_key=T-42			this key only
 *	Beside it:
 *	  results=1				a batch is answered 207 with a result for each event, as it would be answered
 *							alone; without it, the batch is refused for one event's fault. Faults that are
 *							no status are the whole batch's in any case
 *	  poison_key=T-13		this key always gets poison_status (422)
 *	  quota_limit=100		every answer tells, in headers X-RateLimit-*, of a quota of so many requests; once it is
 *							used up, 429. quota_used=80: where the count begins, when the settings are made;
 *							quota_reset=5: in how many seconds it is said to begin anew (which it does not)
 *	  delay_ms=50			wait before any answer; delay_key=T-42: for this key only
 */
#ifndef SINK_BEHAVE_H
#define SINK_BEHAVE_H

#include "buffer.h"

#define SINK_KEY_CAP 264

typedef enum SinkFault
{
	SINK_FAULT_NONE,
	SINK_FAULT_STATUS,
	SINK_FAULT_HANG,
	SINK_FAULT_CLOSE,
	SINK_FAULT_GARBAGE,
	SINK_FAULT_BODY,
	SINK_FAULT_RESULTS /* no fault, but what the request has in results */
} SinkFault;

/* What an attempt gets. Zeroed but for status: an empty answer with that status, at once. */
typedef struct SinkAnswer
{
	SinkFault fault;
	int status;
	int delay_ms;
	int slow_ms;
	int retry_after_in;
	int64_t quota_limit; /* 0: none is told of */
	int64_t quota_left;
	int quota_reset; /* negative: not told */
	int64_t body_bytes;
	int64_t reset_after; /* 0: the body comes whole */
	char retry_after[64];
	char redirect[1024];
	char body_text[256];
} SinkAnswer;

typedef struct SinkBehaviour
{
	bool conditional;
	bool results;
	SinkFault fault;
	int status; /* 0: by fault */
	int poison_status;
	int delay_ms;
	int slow_ms;
	int fail_first;
	double fail_rate; /* negative: not given */
	uint64_t seed;
	int64_t body_bytes;
	int64_t reset_after;
	int retry_after_in;
	int64_t quota_limit; /* 0: none */
	int64_t quota_used;
	int quota_reset; /* negative: not told */
	char body_text[256];
	char fail_key[SINK_KEY_CAP];
	char poison_key[SINK_KEY_CAP];
	char delay_key[SINK_KEY_CAP];
	char retry_after[64];
	char redirect[1024];
} SinkBehaviour;

/* Answer 200 at once. */
extern void sink_behave_init(SinkBehaviour *behaviour);

/* Set one setting; NULL, or what is wrong with it. */
extern const char *sink_behave_set(SinkBehaviour *behaviour, const char *name, const char *value);

/* Decide about the attempt'th attempt (1 is the first) at the event id of that key. */
extern void sink_behave_decide(const SinkBehaviour *behaviour, SinkText key, SinkText id,
							   uint32_t attempt, SinkAnswer *answer);

#endif
