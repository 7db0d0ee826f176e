/*
 * uuid.c
 *	  UUIDv7 (RFC 9562): event ids that sort by the time the event was recorded.
 *
 * Runs in any backend. The state is this process's own: the last time part given out, so that ids
 * ascend, and a stock of random bytes, so that a batch asks for them rarely. No locks.
 */
#include "postgres.h"

#include "event/event.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

/* Bytes of randomness fetched at once, and used per id. */
#define STOCK_BYTES 256
#define RANDOM_BYTES 8

/*
 * What stands before the random part: 48 bits of Unix milliseconds, and 12 bits for the share of
 * the millisecond, as one number.
 */
#define FRACTION_BITS 12
#define MAX_UNIX_MS ((INT64CONST(1) << 48) - 1)

static uint64 last_ticks = 0; /* of the last id; ids ascend even where the clock steps back */
static int stock_pid = 0;	  /* whose stock it is: one filled before a fork must not be shared */
static int stock_left = 0;
static unsigned char stock[STOCK_BYTES];

static uint64 ticks_of(TimestampTz at);
static void take_random(unsigned char *into);

pg_uuid_t
cxsig_uuid_v7(TimestampTz at)
{
	pg_uuid_t uuid;
	uint64 ticks = ticks_of(at);
	uint64 ms;

	take_random(uuid.data + 8);

	/* a busy millisecond borrows from the next: a counter and a clock in one */
	if (ticks <= last_ticks)
		ticks = last_ticks + 1;
	last_ticks = ticks;

	ms = ticks >> FRACTION_BITS;
	for (int i = 0; i < 6; i++)
		uuid.data[i] = (unsigned char) (ms >> (40 - 8 * i));
	uuid.data[6] = 0x70 | ((ticks >> 8) & 0x0f);
	uuid.data[7] = ticks & 0xff;
	uuid.data[8] = 0x80 | (uuid.data[8] & 0x3f);
	return uuid;
}

/* A time as milliseconds and 4096ths of one since 1970; what lies outside is taken as the edge. */
static uint64
ticks_of(TimestampTz at)
{
	const int64 epoch_us = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	int64 us;

	if (at <= -epoch_us)
		return 0;
	if (at >= MAX_UNIX_MS * 1000 - epoch_us)
		us = MAX_UNIX_MS * 1000;
	else
		us = at + epoch_us;
	return ((uint64) (us / 1000) << FRACTION_BITS) | (uint64) ((us % 1000) * 4096 / 1000);
}

/* RANDOM_BYTES bytes that nobody can guess. */
static void
take_random(unsigned char *into)
{
	if (stock_pid != MyProcPid || stock_left < RANDOM_BYTES)
	{
		if (!pg_strong_random(stock, sizeof(stock)))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
							errmsg("could not generate random bytes for an event_id")));
		stock_pid = MyProcPid;
		stock_left = sizeof(stock);
	}
	stock_left -= RANDOM_BYTES;
	memcpy(into, stock + stock_left, RANDOM_BYTES);
}
