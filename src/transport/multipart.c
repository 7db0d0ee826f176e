/*
 * multipart.c
 *	  HTTP answers inside of one: multipart/mixed of application/http, as OData's $batch answers. Runs
 *	  in the dispatcher for every such answer. No table, no lock, no memory.
 *
 * Read strictly (RFC 2046): a delimiter stands at the start of a line and fills it, and a part ends
 * where the next delimiter starts. What is behind the last delimiter is cut off and no part. Lines may
 * end with LF alone; nothing else is guessed.
 */
#include "postgres.h"

#include "transport/multipart.h"

static bool read_boundary(const char *type, char *boundary, size_t size);
static const char *skip_blanks(const char *at);
static bool is_boundary_char(char c);
static const char *find_delimiter(const CxsigMultipart *multipart, const char *from,
								  const char **behind, bool *last);
static const char *match_delimiter(const CxsigMultipart *multipart, const char *line, bool *last);
static void read_part(const char *at, const char *end, CxsigMultipartPart *part);
static bool read_headers(const char **at, const char *end, CxsigMultipartText *headers);
static const char *next_line(const char *at, const char *end);
static bool is_blank_line(const char *at, const char *end);
static CxsigMultipartText find_header(CxsigMultipartText headers, const char *name);
static bool is_http(CxsigMultipartText type);
static int read_status(const char *line, const char *end);
static int read_content_id(CxsigMultipartText value);

bool
cxsig_multipart_start(CxsigMultipart *multipart, const CxsigResponse *response)
{
	const char *type = response->status != 0 ? response->header(response, "content-type") : NULL;
	bool last;

	multipart->at = NULL;
	multipart->end = response->body + response->body_len;
	memcpy(multipart->delimiter, "--", 2);
	if (type == NULL || response->body_len == 0 ||
		!read_boundary(type, multipart->delimiter + 2, sizeof(multipart->delimiter) - 2))
		return false;
	if (find_delimiter(multipart, response->body, &multipart->at, &last) == NULL || last)
		multipart->at = NULL;
	return multipart->at != NULL;
}

/* multipart/mixed; boundary=x, or "x", among other parameters. */
static bool
read_boundary(const char *type, char *boundary, size_t size)
{
	static const char mixed[] = "multipart/mixed";
	static const char name[] = "boundary=";
	const char *at = type;
	size_t len = 0;
	bool quoted;

	if (pg_strncasecmp(at, mixed, strlen(mixed)) != 0)
		return false;
	at = skip_blanks(at + strlen(mixed));
	for (;;)
	{
		if (*at != ';')
			return false;
		at = skip_blanks(at + 1);
		if (pg_strncasecmp(at, name, strlen(name)) == 0)
			break;
		at += strcspn(at, ";");
	}
	at += strlen(name);
	quoted = *at == '"';
	if (quoted)
		at++;
	while (is_boundary_char(at[len]) || (quoted && at[len] == ' '))
		len++;
	if (len == 0 || len >= size || at[len - 1] == ' ' || (quoted && at[len] != '"'))
		return false;
	if (!quoted && at[len] != '\0' && at[len] != ';' && at[len] != ' ' && at[len] != '\t')
		return false;
	memcpy(boundary, at, len);
	boundary[len] = '\0';
	return true;
}

static const char *
skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

static bool
is_boundary_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		   (c != '\0' && strchr("'()+_,-./:=?", c) != NULL);
}

/*
 * The start of the next delimiter's line at or after from, which is the start of a line; NULL where
 * there is none. *behind is where its line ends; *last, whether it ends the whole.
 */
static const char *
find_delimiter(const CxsigMultipart *multipart, const char *from, const char **behind, bool *last)
{
	const char *line = from;

	while (line < multipart->end)
	{
		*behind = match_delimiter(multipart, line, last);
		if (*behind != NULL)
			return line;
		line = next_line(line, multipart->end);
	}
	*behind = NULL;
	return NULL;
}

/* Where the line ends, if it is a delimiter's. The last one needs no line end. */
static const char *
match_delimiter(const CxsigMultipart *multipart, const char *line, bool *last)
{
	size_t len = strlen(multipart->delimiter);
	const char *at = line + len;
	const char *end = multipart->end;

	if ((size_t) (end - line) < len || memcmp(line, multipart->delimiter, len) != 0)
		return NULL;
	*last = end - at >= 2 && at[0] == '-' && at[1] == '-';
	if (*last)
		at += 2;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (*last && (at == end || (at == end - 1 && *at == '\r')))
		return end;
	return is_blank_line(at, end) ? next_line(at, end) : NULL;
}

