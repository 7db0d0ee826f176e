/*
 * unit_answer.c
 *	  Answers: headers, the caps on what is kept, Retry-After in both its forms.
 */
#include "postgres.h"

#include "transport/http.h"
#include "transport/http_answer.h"
#include "unit.h"

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define DATE_S INT64CONST(784111777)
#define DATE_TEXT "Sun, 06 Nov 1994 08:49:37 GMT"
#define DAY_MS CXSIG_RETRY_AFTER_MAX_MS

static void check_headers(void);
static void check_body(void);
static void add(CxsigAnswer *answer, const char *line);
static int64 after(const char *value);

void
unit_answer(void)
{
	check_headers();
	check_body();

	CHECK(after("0") == 0);
	CHECK(after("2") == 2000);
	CHECK(after(" 120 ") == 120000);
	CHECK(after("86401") == DAY_MS);
	CHECK(after("99999999999999999999999") == DAY_MS);
	CHECK(after("") == -1);
	CHECK(after("soon") == -1);
	CHECK(after("-5") == -1);
	CHECK(after("1.5") == -1);
	CHECK(after("10 minutes") == -1);
	CHECK(cxsig_answer_retry_after(DATE_TEXT, DATE_S - 30) == 30000);
	CHECK(cxsig_answer_retry_after(DATE_TEXT, DATE_S) == 0);
	CHECK(cxsig_answer_retry_after(DATE_TEXT, DATE_S + 1) == 0);
	CHECK(cxsig_answer_retry_after(DATE_TEXT, DATE_S - 1000000) == DAY_MS);
	CHECK(cxsig_answer_retry_after("Sunday, 06-Nov-94 08:49:37 GMT", DATE_S - 5) == 5000);
	CHECK(cxsig_answer_retry_after("Sun Nov  6 08:49:37 1994", DATE_S - 5) == 5000);
}

static void
check_headers(void)
{
	CxsigAnswer answer = {0};
	char line[1024];

	CHECK(cxsig_answer_header(&answer, "x-id") == NULL);
	add(&answer, "HTTP/1.1 103 Early Hints\r\n");
	add(&answer, "X-Early: yes\r\n");
	add(&answer, "\r\n");
	add(&answer, "HTTP/1.1 503 Service Unavailable\r\n");
	add(&answer, "Retry-After:  7 \r\n");
	add(&answer, "X-Id-Long: b\r\n");
	add(&answer, "X-Id:\r\n");
	add(&answer, "X-Id: second\r\n");
	add(&answer, "\r\n");
	CHECK(cxsig_answer_header(&answer, "x-early") == NULL);
	CHECK_TEXT(cxsig_answer_header(&answer, "retry-after"), "7");
	CHECK_TEXT(cxsig_answer_header(&answer, "X-ID"), "");
	CHECK(cxsig_answer_header(&answer, "x") == NULL);

	/* a header with a NUL, and more of them than are kept */
	cxsig_answer_add_header(&answer, "X-Nul: a\0b", 10);
	CHECK(cxsig_answer_header(&answer, "x-nul") == NULL);
	memset(line, 'x', sizeof(line));
	memcpy(line, "X-Big: ", 7);
	for (int i = 0; i < 100; i++)
		cxsig_answer_add_header(&answer, line, sizeof(line));
	CHECK(answer.headers_len <= CXSIG_HEADER_CAP);
	CHECK_TEXT(cxsig_answer_header(&answer, "retry-after"), "7");
	cxsig_answer_reset(&answer);
	CHECK(cxsig_answer_header(&answer, "retry-after") == NULL);
	cxsig_answer_free(&answer);
}

static void
check_body(void)
{
	CxsigAnswer answer = {0};
	char piece[10000];
	int pieces = 0;

	memset(piece, 'b', sizeof(piece));
	CHECK(cxsig_answer_add_body(&answer, "ok", 2));
	CHECK_TEXT(answer.body, "ok");
	CHECK(!answer.truncated);
	while (pieces < 1000 && cxsig_answer_add_body(&answer, piece, sizeof(piece)))
		pieces++;
	CHECK(answer.body_len == CXSIG_BODY_CAP);
	CHECK(strlen(answer.body) == CXSIG_BODY_CAP);
	CHECK(answer.truncated);
	CHECK(answer.over_limit);
	CHECK(pieces == (CXSIG_BODY_LIMIT - 2) / (int) sizeof(piece));
	cxsig_answer_reset(&answer);
	CHECK(answer.body_size == 0 && !answer.truncated && !answer.over_limit);
	cxsig_answer_free(&answer);
}

static void
add(CxsigAnswer *answer, const char *line)
{
	cxsig_answer_add_header(answer, line, strlen(line));
}

static int64
after(const char *value)
{
	return cxsig_answer_retry_after(value, DATE_S);
}
