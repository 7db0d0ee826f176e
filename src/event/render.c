/*
 * render.c
 *	  The event as JSON: the whole of it, or the part of it that a projection sends.
 *
 * Runs in the dispatcher for every request, and in backends that show one. Touches no table, takes
 * no lock. Signatures are made over these bytes and receivers compare them, so they depend on the
 * event and the view only: no setting, no locale, no time zone.
 */
#include "postgres.h"

#include <math.h>

#include "event/event.h"
#include "event/json.h"
#include "event/mapping.h"
#include "event/render.h"
#include "port/pg_bitutils.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

typedef enum MemberKind
{
	KIND_UUID,
	KIND_STRING,
	KIND_INT,
	KIND_BIGINT,
	KIND_DOUBLE,
	KIND_TIME,
	KIND_BOOL,
	KIND_JSON
} MemberKind;

/* A member of the canonical event: its name with what stands around it, and where its value is. */
typedef struct Member
{
	const char *key; /* ,"name": */
	int key_len;
	MemberKind kind;
	size_t offset;
} Member;

#define MEMBER(field, kind)                                                                   \
	{                                                                                         \
		",\"" #field "\":", sizeof(",\"" #field "\":") - 1, kind, offsetof(CxsigEvent, field) \
	}

/* In the order they are sent. The numbers below count them. */
static const Member event_members[CXSIG_EVENT_NCOLUMNS] = {
	MEMBER(event_id, KIND_UUID),		MEMBER(event_type, KIND_STRING),
	MEMBER(schema_version, KIND_INT),	MEMBER(occurred_at, KIND_TIME),
	MEMBER(recorded_at, KIND_TIME),		MEMBER(source_system, KIND_STRING),
	MEMBER(ticket_id, KIND_STRING),		MEMBER(account_id, KIND_STRING),
	MEMBER(version, KIND_BIGINT),		MEMBER(idempotency_key, KIND_STRING),
	MEMBER(sentiment, KIND_STRING),		MEMBER(sentiment_start, KIND_STRING),
	MEMBER(sentiment_end, KIND_STRING), MEMBER(churn_risk, KIND_STRING),
	MEMBER(churn_score, KIND_DOUBLE),	MEMBER(effort, KIND_STRING),
	MEMBER(effort_score, KIND_DOUBLE),	MEMBER(confidence, KIND_DOUBLE),
	MEMBER(model, KIND_STRING),			MEMBER(canonical_tag, KIND_STRING),
	MEMBER(driver, KIND_STRING),		MEMBER(raw_tags, KIND_JSON),
	MEMBER(custom_metrics, KIND_JSON),	MEMBER(evidence_url, KIND_STRING),
	MEMBER(quotes, KIND_JSON),			MEMBER(account, KIND_JSON),
	MEMBER(corrects, KIND_UUID),		MEMBER(traceparent, KIND_STRING),
	MEMBER(tracestate, KIND_STRING),	MEMBER(backfill, KIND_BOOL),
	MEMBER(stale, KIND_BOOL),
};

#define ACCOUNT_NUMBER 25
#define QUOTES_NUMBER 24

#define BIT(number) ((CxsigMembers) 1 << (number))
#define EVENT_ID BIT(0)
#define EVENT_TYPE BIT(1)
#define OCCURRED_AT BIT(3)
#define TICKET_ID BIT(6)
#define ACCOUNT_ID BIT(7)
#define VERSION BIT(8)
#define SENTIMENT BIT(10)
#define CHURN_RISK BIT(13)
#define CHURN_SCORE BIT(14)
#define CANONICAL_TAG BIT(19)
#define DRIVER BIT(20)
#define EVIDENCE_URL BIT(23)
#define QUOTES BIT(QUOTES_NUMBER)
#define ACCOUNT BIT(ACCOUNT_NUMBER)
#define CORRECTS BIT(26)
#define STALE BIT(30)

/* What a CRM keeps on its record of the customer; of the account only what finds its record there. */
#define CRM_MEMBERS                                                                          \
	(EVENT_ID | EVENT_TYPE | OCCURRED_AT | TICKET_ID | ACCOUNT_ID | VERSION | SENTIMENT |    \
	 CHURN_RISK | CHURN_SCORE | CANONICAL_TAG | DRIVER | EVIDENCE_URL | ACCOUNT | CORRECTS | \
	 STALE)

/* The least that routes an alert, the link and the words that explain it, and whether it is old news. */
#define OPS_MEMBERS                                                                       \
	(EVENT_ID | EVENT_TYPE | OCCURRED_AT | TICKET_ID | ACCOUNT_ID | VERSION | SENTIMENT | \
	 CHURN_RISK | DRIVER | EVIDENCE_URL | QUOTES | STALE)

