/*
 * unit_multipart.c
 *	  Answers inside of one: taken apart as they are meant to be, and no other way.
 */
#include "postgres.h"

#include "crm.h"
#include "transport/multipart.h"
#include "unit.h"

#define TYPE "Content-Type: multipart/mixed; boundary=b1\n"
#define PART "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
#define NO_CONTENT PART "HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n\r\n\r\n"

static void check_parts(void);
static void check_boundaries(void);
static void check_cut(void);
static void check_lines(void);
static void check_hostile(void);
static bool is_text(CxsigMultipartText text, const char *expected);
static char *statuses(const char *headers, const char *body);

void
unit_multipart(void)
{
	check_parts();
	check_boundaries();
	check_cut();
	check_lines();
	check_hostile();
}

static void
check_parts(void)
{
	CxsigResponse response = crm_answer(
		200, TYPE,
		"preamble\r\n--b1\r\n" PART "HTTP/1.1 204 No Content\r\nOData-EntityId:  https://x/(1) \r\n"
		"Retry-After: 7\r\n\r\n\r\n--b1\r\nContent-ID: 2\r\n" PART
		"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{\"error\":\r\n{}}\r\n"
		"--b1--\r\n--b1\r\n" NO_CONTENT "--b1--");
	CxsigMultipart multipart;
	CxsigMultipartPart part;

	CHECK(cxsig_multipart_start(&multipart, &response));
	CHECK(cxsig_multipart_next(&multipart, &part));
	CHECK(part.status == 204 && part.content_id == -1 && part.body.len == 0);
	CHECK(is_text(cxsig_multipart_header(&part, "odata-entityid"), "https://x/(1)"));
	CHECK(is_text(cxsig_multipart_header(&part, "RETRY-AFTER"), "7"));
	CHECK(cxsig_multipart_header(&part, "retry").start == NULL);
	CHECK(cxsig_multipart_header(&part, "content-type").start == NULL);
	CHECK(cxsig_multipart_next(&multipart, &part));
	CHECK(part.status == 400 && part.content_id == 2);
	CHECK(is_text(part.body, "{\"error\":\r\n{}}"));
	CHECK(!cxsig_multipart_next(&multipart, &part));
	CHECK(!cxsig_multipart_next(&multipart, &part));
}

static void
check_boundaries(void)
{
	static const char body[] = "--b1\r\n" NO_CONTENT "--b1--\r\n";

	CHECK_TEXT(statuses(TYPE, body), "204 ");
	CHECK_TEXT(statuses("Content-Type: Multipart/Mixed;charset=x; BOUNDARY=\"b1\"\n", body),
			   "204 ");
	CHECK_TEXT(statuses("Content-Type: multipart/mixed; boundary=b1; charset=x\n", body), "204 ");
	CHECK_TEXT(statuses("Content-Type: multipart/mixed; boundary=\"b 1\"\n",
						"--b 1\r\n" NO_CONTENT "--b 1--"),
			   "204 ");

	CHECK_TEXT(statuses("", body), "none");
	CHECK_TEXT(statuses("Content-Type: application/json\n", body), "none");
	CHECK_TEXT(statuses("Content-Type: multipart/mixed\n", body), "none");
	CHECK_TEXT(statuses("Content-Type: multipart/mixed; boundary=\n", body), "none");
	CHECK_TEXT(statuses("Content-Type: multipart/mixed; boundary=\"b1\n", body), "none");
	CHECK_TEXT(statuses("Content-Type: multipart/mixed; boundary=\"b1 \"\n", body), "none");
	CHECK_TEXT(statuses("Content-Type: multipart/mixed; boundary=b1{}\n", body), "none");
	CHECK_TEXT(statuses("Content-Type: multipart/mixedboundary=b1\n", body), "none");
	CHECK_TEXT(statuses("Content-Type: multipart/mixed; boundary=b\n", body), "none");
	CHECK_TEXT(statuses("Content-Type: multipart/mixed; boundary=b1"
						"0123456789012345678901234567890123456789012345678901234567890123456789\n",
						body),
			   "none");
}

