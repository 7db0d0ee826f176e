/*
 * stubs.c
 *	  What the functions under check need of a server: errors, a little memory, a clock. Errors are
 *	  caught by RAISES; one that nobody expects ends the run.
 */
#include "postgres.h"

#include <sys/time.h>
#include <time.h>

#include "event/mapping.h"
#include "mb/pg_wchar.h"
#include "transport/alert_config.h"
#include "unit.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

char unit_error[2048];
sigjmp_buf unit_catcher;
bool unit_catching = false;

int MyProcPid = 4711;
MemoryContext CurrentMemoryContext = NULL;
char *GUC_check_errmsg_string = NULL;
char *GUC_check_errdetail_string = NULL;
char *GUC_check_errhint_string = NULL;

static MemoryContextCallback *reset_callbacks = NULL;

static int
add_error(const char *format, va_list args)
{
	size_t len = strlen(unit_error);

	vsnprintf(unit_error + len, sizeof(unit_error) - len, format, args);
	strlcat(unit_error, "\n", sizeof(unit_error));
	return 0;
}

#define DEFINE_MESSAGE(function)          \
	int function(const char *format, ...) \
	{                                     \
		va_list args;                     \
                                          \
		va_start(args, format);           \
		add_error(format, args);          \
		va_end(args);                     \
		return 0;                         \
	}

DEFINE_MESSAGE(errmsg)
DEFINE_MESSAGE(errmsg_internal)
DEFINE_MESSAGE(errdetail)
DEFINE_MESSAGE(errdetail_internal)
DEFINE_MESSAGE(errhint)

bool
errstart(int elevel, const char *domain)
{
	unit_error[0] = '\0';
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *file, int line, const char *function)
{
	if (!unit_catching)
	{
		fprintf(stderr, "unexpected error at %s:%d: %s\n", file, line, unit_error);
		exit(1);
	}
	unit_catching = false;
	siglongjmp(unit_catcher, 1);
}

int
errcode(int code)
{
	return 0;
}

void
pre_format_elog_string(int save_errno, const char *domain)
{
}

char *
format_elog_string(const char *format, ...)
{
	static char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return text;
}

void
ExceptionalCondition(const char *condition, const char *type, const char *file, int line)
{
	fprintf(stderr, "assertion failed at %s:%d: %s\n", file, line, condition);
	abort();
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return palloc0(size);
}

void
MemoryContextRegisterResetCallback(MemoryContext context, MemoryContextCallback *callback)
{
	callback->next = reset_callbacks;
	reset_callbacks = callback;
}

void
unit_reset_memory(void)
{
	for (; reset_callbacks != NULL; reset_callbacks = reset_callbacks->next)
		reset_callbacks->func(reset_callbacks->arg);
}

TimestampTz
GetCurrentTimestamp(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (now.tv_sec - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * INT64CONST(86400)) *
			   USECS_PER_SEC +
		   now.tv_usec;
}

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

int
pg_lltoa(int64 value, char *text)
{
	return sprintf(text, INT64_FORMAT, value);
}

/* No check reads a config of alerts. */
CxsigAlerter *
cxsig_alerter_create(const CxsigTransportSource *source, const CxsigTransportOps *ops,
					 const char *url)
{
	abort();
}

/* No check renders through a mapping. */
void
cxsig_mapping_render(const CxsigMapping *mapping, const CxsigEvent *event, StringInfo out)
{
	abort();
}

void
j2date(int julian, int *year, int *month, int *day)
{
	time_t seconds = (time_t) (julian - UNIX_EPOCH_JDATE) * 86400;
	struct tm date;

	gmtime_r(&seconds, &date);
	*year = date.tm_year + 1900;
	*month = date.tm_mon + 1;
	*day = date.tm_mday;
}
