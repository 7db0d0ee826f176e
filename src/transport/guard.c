/*
 * guard.c
 *	  Which addresses sockets may be opened to: the setting cxsig.allowed_networks as a table.
 *
 * Every process has its own table, rewritten by the setting's assign hook and read from curl's
 * open-socket callback, on the same thread. No locks. Everything here is memory comparison: an
 * address is turned into 16 bytes, IPv4 as ::ffff:a.b.c.d, and held against blocks of such bytes.
 * An IPv6 block shorter than that prefix does not speak for IPv4 addresses: "::/0" is IPv6 only.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "transport/guard.h"
#include "utils/guc.h"

#define MAX_BLOCKS 128
#define V4_BITS 96 /* length of the prefix that marks an IPv4 address */

typedef struct GuardAddress
{
	uint8 bytes[16];
} GuardAddress;

typedef struct GuardBlock
{
	GuardAddress address;
	int bits;
	bool v4;
} GuardBlock;

typedef struct GuardTable
{
	bool public;
	bool private;
	bool loopback;
	int n_blocks;
	GuardBlock blocks[MAX_BLOCKS];
} GuardTable;

/* A block as it is written down. */
typedef struct GuardRange
{
	uint8 bytes[16];
	uint8 bits;
} GuardRange;

#define V4_RANGE(a, b, c, d, bits)                                               \
	{                                                                            \
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, V4_BITS + (bits) \
	}
#define V6_RANGE(bits, ...) \
	{                       \
		{__VA_ARGS__}, bits \
	}

