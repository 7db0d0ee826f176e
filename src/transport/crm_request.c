/*
 * crm_request.c
 *	  A request that carries a token, and an answer in JSON: what the transports to CRMs share.
 *	  Runs in the dispatcher, and in backends that test or verify a destination. No table, no lock.
 */
#include "postgres.h"

#include "transport/credential.h"
#include "transport/crm_request.h"
#include "transport/outcome.h"

/* Text that is compared or copied is no longer than this; what is cut off would be cut off later. */
#define MAX_TEXT 2048

static bool is_json(const CxsigResponse *response, char opens);
static uint32 hash_id(const CxsigCrmIds *ids, const char *id);
static char fold(const CxsigCrmIds *ids, char c);

void
cxsig_crm_start(const CxsigTransport *transport, const char *method, const char *url,
				CxsigRequest *request)
{
	const char *token =
		transport->credential != NULL ? cxsig_credential_token(transport->credential) : NULL;

	request->method = method;
	request->url = url;
	request->headers = palloc(sizeof(CxsigHeader) * CXSIG_CRM_MAX_HEADERS);
	request->n_headers = 0;
	request->tls = NULL;
	initStringInfo(&request->body);
	/* without one it is refused, and the refusal gets one */
	if (token != NULL)
		cxsig_crm_add_header(request, "Authorization", psprintf("Bearer %s", token));
	cxsig_crm_add_header(request, "Accept", "application/json");
}

void
cxsig_crm_add_header(CxsigRequest *request, const char *name, const char *value)
{
	CxsigHeader *header = &request->headers[request->n_headers++];

	Assert(request->n_headers <= CXSIG_CRM_MAX_HEADERS);
	header->name = unconstify(char *, name);
	header->value = unconstify(char *, value);
}

void
cxsig_crm_append_encoded(StringInfo out, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++)
	{
		unsigned char c = (unsigned char) *text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '.' || c == '_' || c == '~')
			appendStringInfoChar(out, *text);
		else
		{
			char code[3] = {'%', digits[c >> 4], digits[c & 0x0f]};

			appendBinaryStringInfo(out, code, sizeof(code));
		}
	}
}

bool
cxsig_crm_was_tried(const CxsigAttempt *attempts, int n)
{
	for (int i = 0; attempts != NULL && i < n; i++)
	{
		if (attempts[i].attempt > 1)
			return true;
	}
	return false;
}

bool
cxsig_crm_is_object(const CxsigResponse *response)
{
	return is_json(response, '{');
}

bool
cxsig_crm_is_array(const CxsigResponse *response)
{
	return is_json(response, '[');
}

/* Is the body whole, valid, and does it open with that? */
static bool
is_json(const CxsigResponse *response, char opens)
{
	const char *at = response->body;

	/* what was cut or broke off may by chance be valid */
	if (response->body_truncated || response->error[0] != '\0' ||
		!cxsig_json_is_valid(response->body, response->body_len))
		return false;
	while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
		at++;
	return *at == opens;
}

void
cxsig_crm_copy_value(char *into, size_t size, CxsigJsonSpan value)
{
	into[0] = '\0';
	if (cxsig_json_is_empty(value))
		return;
	if (*value.start == '"')
	{
		char text[MAX_TEXT];

		cxsig_outcome_copy_text(into, size, text, cxsig_json_unescape(value, text, sizeof(text)));
		return;
	}
	cxsig_outcome_copy_text(into, size, value.start, value.len);
}

void
cxsig_crm_append_words(char *into, size_t size, CxsigJsonSpan value)
{
	size_t len = strlen(into);

	if (cxsig_json_is_empty(value) || len + 3 >= size)
		return;
	if (len > 0)
		len = strlcat(into, ": ", size);
	cxsig_crm_copy_value(into + len, size - len, value);
}

bool
cxsig_crm_is_text(CxsigJsonSpan value, const char *text)
{
	char said[MAX_TEXT];
	size_t len;

	if (value.start == NULL || *value.start == '{' || *value.start == '[' || *value.start == 'n')
		return false;
	if (*value.start != '"')
		return value.len == strlen(text) && memcmp(value.start, text, value.len) == 0;
	len = cxsig_json_unescape(value, said, sizeof(said));
	return len == strlen(text) && memcmp(said, text, len) == 0;
}

bool
cxsig_crm_is(CxsigJsonSpan value, const char *json)
{
	return value.start != NULL && value.len == strlen(json) &&
		   memcmp(value.start, json, value.len) == 0;
}

void
cxsig_crm_ids_start(CxsigCrmIds *ids, int n, bool fold_case)
{
	uint32 size = 16;

	while (size < (uint32) n * 2)
		size *= 2;
	ids->slots = palloc0(sizeof(const char *) * size);
	ids->mask = size - 1;
	ids->fold_case = fold_case;
}

bool
cxsig_crm_ids_add(CxsigCrmIds *ids, const char *id)
{
	uint32 at = hash_id(ids, id) & ids->mask;

	for (; ids->slots[at] != NULL; at = (at + 1) & ids->mask)
	{
		const char *a = ids->slots[at];
		const char *b = id;

		while (*a != '\0' && fold(ids, *a) == fold(ids, *b))
		{
			a++;
			b++;
		}
		if (*a == '\0' && *b == '\0')
			return false;
	}
	ids->slots[at] = id;
	return true;
}

/* FNV-1a: short keys, and nothing is gained by making them collide but time in one's own batch. */
static uint32
hash_id(const CxsigCrmIds *ids, const char *id)
{
	uint32 hash = 2166136261U;

	for (; *id != '\0'; id++)
		hash = (hash ^ (unsigned char) fold(ids, *id)) * 16777619U;
	return hash;
}

static char
fold(const CxsigCrmIds *ids, char c)
{
	return ids->fold_case && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}
