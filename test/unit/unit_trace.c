/*
 * unit_trace.c
 *	  Trace context: what is passed on, what is not, and what every attempt shares.
 */
#include "postgres.h"

#include "transport/trace.h"
#include "unit.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define ZEROS "00000000000000000000000000000000"

void
unit_trace(void)
{
	pg_uuid_t id = {{0x01, 0x92, 0x34, 0x56, 0x78, 0x9a, 0x7b, 0xcd, 0x8e, 0xf0, 1, 2, 3, 4, 5, 6}};
	char first[CXSIG_TRACEPARENT_LEN + 1];
	char second[CXSIG_TRACEPARENT_LEN + 1];

	CHECK(cxsig_trace_is_valid("00-" TRACE "-" PARENT "-01"));
	CHECK(cxsig_trace_is_valid("00-" TRACE "-" PARENT "-ff"));
	CHECK(cxsig_trace_is_valid("01-" TRACE "-" PARENT "-01"));
	CHECK(cxsig_trace_is_valid("01-" TRACE "-" PARENT "-01-more"));
	CHECK(!cxsig_trace_is_valid("01-" TRACE "-" PARENT "-01more"));
	CHECK(!cxsig_trace_is_valid("00-" TRACE "-" PARENT "-01-more"));
	CHECK(!cxsig_trace_is_valid("ff-" TRACE "-" PARENT "-01"));
	CHECK(!cxsig_trace_is_valid("00-" ZEROS "-" PARENT "-01"));
	CHECK(!cxsig_trace_is_valid("00-" TRACE "-0000000000000000-01"));
	CHECK(!cxsig_trace_is_valid("00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01"));
	CHECK(!cxsig_trace_is_valid("00-" TRACE "-" PARENT "-0"));
	CHECK(!cxsig_trace_is_valid("00_" TRACE "-" PARENT "-01"));
	CHECK(!cxsig_trace_is_valid(""));
	CHECK(!cxsig_trace_is_valid(NULL));

	CHECK(cxsig_trace_is_valid_state("vendor=value,other=x"));
	CHECK(!cxsig_trace_is_valid_state("a=b\r\nX-Evil: 1"));
	CHECK(!cxsig_trace_is_valid_state(""));
	CHECK(!cxsig_trace_is_valid_state(NULL));

	/* the trace and the flags that are known are kept, the parent is new */
	cxsig_trace_write("00-" TRACE "-" PARENT "-ff", &id, first);
	cxsig_trace_write("00-" TRACE "-" PARENT "-ff", &id, second);
	CHECK(cxsig_trace_is_valid(first) && cxsig_trace_is_valid(second));
	CHECK(strncmp(first, "00-" TRACE "-", 36) == 0);
	CHECK(strcmp(first + 52, "-03") == 0);
	CHECK(strstr(first, PARENT) == NULL);
	CHECK(strcmp(first, second) != 0);

	/* without one, attempts share the trace that the event's id makes */
	cxsig_trace_write(NULL, &id, first);
	cxsig_trace_write("nonsense", &id, second);
	CHECK(cxsig_trace_is_valid(first));
	CHECK(strncmp(first, "00-0192345678", 13) == 0);
	CHECK(strncmp(first, second, 36) == 0);
	CHECK(strcmp(first + 52, "-00") == 0);
}
