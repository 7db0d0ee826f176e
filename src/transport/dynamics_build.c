/*
 * dynamics_build.c
 *	  Requests that change rows of Dataverse: one as a PATCH, several as a $batch. Runs in the
 *	  dispatcher for every request. No table, no lock.
 *
 * The parts of a batch are in no change set, which would be one transaction. They are told apart by a
 * boundary that is made of their events' ids, so that the same batch is the same bytes again.
 *
 * An event that cannot be written at all was refused before (cxsig_dynamics_id).
 */
#include "postgres.h"

#include "transport/dynamics.h"
#include "transport/webhook_batch.h"

/* "--batch_" and a uuid, with its line end; the last one has two dashes more. */
#define DELIMITER_LEN 46
#define END_LEN 48

static void build_one(CxsigDynamics *dynamics, const CxsigEvent *event, CxsigRequest *request);
static int build_batch(CxsigDynamics *dynamics, const CxsigAttempt *attempts, int n, int max_bytes,
					   CxsigRequest *request);
static int count_taken(CxsigDynamics *dynamics, const CxsigAttempt *attempts, int n, int max_bytes,
					   StringInfo parts, int *starts);
static void append_part(CxsigDynamics *dynamics, const CxsigEvent *event, const char *id,
						StringInfo out);
static void append_url(const CxsigDynamics *dynamics, const char *id, StringInfo out);
static const char *id_of(const CxsigDynamics *dynamics, const CxsigEvent *event);

int
cxsig_dynamics_build(CxsigTransport *transport, const CxsigAttempt *attempts, int n, int max_bytes,
					 CxsigRequest *request)
{
	CxsigDynamics *dynamics = (CxsigDynamics *) transport;
	int taken = n > 1 ? build_batch(dynamics, attempts, n, max_bytes, request) : 1;

	if (taken == 1)
		build_one(dynamics, attempts[0].event, request);
	return taken;
}

void
cxsig_dynamics_start(const CxsigDynamics *dynamics, const char *method, const char *url,
					 CxsigRequest *request)
{
	cxsig_crm_start(&dynamics->base, method, url, request);
	cxsig_crm_add_header(request, "OData-Version", "4.0");
	cxsig_crm_add_header(request, "OData-MaxVersion", "4.0");
}

static void
build_one(CxsigDynamics *dynamics, const CxsigEvent *event, CxsigRequest *request)
{
	StringInfoData url;

	initStringInfo(&url);
	append_url(dynamics, id_of(dynamics, event), &url);
	cxsig_dynamics_start(dynamics, "PATCH", url.data, request);
	cxsig_crm_add_header(request, "Content-Type", "application/json");
	cxsig_record_render(dynamics->view, event, CXSIG_RECORD_JSON, &request->body);
}

/* How many were taken; where it is one, the request is left for build_one. */
static int
build_batch(CxsigDynamics *dynamics, const CxsigAttempt *attempts, int n, int max_bytes,
			CxsigRequest *request)
{
	pg_uuid_t *ids = palloc(sizeof(pg_uuid_t) * n);
	int *starts = palloc(sizeof(int) * (n + 1));
	StringInfoData parts;
	StringInfoData boundary;
	pg_uuid_t id;
	int taken;

	initStringInfo(&parts);
	taken = count_taken(dynamics, attempts, n, max_bytes, &parts, starts);
	if (taken == 1)
		return 1;

	for (int i = 0; i < taken; i++)
		ids[i] = attempts[i].event->event_id;
	id = cxsig_webhook_batch_id(ids, taken);
	initStringInfo(&boundary);
	appendStringInfoString(&boundary, "batch_");
	cxsig_append_uuid(&boundary, &id);

	cxsig_dynamics_start(dynamics, "POST", psprintf("%s/$batch", dynamics->api), request);
	cxsig_crm_add_header(request, "Content-Type",
						 psprintf("multipart/mixed; boundary=%s", boundary.data));
	/* without it the first row that is refused ends the batch */
	cxsig_crm_add_header(request, "Prefer", "odata.continue-on-error");
	for (int i = 0; i < taken; i++)
	{
		appendStringInfo(&request->body, "--%s\r\n", boundary.data);
		appendBinaryStringInfo(&request->body, parts.data + starts[i], starts[i + 1] - starts[i]);
	}
	appendStringInfo(&request->body, "--%s--\r\n", boundary.data);
	return taken;
}

/* Append parts up to the first whose key is there already, or that does not fit; where each starts. */
static int
count_taken(CxsigDynamics *dynamics, const CxsigAttempt *attempts, int n, int max_bytes,
			StringInfo parts, int *starts)
{
	CxsigCrmIds ids;
	int taken;

	/* two values of a key that differ only in case are one to most databases */
	cxsig_crm_ids_start(&ids, n, true);
	starts[0] = 0;
	for (taken = 0; taken < n; taken++)
	{
		const char *id = id_of(dynamics, attempts[taken].event);

		if (!cxsig_crm_ids_add(&ids, id))
			break;
		append_part(dynamics, attempts[taken].event, id, parts);
		if (taken > 0 && parts->len + (taken + 1) * DELIMITER_LEN + END_LEN > max_bytes)
			break;
		starts[taken + 1] = parts->len;
	}
	return taken;
}

/* A part but for the boundary in front. */
static void
append_part(CxsigDynamics *dynamics, const CxsigEvent *event, const char *id, StringInfo out)
{
	appendStringInfoString(out, "Content-Type: application/http\r\n"
								"Content-Transfer-Encoding: binary\r\n\r\nPATCH ");
	append_url(dynamics, id, out);
	appendStringInfoString(out, " HTTP/1.1\r\nContent-Type: application/json\r\n\r\n");
	cxsig_record_render(dynamics->view, event, CXSIG_RECORD_JSON, out);
	appendStringInfoString(out, "\r\n");
}

static void
append_url(const CxsigDynamics *dynamics, const char *id, StringInfo out)
{
	appendStringInfo(out, "%s/%s(%s=", dynamics->api, dynamics->entity_set, dynamics->id.field);
	cxsig_dynamics_append_string(out, id);
	for (int i = 0; i < dynamics->n_keys; i++)
		appendStringInfo(out, ",%s=%s", dynamics->keys[i].column, dynamics->keys[i].literal);
	appendStringInfoChar(out, ')');
}

static const char *
id_of(const CxsigDynamics *dynamics, const CxsigEvent *event)
{
	const char *why;
	const char *id = cxsig_dynamics_id(dynamics, event, &why);

	return id != NULL ? id : "";
}
