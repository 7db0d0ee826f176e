/*
 * table.h
 *	  Append-only arrays that never move what they hold, and hash tables of strings on top of them.
 */
#ifndef SINK_TABLE_H
#define SINK_TABLE_H

#include "buffer.h"

#define SINK_CHUNK_ITEMS 4096

/* Items of one size; zeroed with item_size set is empty. Pointers to items stay valid. */
typedef struct SinkArray
{
	size_t item_size;
	size_t count;
	size_t n_chunks;
	char **chunks;
} SinkArray;

/* Strings, appended and freed all at once. */
typedef struct SinkArena
{
	struct SinkArenaBlock *blocks;
} SinkArena;

/* First field of whatever a table holds. text is NUL-terminated. */
typedef struct SinkEntry
{
	uint64_t hash;
	const char *text;
	uint32_t len;
	uint32_t index;
} SinkEntry;

/* Zeroed with entries.item_size set is empty. */
typedef struct SinkTable
{
	SinkArray entries;
	SinkArena texts;
	uint32_t *slots; /* index + 1 of the entry, 0 for free */
	uint64_t *tags;	 /* its hash, so that a probe seldom touches the entry */
	size_t n_slots;
} SinkTable;

/* A new zeroed item at the end. */
extern void *sink_array_add(SinkArray *array);
extern void *sink_array_get(const SinkArray *array, size_t index);
extern void sink_array_clear(SinkArray *array);

/* A NUL-terminated copy that lives until the arena is cleared. */
extern const char *sink_arena_copy(SinkArena *arena, const char *s, size_t len);
extern void sink_arena_clear(SinkArena *arena);

/* The entry of that text, or NULL. */
extern void *sink_table_find(const SinkTable *table, const char *text, size_t len);

/* The entry of that text, added (zeroed past its SinkEntry) where it is new. */
extern void *sink_table_intern(SinkTable *table, const char *text, size_t len);
extern void sink_table_clear(SinkTable *table);

#endif