bool
cxsig_multipart_next(CxsigMultipart *multipart, CxsigMultipartPart *part)
{
	const char *start = multipart->at;
	const char *behind;
	const char *delimiter;
	bool last;

	if (start == NULL)
		return false;
	delimiter = find_delimiter(multipart, start, &behind, &last);
	multipart->at = delimiter != NULL && !last ? behind : NULL;
	if (delimiter == NULL)
		return false;
	/* the line end before a delimiter belongs to it */
	if (delimiter > start && delimiter[-1] == '\n')
		delimiter--;
	if (delimiter > start && delimiter[-1] == '\r')
		delimiter--;
	read_part(start, delimiter, part);
	return true;
}

/* Its own headers, an empty line, and the answer: status line, headers, an empty line, body. */
static void
read_part(const char *at, const char *end, CxsigMultipartPart *part)
{
	CxsigMultipartText own;
	const char *line;

	memset(part, 0, sizeof(*part));
	part->content_id = -1;
	if (!read_headers(&at, end, &own))
		return;
	part->content_id = read_content_id(find_header(own, "content-id"));
	if (!is_http(find_header(own, "content-type")))
		return;
	line = at;
	at = next_line(at, end);
	/* an answer of its status alone: the line end of the empty line was the delimiter's */
	if (at[-1] != '\n' || (at < end && !read_headers(&at, end, &part->headers)))
		return;
	part->body.start = at;
	part->body.len = end - at;
	part->status = read_status(line, end);
}

/* Lines up to an empty one; false where there is none. */
static bool
read_headers(const char **at, const char *end, CxsigMultipartText *headers)
{
	headers->start = *at;
	while (*at < end && !is_blank_line(*at, end))
		*at = next_line(*at, end);
	headers->len = *at - headers->start;
	if (*at >= end)
		/* the line end of the last header may have been the delimiter's: nothing is behind it */
		return headers->len > 0;
	*at = next_line(*at, end);
	return true;
}

static const char *
next_line(const char *at, const char *end)
{
	const char *feed = memchr(at, '\n', end - at);

	return feed != NULL ? feed + 1 : end;
}

static bool
is_blank_line(const char *at, const char *end)
{
	return at < end && (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n'));
}

CxsigMultipartText
cxsig_multipart_header(const CxsigMultipartPart *part, const char *name)
{
	return find_header(part->headers, name);
}

static CxsigMultipartText
find_header(CxsigMultipartText headers, const char *name)
{
	CxsigMultipartText value = {NULL, 0};
	const char *end = headers.start + headers.len;
	const char *line;
	size_t len = strlen(name);

	if (headers.start == NULL)
		return value;
	for (line = headers.start; line < end; line = next_line(line, end))
	{
		const char *stop = next_line(line, end);

		if ((size_t) (stop - line) <= len || pg_strncasecmp(line, name, len) != 0 ||
			line[len] != ':')
			continue;
		value.start = line + len + 1;
		while (value.start < stop && (*value.start == ' ' || *value.start == '\t'))
			value.start++;
		while (stop > value.start &&
			   (stop[-1] == '\n' || stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
			stop--;
		value.len = stop - value.start;
		break;
	}
	return value;
}

static bool
is_http(CxsigMultipartText type)
{
	static const char http[] = "application/http";
	size_t len = strlen(http);

	if (type.start == NULL || type.len < len || pg_strncasecmp(type.start, http, len) != 0)
		return false;
	return type.len == len || type.start[len] == ';' || type.start[len] == ' ';
}

/* "HTTP/1.1 204 No Content"; 0 for anything else. */
static int
read_status(const char *line, const char *end)
{
	static const char http[] = "HTTP/1.";
	size_t len = strlen(http);
	int status;

	if ((size_t) (end - line) < len + 5 || memcmp(line, http, len) != 0 || line[len + 1] != ' ')
		return 0;
	line += len + 2;
	for (int i = 0; i < 3; i++)
	{
		if (line[i] < '0' || line[i] > '9')
			return 0;
	}
	status = (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
	if (end - line > 3 && line[3] != ' ' && line[3] != '\r' && line[3] != '\n')
		return 0;
	return status >= 200 && status <= 599 ? status : 0;
}

static int
read_content_id(CxsigMultipartText value)
{
	int id = 0;

	if (value.start == NULL || value.len == 0 || value.len > 6)
		return -1;
	for (size_t i = 0; i < value.len; i++)
	{
		if (value.start[i] < '0' || value.start[i] > '9')
			return -1;
		id = id * 10 + value.start[i] - '0';
	}
	return id;
}
