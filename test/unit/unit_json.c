/*
 * unit_json.c
 *	  JSON that came from outside: what is valid, how it is walked through, what a string says.
 */
#include "postgres.h"

#include "event/json.h"
#include "unit.h"

static void check_valid(void);
static void check_depth(void);
static void check_elements(void);
static void check_members(void);
static void check_strings(void);
static const char *said(const char *string, size_t size);

void
unit_json(void)
{
	check_valid();
	check_depth();
	check_elements();
	check_members();
	check_strings();
}

static void
check_valid(void)
{
	static const char *const valid[] = {"null",
										" true ",
										"0",
										"-0.5e+10",
										"1E5",
										"\"\"",
										"[]",
										"{}",
										"[[],{}]",
										"{\"a\":{\"b\":[1,\"\\u00e9\\n\",null]},\"a\":false}",
										"\t[ 1 , 2 ]\r\n",
										"\"\xff\""};
	static const char *const invalid[] = {
		"",
		" ",
		"nul",
		"nulll",
		"01",
		"1.",
		".5",
		"-",
		"1e",
		"+1",
		"\"",
		"\"\\\"",
		"\"\\x\"",
		"\"\\u12g4\"",
		"\"\\u12",
		"\"\n\"",
		"'a'",
		"[",
		"]",
		"[1",
		"[1,",
		"[1,]",
		"[,1]",
		"[1 2]",
		"[1}",
		"{]",
		"{1:2}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1]",
		"1 2",
		"[] []",
		"{\"results\":[{\"id\":\"a\",\"status\":200},{\"id\":\"b\",\"sta"};

	for (int i = 0; i < (int) lengthof(valid); i++)
		unit_check(cxsig_json_is_valid(valid[i], strlen(valid[i])), __FILE__, __LINE__, valid[i]);
	for (int i = 0; i < (int) lengthof(invalid); i++)
		unit_check(!cxsig_json_is_valid(invalid[i], strlen(invalid[i])), __FILE__, __LINE__,
				   invalid[i]);
	CHECK(!cxsig_json_is_valid("[1]\0", 4)); /* a NUL is none of it, wherever it stands */
	CHECK(!cxsig_json_is_valid("\"a\0b\"", 5));
	CHECK(!cxsig_json_is_valid("\"\\\0\"", 4));
	CHECK(cxsig_json_is_valid("[1]]", 3)); /* nothing behind the end is looked at */
}

static void
check_depth(void)
{
	static char text[200001];

	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	text[128] = '\0';
	CHECK(cxsig_json_is_valid(text, 128));
	memset(text, '[', 100000);
	memset(text + 100000, ']', 100000);
	CHECK(!cxsig_json_is_valid(text, 200000));
}

static void
check_elements(void)
{
	const char *text = "{\"b\":1,\"list\": [ {\"x\":[1,2]} ,\"a,]\\\"\", 3 ], \"c\":2}";
	CxsigJsonSpan at = cxsig_json_first_element(cxsig_json_member(text, "list").start);

	CHECK(at.len == 11 && strncmp(at.start, "{\"x\":[1,2]}", 11) == 0);
	at = cxsig_json_next_element(at);
	CHECK(at.len == 7 && at.start[1] == 'a');
	at = cxsig_json_next_element(at);
	CHECK(at.len == 1 && *at.start == '3');
	at = cxsig_json_next_element(at);
	CHECK(at.start == NULL);
}

static void
check_members(void)
{
	CxsigJsonMember at;

	CHECK(
		cxsig_json_first_member(" { \"b\" : 1 ,\"l,:\\\"\": [ {\"x\":[1,2]} ], \"\":\"}\" }", &at));
	CHECK(at.name.len == 3 && at.name.start[1] == 'b' && at.value.len == 1 &&
		  *at.value.start == '1');
	CHECK(cxsig_json_next_member(&at));
	CHECK(at.name.len == 7 && at.value.len == 15);
	CHECK(cxsig_json_next_member(&at));
	CHECK(at.name.len == 2 && at.value.len == 3);
	CHECK(!cxsig_json_next_member(&at));
	CHECK(!cxsig_json_first_member("{}", &at) && !cxsig_json_first_member("[1]", &at));
}

static void
check_strings(void)
{
	CHECK_TEXT(said("\"\"", 10), "");
	CHECK_TEXT(said("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", 20), "a\"\\/\b\f\n\r\tz");
	CHECK_TEXT(said("\"\\u0041\\u00e9\\u20AC\"", 20), "A\xc3\xa9\xe2\x82\xac");
	CHECK_TEXT(said("\"\\ud83d\\ude00\"", 20), "\xf0\x9f\x98\x80");
	CHECK_TEXT(said("\"\\ud83dx\\ude00\\ud83d\"", 20), "?x??");
	CHECK_TEXT(said("\"abcdef\"", 4), "abc");
	CHECK_TEXT(said("\"ab\\u20ac\"", 5), "ab"); /* not half a character */
}

static const char *
said(const char *string, size_t size)
{
	static char into[64];
	CxsigJsonSpan span = {string, strlen(string)};

	CHECK(cxsig_json_is_valid(string, span.len));
	CHECK(cxsig_json_unescape(span, into, size) == strlen(into));
	return into;
}
