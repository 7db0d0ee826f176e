/*
 * transport.h
 *	  What a transport is: it checks a config, builds a request, and reads the answer into outcomes.
 *
 * A transport sees neither curl nor SPI. Everything here may be called in the dispatcher, outside
 * a transaction, and in a backend that tests a destination.
 */
#ifndef CXSIG_TRANSPORT_H
#define CXSIG_TRANSPORT_H

#include "datatype/timestamp.h"
#include "event/event.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

typedef enum CxsigOutcome
{
	CXSIG_DELIVERED,
	CXSIG_RETRY,
	CXSIG_POISON,
	CXSIG_UNAUTHORISED,
	CXSIG_GONE,
	CXSIG_SPLIT
} CxsigOutcome;

/* A secret of a destination. Transports look at name, value and expires_at: see secret.h for file. */
typedef struct CxsigSecret
{
	char *name;
	char *value;
	char *file;				/* or NULL */
	TimestampTz expires_at; /* DT_NOEND for never */
} CxsigSecret;

struct CxsigCredential; /* credential.h */
struct CxsigTls;		/* tls.h */

typedef struct CxsigHeader
{
	char *name;
	char *value;
} CxsigHeader;

/*
 * One HTTP request. Strings belong to the transport's scratch context (the current one when build
 * is called) and must live until the engine has copied them (cxsig_http_submit does).
 */
typedef struct CxsigRequest
{
	const char *method; /* "POST", "PATCH", ... */
	const char *url;
	CxsigHeader *headers;
	int n_headers;
	StringInfoData body;
	const struct CxsigTls *tls; /* NULL: the system's authorities, TLS 1.2 or newer */
} CxsigRequest;

/* What came back. Bodies are capped; strings live as long as the call does. */
typedef struct CxsigResponse
{
	int status;			  /* 0 where there was no HTTP answer */
	int64 retry_after_ms; /* -1 where there was none; seconds and HTTP-date both read */
	const char *body;	  /* NUL-terminated, at most CXSIG_BODY_CAP bytes */
	size_t body_len;
	bool body_truncated;
	const char *error; /* "" or why there is no answer, for people: which phase, what;
									* with a status: the answer broke off after its headers */
	const char *(*header)(const struct CxsigResponse *response, const char *name); /* or NULL */
	TimestampTz sent_at;
	TimestampTz finished_at;
} CxsigResponse;

/* What became of one event of a request. */
typedef struct CxsigResult
{
	CxsigOutcome outcome;
	int status;			  /* HTTP status, 0 for none */
	int64 retry_after_ms; /* -1 for none; holds the whole destination */
	bool final;			  /* CXSIG_UNAUTHORISED: a new token would be refused as well */
	char remote_id[128];
	char detail[512]; /* the remote's words or the error, cut short, valid UTF-8 */
} CxsigResult;

/* What an alert does, and what there is to say of it; see alert.h. */
typedef enum CxsigAlertAction
{
	CXSIG_ALERT_TRIGGER,
	CXSIG_ALERT_RESOLVE
} CxsigAlertAction;

typedef struct CxsigAlert
{
	CxsigAlertAction action;
	const char *key;   /* the same for all requests of one alert, across attempts and restarts */
	TimestampTz since; /* when the signal that opened it occurred */
	int64 folded;	   /* signals that it stood for so far, beside the first */
} CxsigAlert;

/* One attempt at one event, as a transport sees it. */
typedef struct CxsigAttempt
{
	const CxsigEvent *event;
	int attempt; /* 1 for the first */
	TimestampTz at;
	const CxsigAlert *alert; /* NULL but at a transport that alerts */
} CxsigAttempt;

/* How much of what the remote allows is used; the transport notes it as it reads an answer. */
typedef struct CxsigQuota
{
	int64 used;
	int64 limit;		   /* 0: none was told */
	TimestampTz at;		   /* when it was told */
	TimestampTz resets_at; /* when it is whole again, as far as was told; 0: it was not */
} CxsigQuota;

/* A batch between two of its requests; see follow. */
typedef struct CxsigFollow
{
	int step;		 /* how many of its requests were answered, 1 at the first call */
	int64 delay_ms;	 /* to wait before the next; 0 as it comes in */
	char state[256]; /* the transport's own, "" at first: what to remember until the next call */
} CxsigFollow;

