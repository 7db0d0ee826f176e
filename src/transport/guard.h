/*
 * guard.h
 *	  Where this server may talk to: cxsig.allowed_networks, checked on the address a socket is
 *	  about to connect to, so that a name that resolves elsewhere the second time gains nothing.
 *
 * The list's elements, separated by commas; the empty list allows nothing:
 *
 *	  public	every address that anybody on the internet can reach
 *	  private	10/8, 172.16/12, 192.168/16 and fc00::/7, without clouds' metadata addresses
 *	  loopback	127/8 and ::1
 *	  10.1.0.0/16, fd00:1::/32, 192.0.2.7: blocks, single addresses
 *
 * An IPv6 address that stands for an IPv4 address is judged as that one.
 */
#ifndef CXSIG_GUARD_H
#define CXSIG_GUARD_H

#include <sys/socket.h>

/* Define cxsig.allowed_networks; called once from _PG_init. */
extern void cxsig_guard_define_setting(void);

/* Check hook body for the setting: false and GUC_check_errdetail where it does not parse. */
extern bool cxsig_guard_check(const char *networks);

/* Parse the setting into the table the guard uses; called by the assign hook. Cannot fail. */
extern void cxsig_guard_assign(const char *networks);

/* May a socket be opened to this address? Safe in a foreign callback: no palloc, no ereport. */
extern bool cxsig_guard_allows(const struct sockaddr *address);

/* The address as text, for people, cut to size. Safe in a foreign callback. */
extern void cxsig_guard_describe(const struct sockaddr *address, char *text, size_t size);

#endif
