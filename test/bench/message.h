/*
 * message.h
 *	  The message that the baselines post: the bytes and headers of a signed webhook delivery.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>

/* One message in memory that is patched in place for each request. */
typedef struct BenchMessage
{
	char *body;
	size_t body_len;
	char *id_in_body; /* where the id, ticket and version digits stand; NULL: nowhere */
	char *ticket_in_body;
	char *version_in_body;
	struct curl_slist *headers;
	char *id_in_header;
	char *key_in_header;
	char *timestamp_in_header;
} BenchMessage;

/* The built-in message: a CloudEvent of some 650 bytes. NULL where there is no memory. */
extern BenchMessage *bench_message_create(void);

/* Put in the id (unique per request), the ticket and its version; the signature stays as it is. */
extern void bench_message_patch(BenchMessage *message, long id, long ticket, long version);

/* Set what never changes on an easy handle that will post messages to the URL. */
extern bool bench_easy_setup(CURL *easy, const char *url);

/* Point a handle at the message's headers and the given body. */
extern void bench_easy_point(CURL *easy, const BenchMessage *message, const char *body, size_t len);

/* The whole of a positive number, or end the process with a word about the option. */
extern long bench_number(const char *option, const char *text);

extern double bench_now(void); /* seconds, monotonic */

/* The line that the benchmarks print: requests, seconds, requests a second. */
extern void bench_report(long requests, double seconds);

#endif
