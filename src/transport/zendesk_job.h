/*
 * zendesk_job.h
 *	  What Zendesk says of a job, the answer to a request for many records.
 *
 * Pure functions over memory; nothing that Zendesk sends raises an error.
 */
#ifndef CXSIG_ZENDESK_JOB_H
#define CXSIG_ZENDESK_JOB_H

#include "transport/zendesk.h"

#define CXSIG_ZENDESK_JOB_ID 128

typedef enum CxsigZendeskJobState
{
	CXSIG_JOB_PENDING,
	CXSIG_JOB_COMPLETED,
	CXSIG_JOB_FAILED,
	CXSIG_JOB_KILLED
} CxsigZendeskJobState;

typedef struct CxsigZendeskJob
{
	char id[CXSIG_ZENDESK_JOB_ID + 1]; /* letters, digits, "-" and "_" */
	CxsigZendeskJobState state;
	CxsigJsonSpan results;
	CxsigJsonSpan message;
} CxsigZendeskJob;

/* Read an answer's job; false where it has none that can be asked after. */
extern bool cxsig_zendesk_job_parse(const CxsigResponse *response, CxsigZendeskJob *job);

/* What a job says of each event; each result is what the answer says of the request as a whole. */
extern void cxsig_zendesk_job_read(const CxsigZendesk *zendesk, const CxsigAttempt *attempts, int n,
								   const CxsigZendeskJob *job, CxsigResult *results);

#endif
