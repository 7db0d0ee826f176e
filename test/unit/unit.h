/*
 * unit.h
 *	  Checks of pure functions, linked without a server. A check counts, says what failed, goes on.
 */
#ifndef CXSIG_UNIT_H
#define CXSIG_UNIT_H

#include <setjmp.h>

extern void unit_check(bool ok, const char *file, int line, const char *what);
extern void unit_check_text(const char *got, const char *expected, const char *file, int line,
							const char *what);

#define CHECK(condition) unit_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_TEXT(got, expected) unit_check_text((got), (expected), __FILE__, __LINE__, #got)

/* Is an ERROR raised by the statement? Its message, detail and hint are then in unit_error. */
extern char unit_error[2048];
extern sigjmp_buf unit_catcher;
extern bool unit_catching;
#define RAISES(statement)  \
	(unit_catching = true, \
	 sigsetjmp(unit_catcher, 0) != 0 ? true : ((statement), unit_catching = false, false))

/* The memory context that stubs keep reset callbacks for. */
extern void unit_reset_memory(void);

extern void unit_alerts(void);
extern void unit_answer(void);
extern void unit_batch(void);
extern void unit_dynamics(void);
extern void unit_follow(void);
extern void unit_guard(void);
extern void unit_hubspot(void);
extern void unit_json(void);
extern void unit_multipart(void);
extern void unit_outcome(void);
extern void unit_pem(void);
extern void unit_quota(void);
extern void unit_ratelimit(void);
extern void unit_record(void);
extern void unit_results(void);
extern void unit_salesforce(void);
extern void unit_sign(void);
extern void unit_token(void);
extern void unit_trace(void);
extern void unit_url(void);
extern void unit_zendesk(void);
extern void unit_zendesk_answers(void);

#endif