static const GuardRange loopback_ranges[] = {
	V4_RANGE(127, 0, 0, 0, 8),
	V6_RANGE(128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
};

static const GuardRange private_ranges[] = {
	V4_RANGE(10, 0, 0, 0, 8),
	V4_RANGE(172, 16, 0, 0, 12),
	V4_RANGE(192, 168, 0, 0, 16),
	V6_RANGE(7, 0xfc),
};

/*
 * Where clouds hand out credentials inside the unique-local range. Whoever allows his private
 * network has not thought of these: they must be named as such.
 */
static const GuardRange metadata_ranges[] = {
	V6_RANGE(128, 0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54),
	V6_RANGE(128, 0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54),
};

/* IPv4 that is not for everybody (IANA special-purpose registry, multicast, reserved). */
static const GuardRange special_v4_ranges[] = {
	V4_RANGE(0, 0, 0, 0, 8),	   /* this network, unspecified */
	V4_RANGE(10, 0, 0, 0, 8),	   /* private */
	V4_RANGE(100, 64, 0, 0, 10),   /* shared by carriers */
	V4_RANGE(127, 0, 0, 0, 8),	   /* loopback */
	V4_RANGE(169, 254, 0, 0, 16),  /* link-local, cloud metadata */
	V4_RANGE(172, 16, 0, 0, 12),   /* private */
	V4_RANGE(192, 0, 0, 0, 24),	   /* protocol assignments */
	V4_RANGE(192, 0, 2, 0, 24),	   /* documentation */
	V4_RANGE(192, 88, 99, 0, 24),  /* 6to4 relays */
	V4_RANGE(192, 168, 0, 0, 16),  /* private */
	V4_RANGE(198, 18, 0, 0, 15),   /* benchmarks */
	V4_RANGE(198, 51, 100, 0, 24), /* documentation */
	V4_RANGE(203, 0, 113, 0, 24),  /* documentation */
	V4_RANGE(224, 0, 0, 0, 4),	   /* multicast */
	V4_RANGE(240, 0, 0, 0, 4),	   /* reserved, broadcast */
};

/* IPv6: all that is public lies in here ... */
static const GuardRange global_v6_range = V6_RANGE(3, 0x20);

/* ... except these. */
static const GuardRange special_v6_ranges[] = {
	V6_RANGE(23, 0x20, 0x01),			  /* protocol assignments: Teredo, ORCHID, benchmarks */
	V6_RANGE(32, 0x20, 0x01, 0x0d, 0xb8), /* documentation */
	V6_RANGE(16, 0x20, 0x02),			  /* 6to4: any IPv4 address in disguise */
	V6_RANGE(20, 0x3f, 0xff),			  /* documentation */
};

/* IPv4 as a NAT64 presents it: judged as the IPv4 address it leads to. */
static const GuardRange nat64_range = V6_RANGE(96, 0x00, 0x64, 0xff, 0x9b);

static const GuardRange v4_range = V4_RANGE(0, 0, 0, 0, 0);

/* What cxsig_guard_allows consults. Empty, and so closed, until the setting is assigned. */
static GuardTable current_table;

static bool parse_networks(const char *networks, GuardTable *table, char *why, size_t why_size);
static bool parse_element(const char *element, GuardTable *table, char *why, size_t why_size);
static bool parse_block(const char *element, GuardBlock *block, char *why, size_t why_size);
static bool parse_address(const char *text, GuardBlock *block, int *family_bits);
static bool has_host_bits(const GuardBlock *block);
static bool take_address(const struct sockaddr *address, GuardAddress *into);
static void embed_v4(const uint8 *v4, GuardAddress *into);
static bool in_bits(const uint8 *address, const uint8 *block, int bits);
static bool in_range(const GuardAddress *address, const GuardRange *range);
static bool in_ranges(const GuardAddress *address, const GuardRange *ranges, int n);
static bool is_public(const GuardAddress *address);

#define IN_RANGES(address, ranges) in_ranges((address), (ranges), (int) lengthof(ranges))

bool
cxsig_guard_check(const char *networks)
{
	static GuardTable scratch;
	char why[256];

	if (networks == NULL || parse_networks(networks, &scratch, why, sizeof(why)))
		return true;
	GUC_check_errdetail("%s", why);
	GUC_check_errhint(
		"List \"public\", \"private\", \"loopback\", or blocks such as 10.1.0.0/16 and "
		"fd00:1::/32, separated by commas.");
	return false;
}

void
cxsig_guard_assign(const char *networks)
{
	char why[256];

	/* checked before: what still fails leaves the table closed */
	if (networks == NULL || !parse_networks(networks, &current_table, why, sizeof(why)))
		memset(&current_table, 0, sizeof(current_table));
}

bool
cxsig_guard_allows(const struct sockaddr *address)
{
	GuardAddress bytes;
	bool v4;

	if (!take_address(address, &bytes))
		return false;
	v4 = in_range(&bytes, &v4_range);

	for (int i = 0; i < current_table.n_blocks; i++)
	{
		const GuardBlock *block = &current_table.blocks[i];

		if (block->v4 == v4 && in_bits(bytes.bytes, block->address.bytes, block->bits))
			return true;
	}
	if (current_table.loopback && IN_RANGES(&bytes, loopback_ranges))
		return true;
	if (current_table.private && IN_RANGES(&bytes, private_ranges) &&
		!IN_RANGES(&bytes, metadata_ranges))
		return true;
	return current_table.public && is_public(&bytes);
}

void
cxsig_guard_describe(const struct sockaddr *address, char *text, size_t size)
{
	const void *bytes = NULL;

	if (address->sa_family == AF_INET)
		bytes = &((const struct sockaddr_in *) address)->sin_addr;
	else if (address->sa_family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *) address)->sin6_addr;
	if (bytes == NULL || inet_ntop(address->sa_family, bytes, text, (socklen_t) size) == NULL)
		strlcpy(text, "of an unknown kind", size);
}

/* The whole list. On false, why says what is wrong with it. */
static bool
parse_networks(const char *networks, GuardTable *table, char *why, size_t why_size)
{
	const char *at = networks;

	memset(table, 0, sizeof(*table));
	if (at[strspn(at, " \t\r\n")] == '\0')
		return true; /* nothing may be reached */
	for (;;)
	{
		char element[64];
		size_t len = strcspn(at, ",");
		const char *end = at + len;
		const char *last = end;

		while (at < last && isspace((unsigned char) *at))
			at++;
		while (last > at && isspace((unsigned char) last[-1]))
			last--;
		if (last == at)
		{
			strlcpy(why, "An element of the list is empty.", why_size);
			return false;
		}
		if ((size_t) (last - at) >= sizeof(element))
		{
			snprintf(why, why_size, "\"%.60s...\" is no network.", at);
			return false;
		}
		memcpy(element, at, last - at);
		element[last - at] = '\0';
		if (!parse_element(element, table, why, why_size))
			return false;
		if (*end == '\0')
			return true;
		at = end + 1;
	}
}

