/*
 * clock.h
 *	  The time by which a process plans: it starts out as the time of day and then runs evenly, so that
 *	  a clock set back (or forward) neither stalls nor rushes what waits. What is written down, signed
 *	  or shown is the time of day.
 */
#ifndef CXSIG_CLOCK_H
#define CXSIG_CLOCK_H

#include "datatype/timestamp.h"

extern TimestampTz cxsig_clock_now(void);

/* A planned moment as time of day, and back; DT_NOEND stays what it is. */
extern TimestampTz cxsig_clock_to_wall(TimestampTz planned);
extern TimestampTz cxsig_clock_from_wall(TimestampTz wall);

#endif
