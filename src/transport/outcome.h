/*
 * outcome.h
 *	  From an HTTP answer to an outcome: what transports share.
 *
 * Pure functions over memory.
 */
#ifndef CXSIG_HTTP_OUTCOME_H
#define CXSIG_HTTP_OUTCOME_H

#include "transport/transport.h"

/* What a status means where nothing but the status counts; 0 is no answer. */
extern CxsigOutcome cxsig_outcome_of_status(int status);

/*
 * Fill in a result from an answer whose status decides: outcome, status, Retry-After where it is
 * tried again, the remote's id for the request, and its words or the error where it was not taken.
 */
extern void cxsig_outcome_read(const CxsigResponse *response, CxsigResult *result);

/*
 * Copy text that came from outside into a buffer of that size, NUL-terminated: the first line that
 * is not blank, control characters as spaces, what is not valid in the database's encoding as "?",
 * cut at a character.
 */
extern void cxsig_outcome_copy_line(char *into, size_t size, const char *text, size_t len);

/* The same for a whole text: its lines are joined. */
extern void cxsig_outcome_copy_text(char *into, size_t size, const char *text, size_t len);

#endif
