/*
 * dispatcher.h
 *	  The dispatcher: the process that delivers. Its entry point, and what the launcher tells it.
 */
#ifndef CXSIG_DISPATCHER_H
#define CXSIG_DISPATCHER_H

#include "postgres.h"

/* In bgw_extra of a dispatcher; bgw_main_arg is the index of its slot. */
typedef struct CxsigDispatcherStart
{
	uint32 generation; /* of the slot */
	Oid role;		   /* to run as */
} CxsigDispatcherStart;

extern PGDLLEXPORT void cxsig_dispatcher_main(Datum arg);

#endif
