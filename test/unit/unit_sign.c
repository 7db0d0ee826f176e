/*
 * unit_sign.c
 *	  Signatures: a vector computed by other implementations, rotation, and keys that are refused.
 */
#include "postgres.h"

#include "transport/sign.h"
#include "unit.h"

#define VECTOR_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define VECTOR_ID "msg_cxsig_0001"
#define VECTOR_TIMESTAMP "1764000000"
#define VECTOR_BODY                                                                            \
	"{\"type\":\"cx.signal.v1\",\"timestamp\":\"2025-11-24T16:00:00.000Z\",\"data\":{\"event_" \
	"id\":"                                                                                    \
	"\"evt_0001\",\"ticket_id\":\"T-42\",\"account_id\":\"A-7\",\"sentiment\":\"negative\","   \
	"\"churn_risk\":0.82,\"effort\":4,\"version\":3}}"
#define VECTOR_SIGNATURE "v1,fCVsGvhtHi7aA5tdzdfTGF38cMyDQlAwJJBuYPIYmOo="

/* 24, 64 and 65 bytes of zeros */
#define SHORTEST_KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define TOO_SHORT_KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define LONGEST_KEY \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define TOO_LONG_KEY \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static const char *sign(CxsigSigner *signer, TimestampTz at);
static const char *sign_with(const char *secret);
static bool refused(const char *secret);

void
unit_sign(void)
{
	CxsigSigner *signer = cxsig_sign_create();

	CHECK_TEXT(sign_with("whsec_" VECTOR_KEY), VECTOR_SIGNATURE);
	CHECK_TEXT(sign_with(VECTOR_KEY), VECTOR_SIGNATURE);
	CHECK_TEXT(sign_with("  whsec_" VECTOR_KEY "\r\n"), VECTOR_SIGNATURE);
	CHECK_TEXT(sign_with("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), VECTOR_SIGNATURE);

	/* no key, and no key any more */
	CHECK(sign(signer, 0) == NULL);
	cxsig_sign_add_key(signer, VECTOR_KEY, 1000, "d");
	CHECK_TEXT(sign(signer, 999), VECTOR_SIGNATURE);
	CHECK_TEXT(sign(signer, 999), VECTOR_SIGNATURE); /* the key starts over each time */
	CHECK(sign(signer, 1000) == NULL);

	/* rotation: the newer key first, the older until it expires */
	signer = cxsig_sign_create();
	cxsig_sign_add_key(signer, SHORTEST_KEY, DT_NOEND, "d");
	cxsig_sign_add_key(signer, VECTOR_KEY, 1000, "d");
	CHECK(strlen(sign(signer, 999)) == 2 * 47 + 1);
	CHECK(strstr(sign(signer, 999), " " VECTOR_SIGNATURE) != NULL);
	CHECK(strlen(sign(signer, 1000)) == 47);

	CHECK(!refused(SHORTEST_KEY));
	CHECK(!refused(LONGEST_KEY));
	CHECK(refused(TOO_SHORT_KEY));
	CHECK(refused(TOO_LONG_KEY));
	CHECK(refused(TOO_LONG_KEY TOO_LONG_KEY TOO_LONG_KEY TOO_LONG_KEY TOO_LONG_KEY));
	CHECK(refused(""));
	CHECK(refused("whsec_"));
	CHECK(refused("correct horse battery staple, and more of it"));
	CHECK(refused("whsk_" VECTOR_KEY));

	/* the message says whose it is, not what it is */
	CHECK(refused("whsec_tellnobodytellnobody"));
	CHECK(strstr(unit_error, "\"billing\"") != NULL);
	CHECK(strstr(unit_error, "tellnobody") == NULL);
}

/* The signature of the vector's message, or NULL. */
static const char *
sign(CxsigSigner *signer, TimestampTz at)
{
	StringInfoData out;

	initStringInfo(&out);
	if (!cxsig_sign_append(signer, at, VECTOR_ID, VECTOR_TIMESTAMP, VECTOR_BODY,
						   strlen(VECTOR_BODY), &out))
		return NULL;
	return out.data;
}

static const char *
sign_with(const char *secret)
{
	CxsigSigner *signer = cxsig_sign_create();

	cxsig_sign_add_key(signer, secret, DT_NOEND, "d");
	return sign(signer, 0);
}

static bool
refused(const char *secret)
{
	return RAISES(cxsig_sign_add_key(cxsig_sign_create(), secret, DT_NOEND, "billing"));
}
