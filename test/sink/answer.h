/*
 * answer.h
 *	  Sending an answer: the plain ones fast, the odd ones correctly wrong.
 */
#ifndef SINK_ANSWER_H
#define SINK_ANSWER_H

#include "request.h"

extern void sink_answer_init(void);

/* Send request->answer. MHD_NO closes the connection, which is what some answers are. */
extern enum MHD_Result sink_answer_send(SinkRequest *request, struct MHD_Connection *connection);

/* Send a text of that media type. */
extern enum MHD_Result sink_answer_text(struct MHD_Connection *connection, int status,
										const char *type, const char *text, size_t len);

/* Send {"error": "..."}; the text is formatted. */
extern enum MHD_Result sink_answer_error(struct MHD_Connection *connection, int status,
										 const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
