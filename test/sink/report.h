/*
 * report.h
 *	  What the sink says about itself: counters, records, what is missing.
 */
#ifndef SINK_REPORT_H
#define SINK_REPORT_H

#include <microhttpd.h>

#include "store.h"

/* Append a path's counters as a JSON object. */
extern void sink_report_stats(const SinkPath *path, SinkBuffer *out);

/* Answer with the records from number after on, oldest first, one JSON object a line. */
extern enum MHD_Result sink_report_log(const SinkPath *path, int64_t after, int64_t limit,
									   struct MHD_Connection *connection);

/*
 * ids holds one event id a line: append how many of them never got a 2xx answer, with examples,
 * and how many others did.
 */
extern void sink_report_missing(const SinkPath *path, SinkText ids, SinkBuffer *out);

#endif
