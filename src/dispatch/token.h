/*
 * token.h
 *	  Tokens of the destinations of this dispatcher: got before they are needed, renewed before they
 *	  end, one for all destinations with the same credential.
 *
 * The token of a credential, in this process:
 *
 *	  IDLE -(wanted; the table has no good one, the lock is ours)-> ASKING
 *	  ASKING -(granted)-> WRITING -(committed)-> RELEASING -> IDLE
 *	  ASKING -(later, or refused: the destinations stop)-> RELEASING -> IDLE
 *
 * While a new one is asked for, the old one is used as long as it is good. Among processes a session-level
 * advisory lock sees to it that one asks; the others look into cxsig.token until it is there.
 */
#ifndef CXSIG_DISPATCH_TOKEN_H
#define CXSIG_DISPATCH_TOKEN_H

#include "dispatch/batch.h"

/* A destination was loaded, and is forgotten. Nothing where its requests carry no token. */
extern void cxsig_token_attach(CxsigDestination *destination);
extern void cxsig_token_detach(CxsigDestination *destination);

/* Is there a token to send with? True where none is needed. */
extern bool cxsig_token_ready(const CxsigDestination *destination, TimestampTz now);

/* Which one it is; 0 where none is needed. */
extern int64 cxsig_token_serial(const CxsigDestination *destination);

/*
 * A batch was answered. Was it refused for its token, and shall it be sent again with another? Then
 * that one is asked for, unless it is there.
 */
extern bool cxsig_token_sends_again(CxsigBatch *batch, const CxsigResult *results);

/* Read, lock, write: what is due. False where the database would not. */
extern bool cxsig_token_turn(TimestampTz now, bool *gone);

/* When there is something to do next, other than after an answer; DT_NOEND for never. */
extern TimestampTz cxsig_token_due(TimestampTz now);

/*
 * How many ms longer the end of the process is put off for a request that is out: its answer may bring the
 * only refresh token that is still good.
 */
extern int cxsig_token_grace_ms(void);

/* Before the end: write what was granted and is not written yet. False where the database would not. */
extern bool cxsig_token_flush(bool *gone);

#endif
