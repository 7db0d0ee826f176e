/*
 * progress.c
 *	  A ring of open positions. Runs in dispatchers; touches nothing but its own memory.
 *
 * Entries that are done side by side at the end are one entry, so that a filter that lets nothing
 * pass costs no memory while the first entry is still open.
 */
#include "postgres.h"

#include "dispatch/progress.h"
#include "utils/memutils.h"

#define RING_START 1024

typedef struct ProgressEntry
{
	int64 position; /* the greatest it stands for */
	int filtered;
	bool done;
} ProgressEntry;

struct CxsigProgress
{
	ProgressEntry *ring;
	uint64 capacity; /* a power of two */
	uint64 first;	 /* entries first..next-1 are in the ring */
	uint64 next;
	int64 low; /* where the ring is empty */
	int64 high;
	int64 filtered;
};

static ProgressEntry *progress_push(CxsigProgress *progress);
static void progress_settle(CxsigProgress *progress);

CxsigProgress *
cxsig_progress_create(int64 low, int64 filtered)
{
	CxsigProgress *progress = palloc0(sizeof(CxsigProgress));

	progress->capacity = RING_START;
	progress->ring = palloc(progress->capacity * sizeof(ProgressEntry));
	progress->low = low;
	progress->high = low - 1;
	progress->filtered = filtered;
	return progress;
}

static ProgressEntry *
progress_push(CxsigProgress *progress)
{
	if (progress->next - progress->first == progress->capacity)
	{
		uint64 capacity = progress->capacity * 2;
		ProgressEntry *ring =
			MemoryContextAlloc(GetMemoryChunkContext(progress), capacity * sizeof(ProgressEntry));
		uint64 i;

		for (i = progress->first; i < progress->next; i++)
			ring[i & (capacity - 1)] = progress->ring[i & (progress->capacity - 1)];
		pfree(progress->ring);
		progress->ring = ring;
		progress->capacity = capacity;
	}
	return &progress->ring[progress->next++ & (progress->capacity - 1)];
}

uint64
cxsig_progress_add(CxsigProgress *progress, int64 position)
{
	ProgressEntry *entry = progress_push(progress);

	entry->position = position;
	entry->filtered = 0;
	entry->done = false;
	progress->high = position;
	return progress->next - 1;
}

void
cxsig_progress_pass(CxsigProgress *progress, int64 position, bool filtered)
{
	ProgressEntry *last = NULL;

	if (progress->next > progress->first)
		last = &progress->ring[(progress->next - 1) & (progress->capacity - 1)];
	progress->high = position;
	if (last == NULL)
	{
		progress->low = position + 1;
		progress->filtered += filtered;
		return;
	}
	if (!last->done)
	{
		last = progress_push(progress);
		last->filtered = 0;
		last->done = true;
	}
	last->position = position;
	last->filtered += filtered;
}

void
cxsig_progress_done(CxsigProgress *progress, uint64 entry)
{
	Assert(entry >= progress->first && entry < progress->next);
	progress->ring[entry & (progress->capacity - 1)].done = true;
	if (entry == progress->first)
		progress_settle(progress);
}

/* Take what is done off the front. */
static void
progress_settle(CxsigProgress *progress)
{
	while (progress->next > progress->first)
	{
		ProgressEntry *entry = &progress->ring[progress->first & (progress->capacity - 1)];

		if (!entry->done)
			return;
		progress->low = entry->position + 1;
		progress->filtered += entry->filtered;
		progress->first++;
	}
}

void
cxsig_progress_count_filtered(CxsigProgress *progress, int64 position)
{
	uint64 from = progress->first;
	uint64 to = progress->next;

	/* the first entry that stands for what is above it: positions ascend */
	while (from < to)
	{
		uint64 middle = from + (to - from) / 2;

		if (progress->ring[middle & (progress->capacity - 1)].position < position)
			from = middle + 1;
		else
			to = middle;
	}
	/* low is past it as soon as the entry before that is done */
	if (from == progress->first)
		progress->filtered++;
	else
		progress->ring[(from - 1) & (progress->capacity - 1)].filtered++;
}

int64
cxsig_progress_low(const CxsigProgress *progress)
{
	if (progress->next > progress->first)
		return progress->ring[progress->first & (progress->capacity - 1)].position;
	return progress->low;
}

int64
cxsig_progress_high(const CxsigProgress *progress)
{
	return progress->high;
}

int64
cxsig_progress_filtered(const CxsigProgress *progress)
{
	return progress->filtered;
}
