/*
 * buffer.h
 *	  Growing byte buffers, and memory that is there or the process ends.
 */
#ifndef SINK_BUFFER_H
#define SINK_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes with a length; not NUL-terminated unless the function that made them says so. */
typedef struct SinkText
{
	const char *s;
	size_t len;
} SinkText;

/* Zeroed is empty and valid. data is NUL-terminated once anything was appended. */
typedef struct SinkBuffer
{
	char *data;
	size_t len;
	size_t cap;
} SinkBuffer;

extern bool sink_text_equal(SinkText text, const char *word);

/* Zeroed memory; ends the process with a word on stderr where there is none. */
extern void *sink_alloc(size_t size);
extern void *sink_realloc(void *old, size_t size);

extern void sink_buffer_append(SinkBuffer *buffer, const void *bytes, size_t len);
extern void sink_buffer_printf(SinkBuffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Append a JSON string, quotes and escapes included. NULL is appended as null. */
extern void sink_buffer_json(SinkBuffer *buffer, const char *s, size_t len);

/* Empty it; memory above keep bytes is given back. */
extern void sink_buffer_reset(SinkBuffer *buffer, size_t keep);
extern void sink_buffer_free(SinkBuffer *buffer);

/* 64-bit hash, good enough to tell bodies and keys apart; the same in every run. */
extern uint64_t sink_hash(const void *bytes, size_t len, uint64_t seed);

extern int64_t sink_now_us(void);		/* wall clock */
extern int64_t sink_monotonic_us(void); /* for timers */

#endif
