/*
 * json_read.c
 *	  JSON that came from outside: is it valid, and what does a string say.
 *
 * Runs in any process, holds no state, takes no lock, and never raises: PostgreSQL's own parser is no
 * use where a remote's bytes must not end what is being done for others. What it walks through it
 * does not recurse into, so depth costs a byte a level.
 */
#include "postgres.h"

#include "event/json.h"
#include "mb/pg_wchar.h"

/* Deeper than anybody's answer is. */
#define MAX_DEPTH 64

typedef struct JsonScanner
{
	const char *at;
	const char *end;
	int depth;
	char closes[MAX_DEPTH]; /* what ends each container that is open */
} JsonScanner;

static bool scan_to_value(JsonScanner *scanner);
static bool scan_after_value(JsonScanner *scanner, bool *more);
static bool scan_key(JsonScanner *scanner);
static bool scan_scalar(JsonScanner *scanner);
static bool scan_string(JsonScanner *scanner);
static bool scan_number(JsonScanner *scanner);
static bool scan_digits(JsonScanner *scanner);
static bool scan_word(JsonScanner *scanner, const char *word);
static bool scan_char(JsonScanner *scanner, char c);
static void scan_space(JsonScanner *scanner);
static int hex_value(const char *at, int n);
static const char *unescape_one(const char *at, const char *end, pg_wchar *code);

bool
cxsig_json_is_valid(const char *text, size_t len)
{
	JsonScanner scanner = {text, text + len};
	bool more;

	do
	{
		if (!scan_to_value(&scanner) || !scan_after_value(&scanner, &more))
			return false;
	} while (more);
	return true;
}

/* Through what opens containers, and the first scalar or empty container behind it. */
static bool
scan_to_value(JsonScanner *scanner)
{
	for (;;)
	{
		char closes;

		scan_space(scanner);
		if (scan_char(scanner, '{'))
			closes = '}';
		else if (scan_char(scanner, '['))
			closes = ']';
		else
			return scan_scalar(scanner);
		scan_space(scanner);
		if (scan_char(scanner, closes))
			return true;
		if (scanner->depth == MAX_DEPTH)
			return false;
		scanner->closes[scanner->depth++] = closes;
		if (closes == '}' && !scan_key(scanner))
			return false;
	}
}

/* Behind a value: through what ends with it, to the next one (more) or the end of the text. */
static bool
scan_after_value(JsonScanner *scanner, bool *more)
{
	for (;;)
	{
		scan_space(scanner);
		*more = false;
		if (scanner->depth == 0)
			return scanner->at == scanner->end;
		if (scan_char(scanner, ','))
		{
			*more = true;
			return scanner->closes[scanner->depth - 1] == ']' || scan_key(scanner);
		}
		if (!scan_char(scanner, scanner->closes[scanner->depth - 1]))
			return false;
		scanner->depth--;
	}
}

static bool
scan_key(JsonScanner *scanner)
{
	scan_space(scanner);
	if (!scan_string(scanner))
		return false;
	scan_space(scanner);
	return scan_char(scanner, ':');
}

static bool
scan_scalar(JsonScanner *scanner)
{
	if (scanner->at == scanner->end)
		return false;
	switch (*scanner->at)
	{
		case '"':
			return scan_string(scanner);
		case 't':
			return scan_word(scanner, "true");
		case 'f':
			return scan_word(scanner, "false");
		case 'n':
			return scan_word(scanner, "null");
		default:
			return scan_number(scanner);
	}
}

static bool
scan_string(JsonScanner *scanner)
{
	if (!scan_char(scanner, '"'))
		return false;
	while (scanner->at < scanner->end)
	{
		unsigned char c = (unsigned char) *scanner->at++;

		if (c == '"')
			return true;
		if (c < 0x20)
			return false;
		if (c != '\\')
			continue;
		if (scan_char(scanner, 'u'))
		{
			if (scanner->end - scanner->at < 4 || hex_value(scanner->at, 4) < 0)
				return false;
			scanner->at += 4;
		}
		else if (scanner->at == scanner->end || *scanner->at == '\0' ||
				 strchr("\"\\/bfnrt", *scanner->at++) == NULL)
			return false;
	}
	return false;
}

static bool
scan_number(JsonScanner *scanner)
{
	(void) scan_char(scanner, '-');
	if (!scan_char(scanner, '0') && !scan_digits(scanner))
		return false;
	if (scan_char(scanner, '.') && !scan_digits(scanner))
		return false;
	if (scan_char(scanner, 'e') || scan_char(scanner, 'E'))
	{
		if (!scan_char(scanner, '+'))
			(void) scan_char(scanner, '-');
		return scan_digits(scanner);
	}
	return true;
}

static bool
scan_digits(JsonScanner *scanner)
{
	const char *start = scanner->at;

	while (scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9')
		scanner->at++;
	return scanner->at > start;
}

static bool
scan_word(JsonScanner *scanner, const char *word)
{
	size_t len = strlen(word);

	if ((size_t) (scanner->end - scanner->at) < len || memcmp(scanner->at, word, len) != 0)
		return false;
	scanner->at += len;
	return true;
}

static bool
scan_char(JsonScanner *scanner, char c)
{
	if (scanner->at == scanner->end || *scanner->at != c)
		return false;
	scanner->at++;
	return true;
}

static void
scan_space(JsonScanner *scanner)
{
	while (scanner->at < scanner->end && (*scanner->at == ' ' || *scanner->at == '\t' ||
										  *scanner->at == '\n' || *scanner->at == '\r'))
		scanner->at++;
}

size_t
cxsig_json_unescape(CxsigJsonSpan string, char *into, size_t size)
{
	const char *at = string.start + 1;
	const char *end = string.start + string.len - 1;
	char *out = into;
	char *last = into + size - 1;

	while (at < end && out < last)
	{
		unsigned char bytes[MAX_MULTIBYTE_CHAR_LEN];
		pg_wchar code;
		int n;

		if (*at != '\\')
		{
			*out++ = *at++;
			continue;
		}
		at = unescape_one(at, end, &code);
		unicode_to_utf8(code, bytes);
		n = pg_utf_mblen(bytes);
		if (n > last - out)
			break;
		memcpy(out, bytes, n);
		out += n;
	}
	*out = '\0';
	return out - into;
}

/* The character that the escape at `at` stands for; returns what is behind it. */
static const char *
unescape_one(const char *at, const char *end, pg_wchar *code)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";

	if (at[1] != 'u')
	{
		*code = (unsigned char) to[strchr(from, at[1]) - from];
		return at + 2;
	}
	*code = hex_value(at + 2, 4);
	at += 6;
	if (is_utf16_surrogate_first(*code) && end - at >= 6 && at[0] == '\\' && at[1] == 'u' &&
		is_utf16_surrogate_second(hex_value(at + 2, 4)))
	{
		*code = surrogate_pair_to_codepoint(*code, hex_value(at + 2, 4));
		return at + 6;
	}
	if (is_utf16_surrogate_first(*code) || is_utf16_surrogate_second(*code))
		*code = '?'; /* half a pair is no character */
	return at;
}

/* The number that n hexadecimal digits are; -1 where they are none. */
static int
hex_value(const char *at, int n)
{
	int value = 0;

	while (n-- > 0)
	{
		char c = *at++;

		if (c >= '0' && c <= '9')
			value = value * 16 + c - '0';
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			value = value * 16 + c - 'A' + 10;
		else
			return -1;
	}
	return value;
}
