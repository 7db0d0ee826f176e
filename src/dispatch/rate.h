/*
 * rate.h
 *	  A rate limit: a token bucket of requests. Pure bookkeeping.
 */
#ifndef CXSIG_RATE_H
#define CXSIG_RATE_H

#include "datatype/timestamp.h"

typedef struct CxsigRate
{
	double per_second; /* 0: no limit */
	double burst;	   /* what the bucket holds */
	double tokens;
	TimestampTz filled_at;
} CxsigRate;

/* burst 0: one second's worth, one request at least. It starts with a single token. */
extern void cxsig_rate_init(CxsigRate *rate, double per_second, int burst, TimestampTz now);

/* How many requests may go out now. */
extern int cxsig_rate_allows(CxsigRate *rate, TimestampTz now);

/* When the next may: now, unless the limit says later. */
extern TimestampTz cxsig_rate_next(const CxsigRate *rate, TimestampTz now);

/* One has gone out. */
extern void cxsig_rate_take(CxsigRate *rate);

#endif
