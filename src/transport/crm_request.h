/*
 * crm_request.h
 *	  A request that carries a token, and an answer in JSON: what the transports to CRMs share.
 *
 * Pure functions over memory; what they allocate is in the current context.
 */
#ifndef CXSIG_CRM_REQUEST_H
#define CXSIG_CRM_REQUEST_H

#include "event/json.h"
#include "transport/transport.h"

/* Headers that a request has room for. */
#define CXSIG_CRM_MAX_HEADERS 8

/*
 * Begin a request: the transport's token and "Accept: application/json" as headers, nothing in the
 * body. url is kept, not copied.
 */
extern void cxsig_crm_start(const CxsigTransport *transport, const char *method, const char *url,
							CxsigRequest *request);

/* Add a header; the value is kept, not copied. */
extern void cxsig_crm_add_header(CxsigRequest *request, const char *name, const char *value);

/* Append text percent-encoded: all but letters, digits and "-._~". */
extern void cxsig_crm_append_encoded(StringInfo out, const char *text);

/* Is it not the first attempt at each of them? A ping has no attempts. */
extern bool cxsig_crm_was_tried(const CxsigAttempt *attempts, int n);

/* Is the answer's body there as a whole, and an object in JSON? */
extern bool cxsig_crm_is_object(const CxsigResponse *response);

/* The same for an array. */
extern bool cxsig_crm_is_array(const CxsigResponse *response);

/* A string's text as it may stand in a result; of any other value its JSON, and nothing of null. */
extern void cxsig_crm_copy_value(char *into, size_t size, CxsigJsonSpan value);

/* Append a value to a text in a buffer of that size, behind a colon if it is not the first. */
extern void cxsig_crm_append_words(char *into, size_t size, CxsigJsonSpan value);

/* Does the value, a string or a number, say the same as text? */
extern bool cxsig_crm_is_text(CxsigJsonSpan value, const char *text);

/* Is the value written exactly so, as in true or "done" (with its quotes)? */
extern bool cxsig_crm_is(CxsigJsonSpan value, const char *json);

/* The external ids of a batch, to see a repeated one. */
typedef struct CxsigCrmIds
{
	const char **slots;
	uint32 mask;
	bool fold_case;
} CxsigCrmIds;

/* Room for n ids. fold_case: are ids the same that differ in the case of ASCII letters? */
extern void cxsig_crm_ids_start(CxsigCrmIds *ids, int n, bool fold_case);

/* Add an id, kept and not copied; false where it is there already. */
extern bool cxsig_crm_ids_add(CxsigCrmIds *ids, const char *id);

#endif
