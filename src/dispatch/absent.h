/*
 * absent.h
 *	  Databases that had no extension when a dispatcher looked: the launcher's memory of them.
 */
#ifndef CXSIG_ABSENT_H
#define CXSIG_ABSENT_H

#include "postgres.h"

/* A dispatcher found no extension there. */
extern void cxsig_absent_add(Oid database);

/* The extension has come, or may have. */
extern void cxsig_absent_forget(Oid database);

/* Was none found there, less than an hour ago? */
extern bool cxsig_absent_contains(Oid database);

#endif
