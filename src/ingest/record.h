/*
 * record.h
 *	  Writes validated signals to the log and the outbox: once each, in order per ticket.
 */
#ifndef CXSIG_RECORD_H
#define CXSIG_RECORD_H

#include "ingest/signal.h"

typedef enum CxsigOutcome
{
	CXSIG_INSERTED,
	CXSIG_DUPLICATE,
	CXSIG_CONFLICT,
	CXSIG_STALE,
	CXSIG_QUARANTINED,
	CXSIG_OUTCOMES
} CxsigOutcome;

/* What became of an input; becomes a cxsig.ingest_result. */
typedef struct CxsigResult
{
	CxsigOutcome outcome;
	bool has_event;
	pg_uuid_t event_id;
	int64 version; /* 0: none */
	char *detail;  /* NULL: none */
} CxsigResult;

/* An input that was refused. */
typedef struct CxsigReject
{
	JsonbValue *input;
	CxsigProblem problem;
} CxsigReject;

/* The label of the enum cxsig.ingest_outcome. */
extern const char *cxsig_outcome_label(CxsigOutcome outcome);

/*
 * Record signals in the order given; signal i answers in results[signals[i].place]. Details are in
 * the context that was current. All or nothing: raises where the database cannot write, and
 * serialization_failure where a key was taken and then removed meanwhile.
 */
extern void cxsig_record(CxsigSignal *signals, int n, CxsigResult *results);

/* Lock tickets until the end of the transaction; ids ascend in the order of the "C" collation. */
extern void cxsig_record_lock(const CxsigString *ids, int n);

/* Put refused inputs in quarantine. */
extern void cxsig_record_rejects(const CxsigReject *rejects, int n);

#endif
