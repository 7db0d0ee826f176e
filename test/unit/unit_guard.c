/*
 * unit_guard.c
 *	  The address guard: what each word and block lets through, and settings that are refused.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "transport/guard.h"
#include "unit.h"

typedef struct Case
{
	const char *address;
	bool public;
	bool private;
	bool loopback;
} Case;

static const Case cases[] = {
	{"8.8.8.8", true, false, false},
	{"1.1.1.1", true, false, false},
	{"9.255.255.255", true, false, false},
	{"11.0.0.0", true, false, false},
	{"172.15.255.255", true, false, false},
	{"172.32.0.0", true, false, false},
	{"100.63.255.255", true, false, false},
	{"100.128.0.0", true, false, false},
	{"198.17.255.255", true, false, false},
	{"223.255.255.255", true, false, false},
	{"10.0.0.1", false, true, false},
	{"172.16.0.1", false, true, false},
	{"172.31.255.255", false, true, false},
	{"192.168.1.1", false, true, false},
	{"127.0.0.1", false, false, true},
	{"127.255.255.254", false, false, true},
	{"0.0.0.0", false, false, false},
	{"0.1.2.3", false, false, false},
	{"100.64.0.1", false, false, false},
	{"100.100.100.200", false, false, false},
	{"169.254.169.254", false, false, false},
	{"192.0.0.8", false, false, false},
	{"192.0.2.1", false, false, false},
	{"198.18.0.1", false, false, false},
	{"198.19.255.255", false, false, false},
	{"198.51.100.7", false, false, false},
	{"203.0.113.7", false, false, false},
	{"224.0.0.1", false, false, false},
	{"239.1.2.3", false, false, false},
	{"240.0.0.1", false, false, false},
	{"255.255.255.255", false, false, false},
	{"2606:4700:4700::1111", true, false, false},
	{"2a00:1450:4001:80b::200e", true, false, false},
	{"::1", false, false, true},
	{"::", false, false, false},
	{"::7f00:1", false, false, false},
	{"fc00::1", false, true, false},
	{"fd12:3456::1", false, true, false},
	{"fd00:ec2::254", false, false, false},
	{"fd20:ce::254", false, false, false},
	{"fe80::1", false, false, false},
	{"fec0::1", false, false, false},
	{"ff02::1", false, false, false},
	{"100::1", false, false, false},
	{"2001:db8::1", false, false, false},
	{"3fff::1", false, false, false},
	{"2001::1", false, false, false},
	{"2001:10::1", false, false, false},
	{"2002:7f00:1::1", false, false, false},
	{"4000::1", false, false, false},
	{"::ffff:8.8.8.8", true, false, false},
	{"::ffff:127.0.0.1", false, false, true},
	{"::ffff:10.1.2.3", false, true, false},
	{"::ffff:169.254.169.254", false, false, false},
	{"64:ff9b::8.8.8.8", true, false, false},
	{"64:ff9b::10.0.0.1", false, false, false},
	{"64:ff9b::127.0.0.1", false, false, false},
	{"64:ff9b:1::8.8.8.8", false, false, false},
};

static bool allows(const char *address);
static bool valid(const char *networks);
static void check_cases(void);
static void check_blocks(void);
static void check_settings(void);

void
unit_guard(void)
{
	check_cases();
	check_blocks();
	check_settings();
}

static void
check_cases(void)
{
	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		cxsig_guard_assign("public");
		unit_check(allows(cases[i].address) == cases[i].public, cases[i].address, 0, "public");
		cxsig_guard_assign("private");
		unit_check(allows(cases[i].address) == cases[i].private, cases[i].address, 0, "private");
		cxsig_guard_assign("loopback");
		unit_check(allows(cases[i].address) == cases[i].loopback, cases[i].address, 0, "loopback");
		cxsig_guard_assign("");
		unit_check(!allows(cases[i].address), cases[i].address, 0, "nothing");
	}
}

static void
check_blocks(void)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/tmp/socket"};

	cxsig_guard_assign(" public , 10.1.0.0/16,fd00:1::/32, 100.64.0.7 ,192.168.5.128/25");
	CHECK(allows("8.8.8.8"));
	CHECK(allows("10.1.255.255"));
	CHECK(!allows("10.2.0.0"));
	CHECK(!allows("10.0.255.255"));
	CHECK(allows("::ffff:10.1.2.3"));
	CHECK(allows("fd00:1:ffff::1"));
	CHECK(!allows("fd00:2::1"));
	CHECK(allows("100.64.0.7"));
	CHECK(!allows("100.64.0.8"));
	CHECK(allows("192.168.5.128"));
	CHECK(!allows("192.168.5.127"));

	cxsig_guard_assign("::/0");
	CHECK(allows("2001:db8::1"));
	CHECK(!allows("10.1.2.3"));
	CHECK(!allows("::ffff:10.1.2.3"));
	cxsig_guard_assign("0.0.0.0/0");
	CHECK(allows("169.254.169.254"));
	CHECK(!allows("2001:db8::1"));
	cxsig_guard_assign("::ffff:10.0.0.0/104");
	CHECK(allows("10.1.2.3"));
	CHECK(!allows("11.1.2.3"));
	cxsig_guard_assign("fd00:ec2::254, private");
	CHECK(allows("fd00:ec2::254"));

	cxsig_guard_assign("0.0.0.0/0, ::/0, public, private, loopback");
	CHECK(!cxsig_guard_allows((struct sockaddr *) &local));
	cxsig_guard_assign(NULL);
	CHECK(!allows("8.8.8.8"));
}

static void
check_settings(void)
{
	char many[4096] = "10.0.0.0";

	CHECK(valid(""));
	CHECK(valid("public"));
	CHECK(valid("PUBLIC, Loopback"));
	CHECK(valid("10.0.0.0/8"));
	CHECK(valid("::1/128"));
	CHECK(!valid("public,"));
	CHECK(!valid(","));
	CHECK(!valid("intranet"));
	CHECK(!valid("10.0.0"));
	CHECK(!valid("10.0.0.0/33"));
	CHECK(!valid("10.0.0.0/-1"));
	CHECK(!valid("10.0.0.0/"));
	CHECK(!valid("10.0.0.0/8/8"));
	CHECK(!valid("10.0.0.1/8"));
	CHECK(!valid("fd00::1/64"));
	CHECK(!valid("::/129"));
	CHECK(!valid("example.com"));
	CHECK(!valid("10.0.0.0/8 10.1.0.0/16"));
	CHECK(!valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));

	for (int i = 1; i < 128; i++)
		strlcat(many, ",10.0.0.0", sizeof(many));
	CHECK(valid(many));
	strlcat(many, ",10.0.0.0", sizeof(many));
	CHECK(!valid(many));
}

static bool
allows(const char *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return cxsig_guard_allows((struct sockaddr *) &v4);
	if (inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
		unit_check(false, address, 0, "is no address");
	return cxsig_guard_allows((struct sockaddr *) &v6);
}

static bool
valid(const char *networks)
{
	return cxsig_guard_check(networks);
}
