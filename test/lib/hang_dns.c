/*
 * hang_dns.c
 *	  Preloaded into a server under test: looking up a name that ends in ".hang.example" takes as
 *	  long as with a name server that does not answer; every other name is looked up as ever.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".hang.example"

typedef int (*Lookup)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
			struct addrinfo **result)
{
	Lookup lookup = (Lookup) dlsym(RTLD_NEXT, "getaddrinfo");
	size_t length = node != NULL ? strlen(node) : 0;

	if (length > strlen(SUFFIX) && strcmp(node + length - strlen(SUFFIX), SUFFIX) == 0)
	{
		sleep(600);
		return EAI_AGAIN;
	}
	return lookup != NULL ? lookup(node, service, hints, result) : EAI_FAIL;
}
