/*
 * sink.c
 *	  A fast HTTP receiver for tests, demos and measurements: options, start, stop.
 *
 * Three threads: the main one waits for a signal; the HTTP thread, libmicrohttpd's, does all the
 * work and owns all the data; the timer thread (park.c) lets suspended connections go on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "answer.h"
#include "control.h"
#include "park.h"
#include "request.h"
#include "tls.h"

/* Headers and a piece of the body; the library clears all of it between two requests. */
#define CONNECTION_MEMORY 16384

typedef struct SinkOptions
{
	int port;
	const char *port_file;
	SinkTls tls;
	int64_t max_records;
	bool verbose;
} SinkOptions;

static const char usage[] =
	"usage: sink [options]\n"
	"Receives webhooks on 127.0.0.1 and checks signatures, order, repeats and bodies as they "
	"come.\n"
	"The first line on standard output is \"port N\".\n"
	"  --port N             listen there (default: a free port)\n"
	"  --port-file FILE     write the port there too, once the sink listens\n"
	"  --cert FILE --key FILE   speak TLS (PEM)\n"
	"  --client-ca FILE     let in only clients with a certificate of that CA (PEM)\n"
	"  --tls-version V      speak only that version: 1.1, 1.2 or 1.3\n"
	"  --secret PATH=SECRET check signatures on that path; may be given once per path\n"
	"  --max-records N      keep and check at most that many attempts (default 20000000)\n"
	"  --with-parent        end when the process that started the sink ends\n"
	"  --verbose            the HTTP library's messages on standard error\n"
	"\n"
	"POST /in/NAME              a delivery; its query string says how it is answered (behave.h)\n"
	"GET  /stats[?path=]        counters\n"
	"GET  /log?path=[&after=N][&limit=N]   attempts, a JSON object a line\n"
	"GET  /wait?path=[&ok=N][&distinct=N][&received=N][&timeout_ms=30000]\n"
	"                           counters, once they are that high; 408 if they were not in time\n"
	"POST /missing?path=        body: event ids, one a line; answers which never got a 2xx\n"
	"POST /behave               {\"path\": \"/in/NAME\", ...}: overrides the query string;\n"
	"                           \"from_url\": true ends that\n"
	"POST /secret               {\"path\": \"/in/NAME\", \"secrets\": [\"whsec_...\"]}\n"
	"POST /reset[?path=]        forget what arrived\n"
	"POST /quit                 stop, as SIGTERM does\n";

static void parse_options(int argc, char **argv, SinkOptions *options);
static void option_secret(const char *argument);
static int64_t option_number(const char *name, const char *text, int64_t high);
static void option_tls(int option, SinkTls *tls);
static bool options_fit(const SinkTls *tls);
static void daemon_log(void *cls, const char *format, va_list args);
static struct MHD_Daemon *start_daemon(const SinkOptions *options);
static void write_port(const SinkOptions *options, struct MHD_Daemon *daemon);

static int64_t
option_number(const char *name, const char *text, int64_t high)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < 0 || number > high)
	{
		fprintf(stderr, "sink: --%s %s: not a number from 0 to %" PRId64 "\n", name, text, high);
		exit(2);
	}
	return number;
}

static void
option_secret(const char *argument)
{
	char name[1024];
	const char *equals = strchr(argument, '=');
	const char *secret;
	const char *wrong;

	if (equals == NULL || strncmp(argument, "/in/", 4) != 0 ||
		(size_t) (equals - argument) >= sizeof(name))
		wrong = "not of the form /in/NAME=whsec_...";
	else
	{
		memcpy(name, argument, (size_t) (equals - argument));
		name[equals - argument] = '\0';
		secret = equals + 1;
		wrong = sink_control_set_secrets(sink_store_path(name), &secret, 1);
	}
	if (wrong != NULL)
	{
		fprintf(stderr, "sink: --secret: %s\n", wrong);
		exit(2);
	}
}

static void
option_tls(int option, SinkTls *tls)
{
	if (option == 'c')
		tls->cert_file = optarg;
	else if (option == 'k')
		tls->key_file = optarg;
	else if (option == 'a')
		tls->client_ca_file = optarg;
	else
		tls->version = optarg;
}

