/*
 * http_answer.h
 *	  What an HTTP server answers, kept within bounds: some headers, the start of the body.
 *
 * Filled from curl's callbacks, so everything here is malloc'd, never raises, and never calls back.
 * Internal to the engine.
 */
#ifndef CXSIG_HTTP_ANSWER_H
#define CXSIG_HTTP_ANSWER_H

/* Header bytes kept; a header that does not fit is dropped whole. */
#define CXSIG_HEADER_CAP 16384

/* Body bytes read at most; what lies between this and CXSIG_BODY_CAP is read and thrown away. */
#define CXSIG_BODY_LIMIT (1024 * 1024)

/* A server cannot hold a destination for longer by Retry-After. */
#define CXSIG_RETRY_AFTER_MAX_MS (INT64CONST(24) * 60 * 60 * 1000)

typedef struct CxsigAnswer
{
	char *headers; /* "name: value" lines of the last header block, each NUL-terminated */
	size_t headers_len;
	size_t headers_size;
	bool begun; /* a status line came, an interim one (1xx) perhaps */
	char *body; /* NUL-terminated once anything is in it */
	size_t body_len;
	size_t body_size;
	size_t body_seen; /* bytes that came, kept or not */
	bool truncated;	  /* more came than was kept */
	bool over_limit;  /* the transfer was stopped at CXSIG_BODY_LIMIT */
} CxsigAnswer;

/* Forget what it holds, but keep moderate buffers for the next answer. */
extern void cxsig_answer_reset(CxsigAnswer *answer);

/* Free the buffers. */
extern void cxsig_answer_free(CxsigAnswer *answer);

/* Take a header line, as curl hands them over: with its line end. A status line starts afresh. */
extern void cxsig_answer_add_header(CxsigAnswer *answer, const char *line, size_t len);

/* Take a piece of the body. False: enough, stop the transfer. */
extern bool cxsig_answer_add_body(CxsigAnswer *answer, const char *data, size_t len);

/* The value of the first header of that name, or NULL. Lives as long as the answer. */
extern const char *cxsig_answer_header(const CxsigAnswer *answer, const char *name);

/*
 * The value of Retry-After in milliseconds from now (Unix seconds): a number of seconds or a date.
 * -1 where it is neither; a date that has passed is 0; at most CXSIG_RETRY_AFTER_MAX_MS.
 */
extern int64 cxsig_answer_retry_after(const char *value, int64 now);

#endif
