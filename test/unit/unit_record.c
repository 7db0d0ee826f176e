/*
 * unit_record.c
 *	  What a record holds is compared with what it should hold as a person would: numbers as numbers,
 *	  times as moments, and whatever comes from outside without raising.
 */
#include "postgres.h"

#include "transport/record.h"
#include "unit.h"

#define EQUAL(expected, actual) CHECK(cxsig_record_compare(expected, actual) == NULL)
#define DIFFERS(expected, actual) CHECK(cxsig_record_compare(expected, actual) != NULL)

static void check_values(void);
static void check_times(void);
static void check_outside(void);

void
unit_record(void)
{
	check_values();
	check_times();
	check_outside();
}

static void
check_values(void)
{
	EQUAL("{\"a\":\"x\"}", "{\"b\":1,\"a\":\"x\"}");
	DIFFERS("{\"a\":\"x\"}", "{\"a\":\"y\"}");
	EQUAL("{\"a\":1}", "{\"a\":1.0}");
	EQUAL("{\"a\":1}", "{\"a\":\"1\"}");
	EQUAL("{\"a\":\"0.82\"}", "{\"a\":\"0.820\"}");
	DIFFERS("{\"a\":\"007\"}", "{\"a\":\"7\"}");
	DIFFERS("{\"a\":12345678901234567}", "{\"a\":12345678901234568}");
	EQUAL("{\"a\":null}", "{}");
	EQUAL("{\"a\":null}", "{\"a\":\"\"}");
	EQUAL("{\"a\":\"\"}", "{\"a\":null}");
	DIFFERS("{\"a\":null}", "{\"a\":0}");
	DIFFERS("{\"a\":1}", "{}");
	EQUAL("{\"a\":true}", "{\"a\":\"true\"}");
	EQUAL("{\"a\":[1,\"x\"]}", "{\"a\":[ 1.0, \"x\" ]}");
	DIFFERS("{\"a\":[1]}", "{\"a\":[1,2]}");
	DIFFERS("{\"a\":[null,1]}", "{\"a\":[null,2]}");
	EQUAL("{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":2, \"x\":1}}");
	DIFFERS("{\"a\":{\"x\":1}}", "{\"a\":{\"x\":1,\"y\":2}}");
	EQUAL("{\"a\":\"\xc3\xbc\"}", "{\"a\":\"\\u00fc\"}");
	CHECK_TEXT(cxsig_record_compare("{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"b\":\"z\"}"),
			   "[{\"field\":\"b\",\"expected\":2,\"actual\":\"z\"},"
			   "{\"field\":\"c\",\"expected\":3,\"actual\":null}]");
}

static void
check_times(void)
{
	EQUAL("{\"a\":\"2026-11-24T07:21:57.120000Z\"}", "{\"a\":\"2026-11-24T07:21:57.12+0000\"}");
	EQUAL("{\"a\":\"2026-11-24T07:21:57.000000Z\"}", "{\"a\":\"2026-11-24T07:21:57+00:00\"}");
	DIFFERS("{\"a\":\"2026-11-24T07:21:57.120000Z\"}", "{\"a\":\"2026-11-24T07:21:57.121Z\"}");
	DIFFERS("{\"a\":\"2026-11-24T07:21:57Z\"}", "{\"a\":\"2026-11-25T07:21:57.0Z\"}");
	DIFFERS("{\"a\":\"2026-11-24T07:21:57Z\"}", "{\"a\":\"2026-11-24\"}");
	DIFFERS("{\"a\":\"2026-11-24T07:21:57Z\"}", "{\"a\":\"2026-11-24T07:21:57\"}");
}

static void
check_outside(void)
{
	DIFFERS("{\"a\":1}", "{\"a\":1");
	DIFFERS("{\"a\":1}", "");
	DIFFERS("{\"a\":1}", NULL);
	DIFFERS("{\"a\":1}", "[1]");
	CHECK_TEXT(cxsig_record_compare("{\"a\":1}", "<html>"),
			   "[{\"field\":\"a\",\"expected\":1,\"actual\":null}]");
}