/* Room to start with; longer events grow the buffer as they come. */
#define USUAL_SIZE 1024

/* "2026-11-24T" of the day that was printed last: events come in days. */
typedef struct DayText
{
	int64 day; /* since 2000-01-01 */
	int len;
	char text[24];
} DayText;

static DayText last_day = {PG_INT64_MIN, 0, ""};

static void render_members(const CxsigEvent *event, CxsigMembers members, bool trimmed,
						   StringInfo out);
static void append_member(const CxsigEvent *event, const Member *member, StringInfo out);
static inline void append_key(const Member *member, StringInfo out);
static void append_account_ids(const Member *member, const char *account, StringInfo out);
static void append_first_quote(const Member *member, const char *quotes, StringInfo out);
static void set_day(int64 day);
static void put_digits(char *at, int value, int width);

void
cxsig_event_render(const CxsigView *view, const CxsigEvent *event, StringInfo out)
{
	if (view->mapping != NULL)
	{
		cxsig_mapping_render(view->mapping, event, out);
		return;
	}
	switch (view->projection)
	{
		case CXSIG_PROJECTION_CRM:
			render_members(event, CRM_MEMBERS, true, out);
			break;
		case CXSIG_PROJECTION_BI:
			render_members(event, CXSIG_ALL_MEMBERS, false, out);
			break;
		case CXSIG_PROJECTION_OPS:
			render_members(event, OPS_MEMBERS, true, out);
			break;
	}
}

void
cxsig_event_render_members(const CxsigEvent *event, CxsigMembers members, StringInfo out)
{
	render_members(event, members, false, out);
}

CxsigMembers
cxsig_members_lookup(const char *name, size_t len)
{
	for (int i = 0; i < CXSIG_EVENT_NCOLUMNS; i++)
	{
		const Member *member = &event_members[i];

		/* the key is the name and four bytes: ,"": */
		if ((size_t) member->key_len == len + 4 && memcmp(member->key + 2, name, len) == 0)
			return BIT(i);
	}
	return 0;
}

char *
cxsig_member_name(int number)
{
	return pnstrdup(event_members[number].key + 2, event_members[number].key_len - 4);
}

CxsigProjection
cxsig_projection_parse(const char *name)
{
	if (strcmp(name, "crm") == 0)
		return CXSIG_PROJECTION_CRM;
	if (strcmp(name, "bi") == 0)
		return CXSIG_PROJECTION_BI;
	if (strcmp(name, "ops") == 0)
		return CXSIG_PROJECTION_OPS;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid projection \"%s\"", name),
			 errhint("A projection is \"crm\", \"bi\" or \"ops\"; anything else is a mapping.")));
}

/*
 * Append an object of these members. Trimmed is how a projection shows the larger ones: the account by
 * its ids, the first quote, and stale only where it is true.
 */
static void
render_members(const CxsigEvent *event, CxsigMembers members, bool trimmed, StringInfo out)
{
	int start = out->len;

	enlargeStringInfo(out, USUAL_SIZE);
	if (!event->has_corrects)
		members &= ~CORRECTS;
	if (trimmed && !event->stale)
		members &= ~STALE;

	while (members != 0)
	{
		int number = pg_rightmost_one_pos32(members);
		const Member *member = &event_members[number];

		members &= members - 1;
		if (trimmed && number == ACCOUNT_NUMBER)
			append_account_ids(member, event->account, out);
		else if (trimmed && number == QUOTES_NUMBER)
			append_first_quote(member, event->quotes, out);
		else
			append_member(event, member, out);
	}

	/* each member began with a comma: the first becomes the brace */
	if (out->len == start)
		appendStringInfoChar(out, '{');
	else
		out->data[start] = '{';
	appendStringInfoCharMacro(out, '}');
}

