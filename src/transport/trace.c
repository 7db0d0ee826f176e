/*
 * trace.c
 *	  W3C trace context. Runs in the dispatcher for every request, and in a backend that tests
 *	  a destination. The stock of random bytes is this process's own; no locks.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "transport/trace.h"

/* Where the parts of "00-<trace id>-<parent id>-<flags>" stand. */
#define VERSION_LEN 2
#define TRACE_AT 3
#define TRACE_LEN 32
#define PARENT_AT 36
#define PARENT_LEN 16
#define FLAGS_AT 53

/* Flags whose meaning is known: sampled, and that the trace id is random. The others are cleared. */
#define KNOWN_FLAGS 0x03

#define STATE_MAX_LEN 512
#define STOCK_BYTES 512

static const char hex_digits[] = "0123456789abcdef";

static int stock_pid = 0; /* whose stock it is */
static int stock_left = 0;
static unsigned char stock[STOCK_BYTES];

static bool is_hex(const char *text, int len);
static bool is_zero(const char *text, int len);
static int hex_value(char digit);
static void write_hex(char *at, const unsigned char *bytes, int n);
static const unsigned char *take_random(int n);

bool
cxsig_trace_is_valid(const char *traceparent)
{
	if (traceparent == NULL || strnlen(traceparent, CXSIG_TRACEPARENT_LEN) < CXSIG_TRACEPARENT_LEN)
		return false;
	if (!is_hex(traceparent, VERSION_LEN) || !is_hex(traceparent + TRACE_AT, TRACE_LEN) ||
		!is_hex(traceparent + PARENT_AT, PARENT_LEN) || !is_hex(traceparent + FLAGS_AT, 2))
		return false;
	if (traceparent[TRACE_AT - 1] != '-' || traceparent[PARENT_AT - 1] != '-' ||
		traceparent[FLAGS_AT - 1] != '-')
		return false;
	if (is_zero(traceparent + TRACE_AT, TRACE_LEN) || is_zero(traceparent + PARENT_AT, PARENT_LEN))
		return false;
	if (strncmp(traceparent, "ff", VERSION_LEN) == 0)
		return false;
	/* a later version may go on after another dash */
	if (traceparent[CXSIG_TRACEPARENT_LEN] == '\0')
		return true;
	return strncmp(traceparent, "00", VERSION_LEN) != 0 &&
		   traceparent[CXSIG_TRACEPARENT_LEN] == '-';
}

bool
cxsig_trace_is_valid_state(const char *tracestate)
{
	size_t len = tracestate != NULL ? strlen(tracestate) : 0;

	if (len == 0 || len > STATE_MAX_LEN)
		return false;
	for (const char *at = tracestate; *at != '\0'; at++)
	{
		if (*at < 0x20 || *at > 0x7e)
			return false;
	}
	return true;
}

void
cxsig_trace_write(const char *traceparent, const pg_uuid_t *event_id, char *text)
{
	int flags = 0;

	memcpy(text, "00-", TRACE_AT);
	if (cxsig_trace_is_valid(traceparent))
	{
		memcpy(text + TRACE_AT, traceparent + TRACE_AT, TRACE_LEN);
		flags = hex_value(traceparent[FLAGS_AT + 1]) & KNOWN_FLAGS;
	}
	else
		write_hex(text + TRACE_AT, event_id->data, UUID_LEN);
	text[PARENT_AT - 1] = '-';
	do
	{
		write_hex(text + PARENT_AT, take_random(PARENT_LEN / 2), PARENT_LEN / 2);
	} while (is_zero(text + PARENT_AT, PARENT_LEN));
	text[FLAGS_AT - 1] = '-';
	text[FLAGS_AT] = '0';
	text[FLAGS_AT + 1] = hex_digits[flags];
	text[CXSIG_TRACEPARENT_LEN] = '\0';
}

static bool
is_hex(const char *text, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (hex_value(text[i]) < 0)
			return false;
	}
	return true;
}

static bool
is_zero(const char *text, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (text[i] != '0')
			return false;
	}
	return true;
}

/* Lower case only: the standard has no other. */
static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

static void
write_hex(char *at, const unsigned char *bytes, int n)
{
	for (int i = 0; i < n; i++)
	{
		*at++ = hex_digits[bytes[i] >> 4];
		*at++ = hex_digits[bytes[i] & 0x0f];
	}
}

/* The next n random bytes; the generator is asked for many at once. */
static const unsigned char *
take_random(int n)
{
	if (stock_pid != MyProcPid || stock_left < n)
	{
		if (!pg_strong_random(stock, sizeof(stock)))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
							errmsg("could not generate random bytes for a trace context")));
		stock_pid = MyProcPid;
		stock_left = sizeof(stock);
	}
	stock_left -= n;
	return stock + stock_left;
}
