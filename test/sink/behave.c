/*
 * behave.c
 *	  How a path answers. Pure functions; run on the HTTP thread, no locks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "behave.h"

#define SLOW_BODY_BYTES 64

typedef enum SettingKind
{
	SETTING_INT,
	SETTING_INT64,
	SETTING_RATE,
	SETTING_FLAG,
	SETTING_BOOL,
	SETTING_TEXT
} SettingKind;

/* A setting: where its value goes, what range it has, and which fault it names. */
typedef struct Setting
{
	const char *name;
	SettingKind kind;
	size_t offset;
	int64_t low;
	int64_t high;	 /* for text: its capacity */
	SinkFault fault; /* SINK_FAULT_NONE: names none */
	bool condition;
} Setting;

#define FIELD(f) offsetof(SinkBehaviour, f)
#define TEXT(f) FIELD(f), 0, sizeof(((SinkBehaviour *) 0)->f)

static const Setting settings[] = {
	{"status", SETTING_INT, FIELD(status), 100, 999, SINK_FAULT_STATUS, false},
	{"retry_after", SETTING_TEXT, TEXT(retry_after), SINK_FAULT_NONE, false},
	{"redirect", SETTING_TEXT, TEXT(redirect), SINK_FAULT_STATUS, false},
	{"hang", SETTING_FLAG, 0, 0, 1, SINK_FAULT_HANG, false},
	{"close", SETTING_FLAG, 0, 0, 1, SINK_FAULT_CLOSE, false},
	{"garbage", SETTING_FLAG, 0, 0, 1, SINK_FAULT_GARBAGE, false},
	{"body_bytes", SETTING_INT64, FIELD(body_bytes), 0, INT64_C(1) << 50, SINK_FAULT_BODY, false},
	{"reset_after", SETTING_INT64, FIELD(reset_after), 1, INT64_C(1) << 40, SINK_FAULT_BODY, false},
	{"body_text", SETTING_TEXT, TEXT(body_text), SINK_FAULT_BODY, false},
	{"retry_after_in", SETTING_INT, FIELD(retry_after_in), 0, 86400, SINK_FAULT_NONE, false},
	{"quota_limit", SETTING_INT64, FIELD(quota_limit), 1, INT64_C(1) << 40, SINK_FAULT_NONE, false},
	{"quota_used", SETTING_INT64, FIELD(quota_used), 0, INT64_C(1) << 40, SINK_FAULT_NONE, false},
	{"quota_reset", SETTING_INT, FIELD(quota_reset), 0, 86400, SINK_FAULT_NONE, false},
	{"slow_bytes", SETTING_INT, FIELD(slow_ms), 1, 600000, SINK_FAULT_BODY, false},
	{"fail_first", SETTING_INT, FIELD(fail_first), 1, 1000000, SINK_FAULT_NONE, true},
	{"fail_rate", SETTING_RATE, FIELD(fail_rate), 0, 1, SINK_FAULT_NONE, true},
	{"fail_key", SETTING_TEXT, TEXT(fail_key), SINK_FAULT_NONE, true},
	{"seed", SETTING_INT64, FIELD(seed), 0, INT64_MAX, SINK_FAULT_NONE, false},
	{"poison_key", SETTING_TEXT, TEXT(poison_key), SINK_FAULT_NONE, false},
	{"poison_status", SETTING_INT, FIELD(poison_status), 100, 999, SINK_FAULT_NONE, false},
	{"delay_ms", SETTING_INT, FIELD(delay_ms), 0, 86400000, SINK_FAULT_NONE, false},
	{"results", SETTING_BOOL, FIELD(results), 0, 1, SINK_FAULT_NONE, false},
	{"delay_key", SETTING_TEXT, TEXT(delay_key), SINK_FAULT_NONE, false},
};

static const char *store_number(const Setting *setting, void *field, const char *value);
static const char *store_rate(void *field, const char *value);
static bool attempt_fails(const SinkBehaviour *behaviour, SinkText key, SinkText id,
						  uint32_t attempt);

void
sink_behave_init(SinkBehaviour *behaviour)
{
	memset(behaviour, 0, sizeof(*behaviour));
	behaviour->poison_status = 422;
	behaviour->fail_rate = -1;
	behaviour->quota_reset = -1;
}