static bool
parse_element(const char *element, GuardTable *table, char *why, size_t why_size)
{
	if (pg_strcasecmp(element, "public") == 0)
		table->public = true;
	else if (pg_strcasecmp(element, "private") == 0)
		table->private = true;
	else if (pg_strcasecmp(element, "loopback") == 0)
		table->loopback = true;
	else if (table->n_blocks == MAX_BLOCKS)
	{
		snprintf(why, why_size, "The list has more than %d blocks.", MAX_BLOCKS);
		return false;
	}
	else
	{
		if (!parse_block(element, &table->blocks[table->n_blocks], why, why_size))
			return false;
		table->n_blocks++;
	}
	return true;
}

/* A block in CIDR form, or a single address. */
static bool
parse_block(const char *element, GuardBlock *block, char *why, size_t why_size)
{
	char address[64];
	const char *slash = strchr(element, '/');
	size_t len = slash != NULL ? (size_t) (slash - element) : strlen(element);
	int family_bits;
	int bits;

	memcpy(address, element, len);
	address[len] = '\0';
	if (!parse_address(address, block, &family_bits))
	{
		snprintf(why, why_size, "\"%s\" is no network.", element);
		return false;
	}

	bits = family_bits;
	if (slash != NULL)
	{
		const char *digits = slash + 1;

		if (strspn(digits, "0123456789") != strlen(digits) || strlen(digits) < 1 ||
			strlen(digits) > 3 || atoi(digits) > family_bits)
		{
			snprintf(why, why_size, "The length of the prefix in \"%s\" is not between 0 and %d.",
					 element, family_bits);
			return false;
		}
		bits = atoi(digits);
	}
	block->bits = 128 - family_bits + bits;
	block->v4 = in_bits(block->address.bytes, v4_range.bytes, V4_BITS) && block->bits >= V4_BITS;
	if (has_host_bits(block))
	{
		snprintf(why, why_size, "\"%s\" has bits set to the right of its prefix.", element);
		return false;
	}
	return true;
}

static bool
parse_address(const char *text, GuardBlock *block, int *family_bits)
{
	uint8 v4[4];

	if (inet_pton(AF_INET, text, v4) == 1)
	{
		embed_v4(v4, &block->address);
		*family_bits = 32;
		return true;
	}
	*family_bits = 128;
	return inet_pton(AF_INET6, text, block->address.bytes) == 1;
}

static bool
has_host_bits(const GuardBlock *block)
{
	for (int bit = block->bits; bit < 128; bit++)
	{
		if (block->address.bytes[bit / 8] & (0x80 >> (bit % 8)))
			return true;
	}
	return false;
}

/* The address as 16 bytes; false for a family that is no internet address. */
static bool
take_address(const struct sockaddr *address, GuardAddress *into)
{
	switch (address->sa_family)
	{
		case AF_INET:
			embed_v4((const uint8 *) &((const struct sockaddr_in *) address)->sin_addr, into);
			return true;
		case AF_INET6:
			memcpy(into->bytes, &((const struct sockaddr_in6 *) address)->sin6_addr,
				   sizeof(into->bytes));
			return true;
		default:
			return false;
	}
}

static void
embed_v4(const uint8 *v4, GuardAddress *into)
{
	memcpy(into->bytes, v4_range.bytes, 12);
	memcpy(into->bytes + 12, v4, 4);
}

/* Do the first bits of both agree? */
static bool
in_bits(const uint8 *address, const uint8 *block, int bits)
{
	int whole = bits / 8;
	int rest = bits % 8;

	if (memcmp(address, block, whole) != 0)
		return false;
	return rest == 0 || ((address[whole] ^ block[whole]) >> (8 - rest)) == 0;
}

static bool
in_range(const GuardAddress *address, const GuardRange *range)
{
	return in_bits(address->bytes, range->bytes, range->bits);
}

static bool
in_ranges(const GuardAddress *address, const GuardRange *ranges, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (in_range(address, &ranges[i]))
			return true;
	}
	return false;
}

static bool
is_public(const GuardAddress *address)
{
	GuardAddress v4;

	if (in_range(address, &v4_range))
		return !IN_RANGES(address, special_v4_ranges);
	if (in_range(address, &nat64_range))
	{
		embed_v4(address->bytes + 12, &v4);
		return !IN_RANGES(&v4, special_v4_ranges);
	}
	return in_range(address, &global_v6_range) && !IN_RANGES(address, special_v6_ranges);
}
