/*
 * table.c
 *	  The receiver's memory of what arrived: append-only arrays, string arenas, hash tables.
 *
 * Touched by the HTTP thread only. Arrays grow by chunks and are never copied, so that a run of
 * millions of records has no pause in which an array is moved; only a table's slots are.
 */
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define ARENA_BLOCK 1048576
#define FIRST_SLOTS 4096

typedef struct SinkArenaBlock
{
	struct SinkArenaBlock *next;
	size_t used;
	size_t size;
	char bytes[];
} SinkArenaBlock;

static size_t table_probe(const SinkTable *table, uint64_t hash, const char *text, size_t len);
static void table_grow(SinkTable *table);

void *
sink_array_add(SinkArray *array)
{
	if (array->count == array->n_chunks * SINK_CHUNK_ITEMS)
	{
		array->chunks = sink_realloc(array->chunks, (array->n_chunks + 1) * sizeof(char *));
		array->chunks[array->n_chunks] = sink_alloc(array->item_size * SINK_CHUNK_ITEMS);
		array->n_chunks++;
	}
	array->count++;
	return sink_array_get(array, array->count - 1);
}

void *
sink_array_get(const SinkArray *array, size_t index)
{
	return array->chunks[index / SINK_CHUNK_ITEMS] + (index % SINK_CHUNK_ITEMS) * array->item_size;
}

void
sink_array_clear(SinkArray *array)
{
	size_t i;

	for (i = 0; i < array->n_chunks; i++)
		free(array->chunks[i]);
	free(array->chunks);
	array->chunks = NULL;
	array->n_chunks = 0;
	array->count = 0;
}

const char *
sink_arena_copy(SinkArena *arena, const char *s, size_t len)
{
	SinkArenaBlock *block = arena->blocks;
	char *copy;

	if (block == NULL || block->size - block->used < len + 1)
	{
		size_t size = len + 1 > ARENA_BLOCK ? len + 1 : ARENA_BLOCK;

		block = sink_alloc(sizeof(SinkArenaBlock) + size);
		block->size = size;
		block->next = arena->blocks;
		arena->blocks = block;
	}
	copy = block->bytes + block->used;
	memcpy(copy, s, len);
	copy[len] = '\0';
	block->used += len + 1;
	return copy;
}

void
sink_arena_clear(SinkArena *arena)
{
	SinkArenaBlock *block = arena->blocks;

	while (block != NULL)
	{
		SinkArenaBlock *next = block->next;

		free(block);
		block = next;
	}
	arena->blocks = NULL;
}

/* The slot that holds the text, or the free one where it belongs. */
static size_t
table_probe(const SinkTable *table, uint64_t hash, const char *text, size_t len)
{
	size_t mask = table->n_slots - 1;
	size_t slot = hash & mask;

	while (table->slots[slot] != 0)
	{
		if (table->tags[slot] == hash)
		{
			const SinkEntry *entry = sink_array_get(&table->entries, table->slots[slot] - 1);

			if (entry->len == len && memcmp(entry->text, text, len) == 0)
				break;
		}
		slot = (slot + 1) & mask;
	}
	return slot;
}

static void
table_grow(SinkTable *table)
{
	size_t old_slots = table->n_slots;
	uint32_t *slots = table->slots;
	uint64_t *tags = table->tags;
	size_t i;

	table->n_slots = old_slots ? old_slots * 2 : FIRST_SLOTS;
	table->slots = sink_alloc(table->n_slots * sizeof(uint32_t));
	table->tags = sink_alloc(table->n_slots * sizeof(uint64_t));
	for (i = 0; i < old_slots; i++)
	{
		size_t slot;

		if (slots[i] == 0)
			continue;
		slot = tags[i] & (table->n_slots - 1);
		while (table->slots[slot] != 0)
			slot = (slot + 1) & (table->n_slots - 1);
		table->slots[slot] = slots[i];
		table->tags[slot] = tags[i];
	}
	free(slots);
	free(tags);
}

void *
sink_table_find(const SinkTable *table, const char *text, size_t len)
{
	size_t slot;

	if (table->n_slots == 0)
		return NULL;
	slot = table_probe(table, sink_hash(text, len, 0), text, len);
	if (table->slots[slot] == 0)
		return NULL;
	return sink_array_get(&table->entries, table->slots[slot] - 1);
}

void *
sink_table_intern(SinkTable *table, const char *text, size_t len)
{
	uint64_t hash = sink_hash(text, len, 0);
	SinkEntry *entry;
	size_t slot;

	if ((table->entries.count + 1) * 2 > table->n_slots)
		table_grow(table);
	slot = table_probe(table, hash, text, len);
	if (table->slots[slot] != 0)
		return sink_array_get(&table->entries, table->slots[slot] - 1);

	entry = sink_array_add(&table->entries);
	entry->hash = hash;
	entry->text = sink_arena_copy(&table->texts, text, len);
	entry->len = (uint32_t) len;
	entry->index = (uint32_t) (table->entries.count - 1);
	table->slots[slot] = entry->index + 1;
	table->tags[slot] = hash;
	return entry;
}

void
sink_table_clear(SinkTable *table)
{
	sink_array_clear(&table->entries);
	sink_arena_clear(&table->texts);
	free(table->slots);
	free(table->tags);
	table->slots = NULL;
	table->tags = NULL;
	table->n_slots = 0;
}