/* What a read-back found of one event's record. */
typedef enum CxsigRecordState
{
	CXSIG_RECORD_EQUAL,
	CXSIG_RECORD_DIFFERS,
	CXSIG_RECORD_MISSING,
	CXSIG_RECORD_UNKNOWN /* the remote did not say: detail is why */
} CxsigRecordState;

typedef struct CxsigRecord
{
	CxsigRecordState state;
	bool not_makeable; /* MISSING: and sending the event would not make it; detail is why */
	char remote_id[128];
	/* DIFFERS: a JSON array of {"field", "expected", "actual"}; in the scratch context */
	const char *differences;
	char detail[512];
} CxsigRecord;

/* What a destination's settings are made of, for prepare. */
typedef struct CxsigTransportSource
{
	Jsonb *config;
	const CxsigSecret *secrets; /* NULL with n_secrets -1: check only the config */
	int n_secrets;
	const CxsigView *view;	 /* kept, not copied */
	const char *destination; /* its name */
	const char *order_scope; /* "ticket", "account" or "none" */
} CxsigTransportSource;

/* A destination's transport made ready: config and secrets parsed. First field of every such struct. */
typedef struct CxsigTransport
{
	const struct CxsigTransportOps *ops;
	int max_batch;			/* attempts that one request can carry; 1 where it does not batch */
	const char *batches_by; /* the key of the config that decides so, and its value; for messages */
	const char *batch_hint; /* how to have it otherwise */
	struct CxsigCredential *credential; /* where requests carry a token, else NULL */
	CxsigQuota quota;					/* as of the last answer that told */
} CxsigTransport;

typedef struct CxsigTransportOps
{
	const char *name;

	/* Options of create_destination() that are other than usual, as JSON; NULL for none. */
	const char *defaults;

	/*
	 * Check config and make it ready in the current context. ERROR (invalid_parameter_value) names
	 * the key that is wrong and what is allowed. Of several secrets of one name the newest comes
	 * first; they are copied, and their expiry is looked at with each request.
	 */
	CxsigTransport *(*prepare)(const CxsigTransportSource *source);

	/*
	 * NULL, or: can no request be made for this event - it has no external id, or one that no URL can
	 * carry? Then true, and the result, zeroed but for retry_after_ms, says why: the event is poison,
	 * and build never sees it.
	 */
	bool (*refuses)(CxsigTransport *transport, const CxsigAttempt *attempt, CxsigResult *result);

	/*
	 * Build a request for the first of n attempts, as many as fit into a body of max_bytes, one at
	 * least; the result is how many. n is at most max_batch, and no two are of one lane. Where there
	 * is a credential, it has a token (cxsig_credential_token).
	 */
	int (*build)(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
				 CxsigRequest *request);

	/* Build a ping: a request that changes nothing at the receiver. */
	void (*build_ping)(CxsigTransport *transport, CxsigRequest *request);

	/*
	 * Read the answer into results[0..n-1], zeroed but for retry_after_ms, which is -1. A batch that
	 * was refused as a whole, and may be taken in parts, is CXSIG_SPLIT for each.
	 */
	void (*read)(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
				 const CxsigResponse *response, CxsigResult *results);

	/*
	 * NULL, or: is the answer not the last word - a job to be asked after, a record to be changed now
	 * that it was read? Then true, and the batch's next request, sent after follow->delay_ms; else
	 * false, and read says what the answer means. A batch that is lost in between is built anew.
	 */
	bool (*follow)(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
				   const CxsigResponse *response, CxsigFollow *follow, CxsigRequest *request);

	/*
	 * NULL, or how the remote's records of the first of n events are read back; the result is how
	 * many. And what the answer says of each, compared with what build would send; records is zeroed.
	 */
	int (*build_fetch)(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
					   CxsigRequest *request);
	void (*read_fetch)(CxsigTransport *transport, const CxsigAttempt *attempts, int n,
					   const CxsigResponse *response, CxsigRecord *records);

	/* Does it alert people: events become alerts that open, fold and are resolved (alert.h)? */
	bool alerts;
} CxsigTransportOps;

/* The transport of that name; ERROR naming the ones there are otherwise. */
extern const CxsigTransportOps *cxsig_transport_lookup(const char *name);

/* The names of those that a test holds for, NULL for all, as "webhook, salesforce, ...". */
extern char *cxsig_transport_names(bool (*holds)(const CxsigTransportOps *ops));

/* Can its records be read back? */
extern bool cxsig_transport_reads_back(const CxsigTransportOps *ops);

/* "delivered", "retry", ... */
extern const char *cxsig_outcome_name(CxsigOutcome outcome);

#endif