/* A part is one only where a delimiter follows: each prefix of an answer has what is whole in it. */
static void
check_cut(void)
{
	static const char body[] = "--b1\r\n" NO_CONTENT "--b1\r\n" NO_CONTENT "--b1--\r\n";
	size_t part = strlen("--b1\r\n" NO_CONTENT);

	for (size_t len = 0; len < sizeof(body); len++)
	{
		const char *expected = "none";

		if (len >= 2 * part + strlen("--b1--"))
			expected = "204 204 ";
		else if (len >= part + strlen("--b1\r\n"))
			expected = "204 ";
		else if (len >= strlen("--b1\r\n"))
			expected = "";
		CHECK_TEXT(statuses(TYPE, pnstrdup(body, len)), expected);
	}
}

static void
check_lines(void)
{
	/* LF alone */
	CHECK_TEXT(statuses(TYPE,
						"--b1\nContent-Type: application/http\n\nHTTP/1.1 200 OK\nA: b\n\n{}\n"
						"--b1--\n"),
			   "200 ");
	/* a delimiter fills its line, and starts it */
	CHECK_TEXT(statuses(TYPE, "--b1\r\n" PART "HTTP/1.1 200 OK\r\n\r\n{\"a\":\"--b1--\"}\r\n"
							  "--b1x\r\n --b1\r\n--b1  \r\n" NO_CONTENT "--b1--"),
			   "200 204 ");
	/* no headers of the answer, no empty line behind them */
	CHECK_TEXT(statuses(TYPE, "--b1\r\n" PART "HTTP/1.1 204 No Content\r\n\r\n--b1\r\n" PART
							  "HTTP/1.1 204 No Content\r\nA: b\r\n--b1--"),
			   "204 204 ");
}

static void
check_hostile(void)
{
	static const char *const bad[] = {
		"",
		"\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		PART,
		PART "HTTP/1.1 204",
		PART "HTTP/1.1 2040 No\r\n\r\n",
		PART "HTTP/1.1 abc No\r\n\r\n",
		PART "HTTP/1.1 100 Continue\r\n\r\n",
		PART "HTTP/1.1 999 No\r\n\r\n",
		PART "HTTP/2 204 No\r\n\r\n",
		PART "http/1.1 204 No\r\n\r\n",
		PART " HTTP/1.1 204 No\r\n\r\n",
		"Content-Type: application/httpx\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
		"Content-Type: text/plain\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
		"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n" NO_CONTENT "--c--\r\n",
		"X-Content-Type: application/http\r\n\r\nHTTP/1.1 204 No\r\n\r\n"};
	CxsigResponse none = crm_answer(0, TYPE, "");
	CxsigMultipart multipart;

	CHECK(!cxsig_multipart_start(&multipart, &none));
	for (int i = 0; i < (int) lengthof(bad); i++)
	{
		char *got = statuses(TYPE, psprintf("--b1\r\n%s\r\n--b1\r\n" NO_CONTENT "--b1--", bad[i]));

		/* what cannot be read keeps its place */
		unit_check_text(got, "0 204 ", __FILE__, i, bad[i]);
	}
	CHECK_TEXT(statuses(TYPE, "--b1--\r\n" NO_CONTENT "--b1--"), "none");
	CHECK_TEXT(statuses(TYPE, "--b1\r\n--b1\r\n--b1--"), "0 0 ");
	CHECK_TEXT(statuses(TYPE, "\n\n\n\r\r\r--b1"), "none");
}

static bool
is_text(CxsigMultipartText text, const char *expected)
{
	return text.start != NULL && text.len == strlen(expected) &&
		   memcmp(text.start, expected, text.len) == 0;
}

/* The parts' statuses; "none" where there is nothing to start with. */
static char *
statuses(const char *headers, const char *body)
{
	CxsigResponse response = crm_answer(200, headers, body);
	CxsigMultipart multipart;
	CxsigMultipartPart part;
	StringInfoData out;

	/* at its very end, so that a look behind it is seen */
	response.body = memcpy(malloc(response.body_len + 1), body, response.body_len);
	((char *) response.body)[response.body_len] = 'x';
	if (!cxsig_multipart_start(&multipart, &response))
		return "none";
	initStringInfo(&out);
	while (cxsig_multipart_next(&multipart, &part))
		appendStringInfo(&out, "%d ", part.status);
	return out.data;
}
