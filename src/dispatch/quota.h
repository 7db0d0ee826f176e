/*
 * quota.h
 *	  What a remote allows in a day or a minute, and how a destination lives with what is left of it.
 *
 * A transport notes in transport->quota what the answers tell. Of that, quota_reserve is kept for urgent
 * signals:
 *
 *	  AMPLE		nothing happens
 *	  SHORT		used is at 1 - 2 * reserve or above: a pause after each ordinary request, that grows as
 *				the share left shrinks
 *	  RESERVED	at 1 - reserve or above: only urgent signals are sent
 *	  SPENT		all is used: nothing is sent
 *
 * but for a probe every quota_probe_ms, which learns whether that has changed. A quota that is whole again
 * at a known time is AMPLE from then on.
 */
#ifndef CXSIG_QUOTA_H
#define CXSIG_QUOTA_H

#include "dispatch/destination.h"

typedef enum CxsigQuotaLevel
{
	CXSIG_QUOTA_AMPLE,
	CXSIG_QUOTA_SHORT,
	CXSIG_QUOTA_RESERVED,
	CXSIG_QUOTA_SPENT
} CxsigQuotaLevel;

extern CxsigQuotaLevel cxsig_quota_level(const CxsigDestination *destination);

/* When the next request may go: now, later, or DT_NOEND where an answer has to come first. */
extern TimestampTz cxsig_quota_due(const CxsigDestination *destination, bool urgent,
								   TimestampTz now);

/* May a batch that is led by an urgent event carry others along? */
extern bool cxsig_quota_is_for_urgent(const CxsigDestination *destination);

/* A request went out, and an answer came in: told is the quota as it was before it was read. */
extern void cxsig_quota_sent(CxsigDestination *destination, bool urgent, TimestampTz now);
extern void cxsig_quota_answered(CxsigDestination *destination, const CxsigQuota *told,
								 bool failed);

/* Is the event urgent? Nothing is where the remote tells of no quota. */
extern bool cxsig_quota_urgent(const CxsigDestination *destination, const CxsigEvent *event);

#endif
