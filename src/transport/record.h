/*
 * record.h
 *	  An event as a record of somebody else's database: what the CRM transports share.
 *
 * The fields are the destination's mapping (the option "mapping", required here). A path that finds
 * nothing clears its field: it is sent as null (or "", where everything is a string), for what an older
 * revision wrote there is not true any more. {"$path": ..., "$omit": true} leaves it out instead.
 *
 * Pure functions over memory; the current context is scratch.
 */
#ifndef CXSIG_RECORD_H
#define CXSIG_RECORD_H

#include "event/event.h"
#include "transport/config_read.h"

/* What names the record: "external_id": {"field": "Ticket_Key__c", "value": "$.ticket_id"}. */
typedef struct CxsigExternalId
{
	char *field;
	CxsigMapping *value; /* of one value; "$.ticket_id" unless the config says so */
} CxsigExternalId;

/*
 * Read "external_id". ERROR where events of different lanes could write the same record: $.account_id
 * and the like need the order scope "account", and what is no path of ticket or account is refused with
 * the reason.
 */
extern void cxsig_record_external_id(const CxsigConfigObject *config, const char *order_scope,
									 const char *default_field, CxsigExternalId *into);

/* ERROR where the view has no mapping: "transport "salesforce" needs the option "mapping"". */
extern void cxsig_record_check_mapping(const CxsigView *view, const char *transport,
									   const char *destination, const char *example);

/* The external id of an event, or NULL where its path finds nothing (the event is poison then). */
extern char *cxsig_record_id(const CxsigExternalId *id, const CxsigEvent *event);

typedef enum CxsigRecordStyle
{
	CXSIG_RECORD_JSON, /* values as they are, null where there is none */
	CXSIG_RECORD_STRINGS /* every value a string: numbers and booleans printed, arrays joined by ";" */
} CxsigRecordStyle;

/* Append the record's fields as a JSON object. */
extern void cxsig_record_render(const CxsigView *view, const CxsigEvent *event,
								CxsigRecordStyle style, StringInfo out);

/*
 * Compare what should be there with what is: two JSON objects, of which expected names the fields that
 * count. NULL where they are equal, else a JSON array of {"field", "expected", "actual"}. Numbers are
 * equal as numbers, times as moments, null as "" and as absent; "1" and 1 where either is a string.
 */
extern char *cxsig_record_compare(const char *expected, const char *actual);

#endif