static const char *
store_number(const Setting *setting, void *field, const char *value)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0')
		return "not an integer";
	if (number < setting->low || number > setting->high)
		return "out of range";
	if (setting->kind == SETTING_INT)
		*(int *) field = (int) number;
	else
		*(int64_t *) field = number;
	return NULL;
}

static const char *
store_rate(void *field, const char *value)
{
	char *end;
	double rate = strtod(value, &end);

	if (end == value || *end != '\0' || !(rate >= 0 && rate <= 1))
		return "not a number from 0 to 1";
	*(double *) field = rate;
	return NULL;
}

const char *
sink_behave_set(SinkBehaviour *behaviour, const char *name, const char *value)
{
	const Setting *setting = NULL;
	const char *wrong = NULL;
	bool on = true;
	void *field;
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]) && setting == NULL; i++)
		if (strcmp(settings[i].name, name) == 0)
			setting = &settings[i];
	if (setting == NULL)
		return "no such setting";
	field = (char *) behaviour + setting->offset;
	switch (setting->kind)
	{
		case SETTING_INT:
		case SETTING_INT64:
			wrong = store_number(setting, field, value);
			break;
		case SETTING_RATE:
			wrong = store_rate(field, value);
			break;
		case SETTING_FLAG:
			on = strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
			break;
		case SETTING_BOOL:
			*(bool *) field = strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
			break;
		case SETTING_TEXT:
			if (strlen(value) >= (size_t) setting->high)
				return "too long";
			strcpy(field, value);
			break;
	}
	if (wrong == NULL && on && setting->fault > behaviour->fault)
		behaviour->fault = setting->fault;
	if (setting->condition)
		behaviour->conditional = true;
	return wrong;
}

static bool
attempt_fails(const SinkBehaviour *behaviour, SinkText key, SinkText id, uint32_t attempt)
{
	if (!behaviour->conditional)
		return behaviour->fault != SINK_FAULT_NONE;
	if (behaviour->fail_first > 0 && attempt > (uint32_t) behaviour->fail_first)
		return false;
	if (behaviour->fail_key[0] != '\0' && !sink_text_equal(key, behaviour->fail_key))
		return false;
	if (behaviour->fail_rate >= 0)
	{
		uint64_t dice = sink_hash(id.s, id.len, behaviour->seed * 1000003 + attempt);

		if ((double) (dice >> 11) / 9007199254740992.0 >= behaviour->fail_rate)
			return false;
	}
	return true;
}

void
sink_behave_decide(const SinkBehaviour *behaviour, SinkText key, SinkText id, uint32_t attempt,
				   SinkAnswer *answer)
{
	answer->fault = SINK_FAULT_NONE;
	answer->status = 200;
	answer->delay_ms = 0;
	answer->slow_ms = 0;
	answer->retry_after_in = 0;
	answer->quota_limit = 0;
	answer->reset_after = 0;
	answer->retry_after[0] = '\0';
	answer->redirect[0] = '\0';
	answer->body_text[0] = '\0';
	if (behaviour->delay_key[0] == '\0' || sink_text_equal(key, behaviour->delay_key))
		answer->delay_ms = behaviour->delay_ms;
	if (behaviour->poison_key[0] != '\0' && sink_text_equal(key, behaviour->poison_key))
	{
		answer->fault = SINK_FAULT_STATUS;
		answer->status = behaviour->poison_status;
		return;
	}
	if (!attempt_fails(behaviour, key, id, attempt))
		return;

	answer->fault = behaviour->fault != SINK_FAULT_NONE ? behaviour->fault : SINK_FAULT_STATUS;
	if (behaviour->status != 0)
		answer->status = behaviour->status;
	else if (behaviour->redirect[0] != '\0')
		answer->status = 307;
	else if (answer->fault == SINK_FAULT_STATUS)
		answer->status = 500;
	answer->slow_ms = behaviour->slow_ms;
	answer->body_bytes = behaviour->body_bytes;
	if (behaviour->slow_ms > 0 && behaviour->body_bytes == 0)
		answer->body_bytes = SLOW_BODY_BYTES;
	answer->reset_after = behaviour->reset_after;
	if (behaviour->reset_after > 0 && answer->body_bytes <= behaviour->reset_after)
		answer->body_bytes = behaviour->reset_after * 2;
	answer->retry_after_in = behaviour->retry_after_in;
	strcpy(answer->body_text, behaviour->body_text);
	strcpy(answer->retry_after, behaviour->retry_after);
	strcpy(answer->redirect, behaviour->redirect);
}
