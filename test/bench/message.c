/*
 * message.c
 *	  The message that the baselines post. Numbers in it have a fixed width, so that a request
 *	  costs a few bytes written in place: the baseline must not lose time on making messages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "message.h"

#define ID_MARK "000000000000"
#define TICKET_MARK "11111111"
#define VERSION_MARK "222222222"
#define TIMESTAMP_MARK "3333333333"

/* Version digits must not start with 0 to be JSON: they count from this on. */
#define VERSION_BASE 100000000L

static const char body_template[] =
	"{\"specversion\":\"1.0\",\"id\":\"01890000-0000-7000-8000-" ID_MARK "\","
	"\"source\":\"/cxsig/bench\",\"type\":\"signal.updated\",\"subject\":\"T-" TICKET_MARK "\","
	"\"time\":\"2025-11-24T16:00:00.000000Z\",\"datacontenttype\":\"application/json\","
	"\"data\":{\"ticket_id\":\"T-" TICKET_MARK "\",\"version\":" VERSION_MARK ","
	"\"account_id\":\"A-000042\",\"account_name\":\"Example Bakeries\","
	"\"occurred_at\":\"2025-11-24T16:00:00.000000Z\",\"sentiment\":\"negative\","
	"\"churn_risk\":\"high\",\"churn_score\":0.82,\"effort\":\"medium\","
	"\"canonical_tag\":\"billing.invoice_wrong\",\"driver\":\"billing\","
	"\"evidence_url\":\"https://helpdesk.example.com/tickets/T-11111112/signals/42\","
	"\"custom_metrics\":{\"reason_for_churn\":\"price\",\"upsell_opportunity\":false}}}";

static bool add_header(BenchMessage *message, const char *line);
static void put_digits(char *at, int width, long number);
static size_t discard(char *bytes, size_t size, size_t n, void *cls);

static bool
add_header(BenchMessage *message, const char *line)
{
	struct curl_slist *longer = curl_slist_append(message->headers, line);

	if (longer == NULL)
		return false;
	message->headers = longer;
	return true;
}

BenchMessage *
bench_message_create(void)
{
	BenchMessage *message = calloc(1, sizeof(BenchMessage));
	struct curl_slist *header;

	if (message == NULL)
		return NULL;
	message->body_len = sizeof(body_template) - 1;
	message->body = malloc(sizeof(body_template));
	if (message->body == NULL ||
		!add_header(message, "Content-Type: application/cloudevents+json; charset=UTF-8") ||
		!add_header(message, "webhook-id: 01890000-0000-7000-8000-" ID_MARK) ||
		!add_header(message, "webhook-timestamp: " TIMESTAMP_MARK) ||
		!add_header(message,
					"webhook-signature: v1,fCVsGvhtHi7aA5tdzdfTGF38cMyDQlAwJJBuYPIYmOo=") ||
		!add_header(message, "Idempotency-Key: 01890000-0000-7000-8000-" ID_MARK) ||
		!add_header(message,
					"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") ||
		!add_header(message, "User-Agent: cxsig-bench/1") || !add_header(message, "Expect:"))
		return NULL;
	memcpy(message->body, body_template, sizeof(body_template));
	message->id_in_body = strstr(message->body, ID_MARK);
	message->ticket_in_body = strstr(message->body, TICKET_MARK "\",\"version");
	message->version_in_body = strstr(message->body, VERSION_MARK);
	header = message->headers->next;
	message->id_in_header = strstr(header->data, ID_MARK);
	message->timestamp_in_header = strstr(header->next->data, TIMESTAMP_MARK);
	message->key_in_header = strstr(header->next->next->next->data, ID_MARK);
	return message;
}

static void
put_digits(char *at, int width, long number)
{
	while (width-- > 0)
	{
		at[width] = (char) ('0' + number % 10);
		number /= 10;
	}
}

void
bench_message_patch(BenchMessage *message, long id, long ticket, long version)
{
	put_digits(message->id_in_body, sizeof(ID_MARK) - 1, id);
	put_digits(message->ticket_in_body, sizeof(TICKET_MARK) - 1, ticket);
	put_digits(message->version_in_body, sizeof(VERSION_MARK) - 1, VERSION_BASE + version);
	put_digits(message->id_in_header, sizeof(ID_MARK) - 1, id);
	put_digits(message->key_in_header, sizeof(ID_MARK) - 1, id);
	put_digits(message->timestamp_in_header, sizeof(TIMESTAMP_MARK) - 1, (long) time(NULL));
}

static size_t
discard(char *bytes, size_t size, size_t n, void *cls)
{
	(void) bytes;
	(void) cls;
	return size * n;
}

bool
bench_easy_setup(CURL *easy, const char *url)
{
	return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 20000L) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
		   curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard) == CURLE_OK;
}

void
bench_easy_point(CURL *easy, const BenchMessage *message, const char *body, size_t len)
{
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, message->headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) len);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
}

long
bench_number(const char *option, const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (end == text || *end != '\0' || number < 1 || number > 100000000)
	{
		fprintf(stderr, "%s %s: not a number from 1 to 100000000\n", option, text);
		exit(2);
	}
	return number;
}

double
bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

void
bench_report(long requests, double seconds)
{
	printf("%ld %.3f %.0f\n", requests, seconds, (double) requests / seconds);
}
