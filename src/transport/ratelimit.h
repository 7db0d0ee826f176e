/*
 * ratelimit.h
 *	  What the headers of an answer tell of a rate limit, in the forms that are in use:
 *
 *	  RateLimit: "default";r=50;t=30	with RateLimit-Policy: "default";q=100;w=60
 *	  RateLimit: limit=100, remaining=50, reset=30
 *	  RateLimit-Limit: 100, RateLimit-Remaining: 50, RateLimit-Reset: 30
 *	  X-RateLimit-Limit, -Remaining, -Reset		the last in seconds, or as Unix time
 *
 * Pure functions over memory; nothing that a remote sends raises an error.
 */
#ifndef CXSIG_RATELIMIT_H
#define CXSIG_RATELIMIT_H

#include "transport/transport.h"

/*
 * Note the quota that an answer tells of; one that tells of none leaves it as it is. The result is how
 * long to wait where nothing remains, and it is known: milliseconds, else -1.
 */
extern int64 cxsig_ratelimit_read(const CxsigResponse *response, CxsigQuota *quota);

#endif
