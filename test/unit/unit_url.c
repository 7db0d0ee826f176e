/*
 * unit_url.c
 *	  URLs that can be sent to, and that cannot.
 */
#include "postgres.h"

#include "transport/http.h"
#include "unit.h"

static const char *const good[] = {"http://127.0.0.1:8080/in/crm?delay_ms=5", "https://example.com",
								   "HTTPS://Example.COM:8443/a/b", "http://[::1]:80/x",
								   "https://example.com/%7Euser?a=b@c"};

static const char *const bad[] = {"",
								  "example.com/hook",
								  "ftp://example.com/",
								  "file:///etc/passwd",
								  "gopher://127.0.0.1:11211/x",
								  "https://",
								  "https:///path",
								  "http://user@example.com/",
								  "http://user:pass@example.com/",
								  "http://:pass@example.com/",
								  "https://example.com/#part",
								  "https://example.com/a b",
								  "https://exa mple.com/",
								  "https://example.com:99999/",
								  "https://example.com:port/",
								  "https://example.com/\r\nX-Evil: 1",
								  "https://b\xc3\xbc"
								  "cher.example/"};

void
unit_url(void)
{
	char longest[3000] = "https://example.com/";

	for (int i = 0; i < (int) lengthof(good); i++)
		unit_check(cxsig_http_check_url(good[i]) == NULL, good[i], 0, "is taken");
	for (int i = 0; i < (int) lengthof(bad); i++)
		unit_check(cxsig_http_check_url(bad[i]) != NULL, bad[i], 0, "is refused");
	memset(longest + strlen(longest), 'a', 2500);
	CHECK(cxsig_http_check_url(longest) != NULL);
}
