/*
 * unit.c
 *	  Runs the checks and ends with "N passed, N failed".
 */
#include "postgres.h"

#include "unit.h"

static int passed = 0;
static int failed = 0;

int
main(void)
{
	unit_sign();
	unit_alerts();
	unit_answer();
	unit_batch();
	unit_dynamics();
	unit_follow();
	unit_guard();
	unit_hubspot();
	unit_json();
	unit_multipart();
	unit_outcome();
	unit_pem();
	unit_quota();
	unit_ratelimit();
	unit_record();
	unit_results();
	unit_token();
	unit_salesforce();
	unit_trace();
	unit_url();
	unit_zendesk();
	unit_zendesk_answers();
	unit_reset_memory();
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}

void
unit_check(bool ok, const char *file, int line, const char *what)
{
	if (ok)
	{
		passed++;
		return;
	}
	failed++;
	printf("FAILED %s:%d: %s\n", file, line, what);
}

void
unit_check_text(const char *got, const char *expected, const char *file, int line, const char *what)
{
	bool ok = got != NULL && strcmp(got, expected) == 0;

	unit_check(ok, file, line, what);
	if (!ok)
		printf("    expected: %s\n    got:      %s\n", expected, got != NULL ? got : "(null)");
}
