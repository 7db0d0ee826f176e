/*
 * token_task.h
 *	  The token of one credential in this process, and the guarded tasks that it needs. For token.c.
 */
#ifndef CXSIG_TOKEN_TASK_H
#define CXSIG_TOKEN_TASK_H

#include "dispatch/sender.h"
#include "transport/credential.h"

typedef enum CxsigKeeperState
{
	CXSIG_KEEPER_IDLE,
	CXSIG_KEEPER_ASKING,   /* a request is out */
	CXSIG_KEEPER_WRITING,  /* next is to be written */
	CXSIG_KEEPER_RELEASING /* the lock is to be given up */
} CxsigKeeperState;

typedef struct CxsigKeeper
{
	CxsigCallOwner owner; /* first: of the request for a token */
	dlist_node node;
	MemoryContext context; /* everything here */
	CxsigCredential *credential;
	CxsigHttpLimits limits;
	char name[64]; /* of the destination that came first, for the log */
	int users;	   /* destinations */
	CxsigKeeperState state;
	bool locked;	  /* we hold the advisory lock */
	CxsigToken token; /* what requests carry */
	CxsigToken next;  /* WRITING: what was granted */

	/* when, by cxsig_clock_now() */
	TimestampTz renew_at;
	TimestampTz unusable_at;
	TimestampTz retry_at; /* nothing is tried before */
	int failures;		  /* requests in a row that were to be made again */

	int64 refused; /* serial of the newest that a remote would not have; those before count too */
	bool after_refusal; /* the token was got because the one before was refused */
	bool proven;		/* a request with it was not refused */
} CxsigKeeper;

/* What a look into the table is for, and finds; strings in the keeper's context. */
typedef struct CxsigTokenLook
{
	CxsigKeeper *keeper;
	CxsigToken found;
} CxsigTokenLook;

/* What a write needs and says. */
typedef struct CxsigTokenWrite
{
	CxsigKeeper *keeper;
	int64 serial;
} CxsigTokenWrite;

/* Is a token good enough not to ask for another? By the time of day. */
extern bool cxsig_keeper_likes(const CxsigKeeper *keeper, const CxsigToken *token);

/* When it is to be renewed. */
extern TimestampTz cxsig_token_renew_at(const CxsigToken *token);

/* Let go of the strings of a token. */
extern void cxsig_keeper_drop(CxsigToken *token);

/* Guarded tasks. Read the newest token; where that is not good enough, try to get the lock. */
extern void cxsig_token_task_look(void *arg);

/* Write keeper->next. */
extern void cxsig_token_task_write(void *arg);

/* Give up the lock. Not with the write: it would be free before what was written can be seen. */
extern void cxsig_token_task_release(void *arg);

#endif
