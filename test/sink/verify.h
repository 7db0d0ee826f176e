/*
 * verify.h
 *	  Standard Webhooks v1: is a message signed with one of these secrets, and recently?
 */
#ifndef SINK_VERIFY_H
#define SINK_VERIFY_H

#include "buffer.h"

#define SINK_TOLERANCE_S 300

typedef enum SinkSignature
{
	SINK_SIGNATURE_UNCHECKED, /* no secret is set for the path */
	SINK_SIGNATURE_OK,
	SINK_SIGNATURE_MISSING,
	SINK_SIGNATURE_WRONG,
	SINK_SIGNATURE_OLD /* right, but its timestamp is too far from now */
} SinkSignature;

typedef struct SinkSecret SinkSecret;

/* A secret made ready from "whsec_<base64>" (the prefix may be left out), NULL if it is not one. */
extern SinkSecret *sink_secret_prepare(const char *text);
extern void sink_secret_free(SinkSecret *secret);

/* id, timestamp and signature are header values, NULL where the header was missing. */
extern SinkSignature sink_verify(SinkSecret *const *secrets, int n_secrets, const char *id,
								 const char *timestamp, const char *signature, SinkText body,
								 int64_t now_us);

extern const char *sink_signature_name(SinkSignature signature);

#endif
