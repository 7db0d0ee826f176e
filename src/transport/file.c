/*
 * file.c
 *	  Reading a file by name out of a directory that a setting names. The names come from SQL, so they
 *	  must not lead out of it. Runs in dispatchers and in ordinary backends; no table, no lock.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "storage/fd.h"
#include "transport/file.h"

static char *read_all(int fd, const CxsigFilePlace *place, char **reason);
static bool is_plain_name(const char *name);

char *
cxsig_file_read(const CxsigFilePlace *place, const char *name, char **reason)
{
	const char *directory = *place->directory;
	char path[MAXPGPATH];
	char *contents;
	int fd;

	if (directory == NULL || directory[0] == '\0')
	{
		*reason = psprintf("the setting \"%s\" is empty", place->setting);
		return NULL;
	}
	if (!is_plain_name(name))
	{
		*reason = psprintf("it does not name a file in \"%s\"", place->setting);
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);
	if (fd < 0)
	{
		*reason =
			psprintf("could not open the file in \"%s\": %s", place->setting, strerror(errno));
		return NULL;
	}
	contents = read_all(fd, place, reason);
	CloseTransientFile(fd);
	return contents;
}

static char *
read_all(int fd, const CxsigFilePlace *place, char **reason)
{
	StringInfoData contents;
	char block[8192];
	ssize_t n;

	initStringInfo(&contents);
	while ((n = read(fd, block, sizeof(block))) > 0 && contents.len <= place->max_size)
		appendBinaryStringInfo(&contents, block, (int) n);
	if (n < 0)
		*reason =
			psprintf("could not read the file in \"%s\": %s", place->setting, strerror(errno));
	else if (contents.len > place->max_size)
		*reason = psprintf("the file is larger than %d bytes", place->max_size);
	else
	{
		while (contents.len > 0 && strchr("\r\n", contents.data[contents.len - 1]) != NULL)
			contents.data[--contents.len] = '\0';
		if (contents.len > 0)
			return contents.data;
		*reason = pstrdup("the file is empty");
	}
	return NULL;
}

/* Refused here as well as when it is set. */
static bool
is_plain_name(const char *name)
{
	return name[0] != '\0' && strpbrk(name, "/\\") == NULL && strstr(name, "..") == NULL;
}
