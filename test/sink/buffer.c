/*
 * buffer.c
 *	  Growing byte buffers, hashing and clocks of the receiver.
 *
 * Used by both threads of the sink; nothing here is shared between them, so there are no locks.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buffer.h"

static void buffer_reserve(SinkBuffer *buffer, size_t more);
static int64_t clock_us(clockid_t clock);

void *
sink_alloc(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
	{
		fprintf(stderr, "sink: out of memory (%zu bytes)\n", size);
		exit(3);
	}
	return memory;
}

void *
sink_realloc(void *old, size_t size)
{
	void *memory = realloc(old, size);

	if (memory == NULL)
	{
		fprintf(stderr, "sink: out of memory (%zu bytes)\n", size);
		exit(3);
	}
	return memory;
}

static void
buffer_reserve(SinkBuffer *buffer, size_t more)
{
	size_t need = buffer->len + more + 1;
	size_t cap = buffer->cap ? buffer->cap : 1024;

	if (need <= buffer->cap)
		return;
	while (cap < need)
		cap *= 2;
	buffer->data = sink_realloc(buffer->data, cap);
	buffer->cap = cap;
}

void
sink_buffer_append(SinkBuffer *buffer, const void *bytes, size_t len)
{
	buffer_reserve(buffer, len);
	if (len > 0)
		memcpy(buffer->data + buffer->len, bytes, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
}

void
sink_buffer_printf(SinkBuffer *buffer, const char *format, ...)
{
	va_list args;
	int need;

	va_start(args, format);
	need = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (need < 0)
		return;
	buffer_reserve(buffer, (size_t) need);
	va_start(args, format);
	vsnprintf(buffer->data + buffer->len, (size_t) need + 1, format, args);
	va_end(args);
	buffer->len += (size_t) need;
}

void
sink_buffer_json(SinkBuffer *buffer, const char *s, size_t len)
{
	size_t i;

	if (s == NULL)
	{
		sink_buffer_append(buffer, "null", 4);
		return;
	}
	sink_buffer_append(buffer, "\"", 1);
	for (i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) s[i];

		if (c == '"' || c == '\\')
			sink_buffer_printf(buffer, "\\%c", c);
		else if (c < 0x20)
			sink_buffer_printf(buffer, "\\u%04x", c);
		else
			sink_buffer_append(buffer, s + i, 1);
	}
	sink_buffer_append(buffer, "\"", 1);
}

void
sink_buffer_reset(SinkBuffer *buffer, size_t keep)
{
	buffer->len = 0;
	if (buffer->cap > keep)
		sink_buffer_free(buffer);
}

void
sink_buffer_free(SinkBuffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

uint64_t
sink_hash(const void *bytes, size_t len, uint64_t seed)
{
	const unsigned char *p = bytes;
	uint64_t h = seed ^ (len * UINT64_C(0x9E3779B97F4A7C15));
	uint64_t word;

	while (len > 0)
	{
		size_t take = len < 8 ? len : 8;

		word = 0;
		memcpy(&word, p, take);
		h = (h ^ word) * UINT64_C(0xD6E8FEB86659FD93);
		h ^= h >> 32;
		p += take;
		len -= take;
	}
	h *= UINT64_C(0xA0761D6478BD642F);
	return h ^ (h >> 29);
}

static int64_t
clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
sink_now_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

int64_t
sink_monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

bool
sink_text_equal(SinkText text, const char *word)
{
	return strlen(word) == text.len && memcmp(word, text.s, text.len) == 0;
}