/* Append a member, unless it is null. */
static void
append_member(const CxsigEvent *event, const Member *member, StringInfo out)
{
	const void *field = (const char *) event + member->offset;
	const char *text = NULL;

	if (member->kind == KIND_STRING || member->kind == KIND_JSON)
	{
		text = *(char *const *) field;
		if (text == NULL)
			return;
	}
	else if (member->kind == KIND_DOUBLE && !isfinite(*(const double *) field))
		return;

	append_key(member, out);
	switch (member->kind)
	{
		case KIND_STRING:
			cxsig_json_append_string(out, text);
			break;
		case KIND_JSON:
			appendBinaryStringInfo(out, text, strlen(text));
			break;
		case KIND_UUID:
			appendStringInfoCharMacro(out, '"');
			cxsig_append_uuid(out, (const pg_uuid_t *) field);
			appendStringInfoCharMacro(out, '"');
			break;
		case KIND_TIME:
			appendStringInfoCharMacro(out, '"');
			cxsig_append_timestamp(out, *(const TimestampTz *) field);
			appendStringInfoCharMacro(out, '"');
			break;
		case KIND_INT:
			cxsig_json_append_int(out, *(const int *) field);
			break;
		case KIND_BIGINT:
			cxsig_json_append_int(out, *(const int64 *) field);
			break;
		case KIND_DOUBLE:
			cxsig_json_append_double(out, *(const double *) field);
			break;
		case KIND_BOOL:
			appendStringInfoString(out, *(const bool *) field ? "true" : "false");
			break;
	}
}

static inline void
append_key(const Member *member, StringInfo out)
{
	appendBinaryStringInfo(out, member->key, member->key_len);
}

/* Append of the account only what finds its record elsewhere: name and crm_ids. */
static void
append_account_ids(const Member *member, const char *account, StringInfo out)
{
	static const char *const keys[] = {",\"name\":", ",\"crm_ids\":"};
	CxsigJsonSpan values[lengthof(keys)];
	int start;

	if (account == NULL)
		return;
	values[0] = cxsig_json_member(account, "name");
	values[1] = cxsig_json_member(account, "crm_ids");
	if (cxsig_json_is_empty(values[0]) && cxsig_json_is_empty(values[1]))
		return;

	append_key(member, out);
	start = out->len;
	for (size_t i = 0; i < lengthof(keys); i++)
	{
		if (cxsig_json_is_empty(values[i]))
			continue;
		appendStringInfoString(out, keys[i]);
		appendBinaryStringInfo(out, values[i].start, values[i].len);
	}
	out->data[start] = '{';
	appendStringInfoCharMacro(out, '}');
}

/* Append the quotes cut to the first: a list still, so that the member has one type everywhere. */
static void
append_first_quote(const Member *member, const char *quotes, StringInfo out)
{
	CxsigJsonSpan quote;

	if (quotes == NULL)
		return;
	quote = cxsig_json_first_element(quotes);
	if (quote.start == NULL)
		return;
	append_key(member, out);
	appendStringInfoCharMacro(out, '[');
	appendBinaryStringInfo(out, quote.start, quote.len);
	appendStringInfoCharMacro(out, ']');
}

void
cxsig_append_timestamp(StringInfo out, TimestampTz at)
{
	int64 day;
	int64 time;
	int seconds;
	char text[] = "00:00:00.000000Z";

	if (TIMESTAMP_NOT_FINITE(at))
	{
		appendStringInfoString(out, TIMESTAMP_IS_NOBEGIN(at) ? "-infinity" : "infinity");
		return;
	}

	day = at / USECS_PER_DAY;
	time = at % USECS_PER_DAY;
	if (time < 0)
	{
		day--;
		time += USECS_PER_DAY;
	}
	if (day != last_day.day)
		set_day(day);
	appendBinaryStringInfo(out, last_day.text, last_day.len);

	seconds = (int) (time / USECS_PER_SEC);
	put_digits(text, seconds / 3600, 2);
	put_digits(text + 3, seconds / 60 % 60, 2);
	put_digits(text + 6, seconds % 60, 2);
	put_digits(text + 9, (int) (time % USECS_PER_SEC), 6);
	appendBinaryStringInfo(out, text, sizeof(text) - 1);
}

/* Make last_day that of a day since 2000-01-01. */
static void
set_day(int64 day)
{
	int year;
	int month;
	int month_day;

	j2date((int) (day + POSTGRES_EPOCH_JDATE), &year, &month, &month_day);
	last_day.len = snprintf(last_day.text, sizeof(last_day.text), "%s%04d-%02d-%02dT",
							year < 0 ? "-" : "", abs(year), month, month_day);
	last_day.day = day;
}

/* Print a number into width bytes, with leading zeros. */
static void
put_digits(char *at, int value, int width)
{
	while (width-- > 0)
	{
		at[width] = '0' + value % 10;
		value /= 10;
	}
}

void
cxsig_append_uuid(StringInfo out, const pg_uuid_t *uuid)
{
	static const char digits[] = "0123456789abcdef";
	char text[36];
	char *at = text;

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[uuid->data[i] >> 4];
		*at++ = digits[uuid->data[i] & 0x0f];
	}
	appendBinaryStringInfo(out, text, sizeof(text));
}