/* A certificate and its key go together, and the rest is nothing without them. */
static bool
options_fit(const SinkTls *tls)
{
	if (tls->cert_file == NULL)
		return tls->key_file == NULL && tls->client_ca_file == NULL && tls->version == NULL;
	return tls->key_file != NULL && (tls->version == NULL || sink_tls_is_version(tls->version));
}

static void
parse_options(int argc, char **argv, SinkOptions *options)
{
	static const struct option known[] = {
		{"port", required_argument, NULL, 'p'},
		{"port-file", required_argument, NULL, 'f'},
		{"cert", required_argument, NULL, 'c'},
		{"client-ca", required_argument, NULL, 'a'},
		{"tls-version", required_argument, NULL, 't'},
		{"key", required_argument, NULL, 'k'},
		{"secret", required_argument, NULL, 's'},
		{"max-records", required_argument, NULL, 'm'},
		{"with-parent", no_argument, NULL, 'w'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
	{
		switch (c)
		{
			case 'p':
				options->port = (int) option_number("port", optarg, 65535);
				break;
			case 'f':
				options->port_file = optarg;
				break;
			case 'c':
			case 'k':
			case 'a':
			case 't':
				option_tls(c, &options->tls);
				break;
			case 's':
				option_secret(optarg);
				break;
			case 'm':
				options->max_records = option_number("max-records", optarg, UINT32_MAX / 2);
				break;
			case 'w':
				prctl(PR_SET_PDEATHSIG, SIGTERM);
				break;
			case 'v':
				options->verbose = true;
				break;
			case 'h':
				fputs(usage, stdout);
				exit(0);
			default:
				fputs(usage, stderr);
				exit(2);
		}
	}
	if (optind < argc || !options_fit(&options->tls))
	{
		fputs(usage, stderr);
		exit(2);
	}
}

static void
daemon_log(void *cls, const char *format, va_list args)
{
	const SinkOptions *options = cls;

	if (options->verbose)
		vfprintf(stderr, format, args);
}

static struct MHD_Daemon *
start_daemon(const SinkOptions *options)
{
	/* not epoll: with 128 connections ready at once its loop waits for another event before it reads */
	unsigned int flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
						 MHD_USE_SUPPRESS_DATE_NO_CLOCK | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[SINK_TLS_OPTIONS] = {{MHD_OPTION_END, 0, NULL}};
	struct sockaddr_in address;

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t) options->port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (options->tls.cert_file != NULL)
	{
		flags |= MHD_USE_TLS;
		sink_tls_options(&options->tls, tls);
	}
	return MHD_start_daemon(
		flags, 0, NULL, NULL, sink_request_handle, NULL, MHD_OPTION_EXTERNAL_LOGGER, daemon_log,
		(void *) options, MHD_OPTION_SOCK_ADDR, (struct sockaddr *) &address,
		MHD_OPTION_NOTIFY_COMPLETED, sink_request_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
		sink_request_connection, (void *) &options->tls, MHD_OPTION_CONNECTION_LIMIT, 10000u,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
		MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
		MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

/* The file appears whole: whoever waits for it can read it at once. */
static void
write_port(const SinkOptions *options, struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
	SinkBuffer temporary = {0};
	FILE *file;

	if (options->port_file != NULL)
	{
		sink_buffer_printf(&temporary, "%s.new", options->port_file);
		file = fopen(temporary.data, "w");
		if (file == NULL || fprintf(file, "%u\n", info->port) < 0 || fclose(file) != 0 ||
			rename(temporary.data, options->port_file) != 0)
		{
			fprintf(stderr, "sink: could not write %s: %s\n", options->port_file, strerror(errno));
			exit(2);
		}
		sink_buffer_free(&temporary);
	}
	printf("port %u\n", info->port);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	SinkOptions options = {.max_records = 20000000};
	struct rlimit files;
	struct MHD_Daemon *daemon;
	sigset_t stops;
	int signal_number;

	parse_options(argc, argv, &options);
	sink_store_init(options.max_records);
	sink_answer_init();
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
	{
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}

	/* Blocked before any thread starts, so that only sigwait gets them. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stops, NULL);

	sink_park_start();
	daemon = start_daemon(&options);
	if (daemon == NULL)
	{
		fprintf(stderr, "sink: could not listen on 127.0.0.1 port %d\n", options.port);
		return 2;
	}
	write_port(&options, daemon);
	sigwait(&stops, &signal_number);
	sink_park_stop();
	MHD_stop_daemon(daemon);
	return 0;
}
