/*
 * multipart.h
 *	  HTTP answers inside of one: multipart/mixed of application/http, as OData's $batch answers.
 *
 * Pure functions over memory; nothing that a remote sends raises an error.
 */
#ifndef CXSIG_MULTIPART_H
#define CXSIG_MULTIPART_H

#include "transport/transport.h"

/* The longest boundary there may be. */
#define CXSIG_MULTIPART_BOUNDARY 70

/* Where in an answer the next part is looked for. */
typedef struct CxsigMultipart
{
	char delimiter[CXSIG_MULTIPART_BOUNDARY + 3]; /* "--" and the boundary */
	const char *at;								  /* behind a delimiter's line; NULL at the end */
	const char *end;
} CxsigMultipart;

/* A stretch of the answer. */
typedef struct CxsigMultipartText
{
	const char *start;
	size_t len;
} CxsigMultipartText;

/* A part that is an HTTP answer. */
typedef struct CxsigMultipartPart
{
	int status;					/* 0: the part is none that can be read */
	int content_id;				/* -1 where it has none */
	CxsigMultipartText headers; /* lines, each with its end */
	CxsigMultipartText body;
} CxsigMultipartPart;

/* Begin; false where the answer is not multipart/mixed, or has no part. */
extern bool cxsig_multipart_start(CxsigMultipart *multipart, const CxsigResponse *response);

/* The next part; false where there is no other that is there as a whole. */
extern bool cxsig_multipart_next(CxsigMultipart *multipart, CxsigMultipartPart *part);

/* The value of the first header of that name; start is NULL where there is none. */
extern CxsigMultipartText cxsig_multipart_header(const CxsigMultipartPart *part, const char *name);

#endif
