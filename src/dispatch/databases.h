/*
 * databases.h
 *	  Which databases of the cluster may get dispatchers.
 */
#ifndef CXSIG_DATABASES_H
#define CXSIG_DATABASES_H

#include "nodes/pg_list.h"

/* A database as the launcher sees it in a turn. */
typedef struct CxsigDatabase
{
	Oid oid;
	char *name;
} CxsigDatabase;

/*
 * The databases that may get a dispatcher, in the current context, and the role to run as. None
 * while that role is missing: then no database has the extension.
 */
extern List *cxsig_databases_read(Oid *worker_role);

extern bool cxsig_databases_contain(List *databases, Oid oid);

#endif
