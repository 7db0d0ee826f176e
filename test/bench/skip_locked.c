/*
 * skip_locked.c
 *	  A baseline: the outbox that everybody writes first. Connections that each do
 *	  BEGIN; SELECT ... FOR UPDATE SKIP LOCKED LIMIT 1; post; UPDATE ... done; COMMIT.
 *
 * usage: skip_locked [-c CONNECTIONS] [-n ROWS] CONNINFO URL
 * Makes and fills the schema bench_skip_locked, sends every row once with a thread, a connection
 * and an easy handle each, drops the schema, and prints "requests seconds rate". It keeps no order
 * and holds a transaction over the request: it is what to beat, not what to copy.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "message.h"

typedef struct Worker
{
	pthread_t thread;
	PGconn *connection;
	CURL *easy;
	BenchMessage *message;
	long sent;
	bool failed;
} Worker;

static const char take_sql[] = "select id, event_id, body from bench_skip_locked.outbox"
							   " where not done order by id for update skip locked limit 1";
static const char done_sql[] =
	"update bench_skip_locked.outbox set done = true, sent_at = clock_timestamp() where id = $1";

static PGconn *connect_to(const char *conninfo);
static void execute(PGconn *connection, const char *sql);
static void fill(PGconn *connection, const BenchMessage *message, long rows);
static bool worker_step(Worker *worker, bool *empty);
static bool worker_post(Worker *worker, PGresult *row);
static void *worker_main(void *arg);
static void worker_init(Worker *worker, const char *conninfo, const char *url);
static bool succeeded(PGconn *connection, PGresult *result, ExecStatusType wanted);

static PGconn *
connect_to(const char *conninfo)
{
	PGconn *connection = PQconnectdb(conninfo);

	if (PQstatus(connection) != CONNECTION_OK)
	{
		fprintf(stderr, "skip_locked: could not connect: %s", PQerrorMessage(connection));
		exit(2);
	}
	return connection;
}

/* Says what is wrong and frees the result where it is not of the wanted kind. */
static bool
succeeded(PGconn *connection, PGresult *result, ExecStatusType wanted)
{
	if (PQresultStatus(result) == wanted)
		return true;
	fprintf(stderr, "skip_locked: %s", PQerrorMessage(connection));
	PQclear(result);
	return false;
}

static void
execute(PGconn *connection, const char *sql)
{
	PGresult *result = PQexec(connection, sql);

	if (!succeeded(connection, result, PGRES_COMMAND_OK))
		exit(2);
	PQclear(result);
}

/* The rows carry the built-in message's body with ids, tickets and versions of their own. */
static void
fill(PGconn *connection, const BenchMessage *message, long rows)
{
	char count[32];
	const char *values[2];
	PGresult *result;

	snprintf(count, sizeof(count), "%ld", rows);
	values[0] = message->body;
	values[1] = count;
	execute(connection, "set client_min_messages = warning");
	execute(connection, "drop schema if exists bench_skip_locked cascade");
	execute(connection, "create schema bench_skip_locked");
	execute(connection, "create table bench_skip_locked.outbox ("
						"id bigint generated always as identity primary key,"
						" event_id text not null, body text not null,"
						" done boolean not null default false, sent_at timestamptz)");
	execute(connection, "create index on bench_skip_locked.outbox (id) where not done");
	result = PQexecParams(connection,
						  "insert into bench_skip_locked.outbox (event_id, body)"
						  " select '01890000-0000-7000-8000-' || lpad(i::text, 12, '0'),"
						  " replace(replace($1::text, '8000-000000000000',"
						  " '8000-' || lpad(i::text, 12, '0')),"
						  " 'T-00000000', 'T-' || lpad(i::text, 8, '0'))"
						  " from generate_series(1, $2::integer) i",
						  2, NULL, values, NULL, NULL, 0);
	if (!succeeded(connection, result, PGRES_COMMAND_OK))
		exit(2);
	PQclear(result);
	execute(connection, "vacuum analyze bench_skip_locked.outbox");
	execute(connection, "checkpoint");
}

/* The headers are the built-in message's; its id is patched to the row's number. */
static bool
worker_post(Worker *worker, PGresult *row)
{
	long status = 0;
	CURLcode code;

	bench_message_patch(worker->message, atol(PQgetvalue(row, 0, 1) + 24), 0, 0);
	bench_easy_point(worker->easy, worker->message, PQgetvalue(row, 0, 2),
					 (size_t) PQgetlength(row, 0, 2));
	code = curl_easy_perform(worker->easy);
	curl_easy_getinfo(worker->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && status >= 200 && status <= 299)
		return true;
	fprintf(stderr, "skip_locked: %s, status %ld\n", curl_easy_strerror(code), status);
	return false;
}

/* One row. False where something failed; *empty where there was none left. */
static bool
worker_step(Worker *worker, bool *empty)
{
	PGconn *connection = worker->connection;
	PGresult *row;
	PGresult *result;
	const char *id;
	bool ok = true;

	result = PQexec(connection, "begin");
	if (!succeeded(connection, result, PGRES_COMMAND_OK))
		return false;
	PQclear(result);
	row = PQexecPrepared(connection, "take", 0, NULL, NULL, NULL, 0);
	if (!succeeded(connection, row, PGRES_TUPLES_OK))
		return false;
	*empty = PQntuples(row) == 0;
	if (!*empty)
	{
		ok = worker_post(worker, row);
		if (ok)
		{
			id = PQgetvalue(row, 0, 0);
			result = PQexecPrepared(connection, "done", 1, &id, NULL, NULL, 0);
			ok = succeeded(connection, result, PGRES_COMMAND_OK);
			if (ok)
				PQclear(result);
		}
	}
	PQclear(row);
	result = PQexec(connection, ok ? "commit" : "rollback");
	if (!succeeded(connection, result, PGRES_COMMAND_OK))
		return false;
	PQclear(result);
	return ok;
}

static void *
worker_main(void *arg)
{
	Worker *worker = arg;
	bool empty = false;

	while (!empty)
	{
		if (!worker_step(worker, &empty))
		{
			worker->failed = true;
			break;
		}
		if (!empty)
			worker->sent++;
	}
	return NULL;
}

static void
worker_init(Worker *worker, const char *conninfo, const char *url)
{
	worker->connection = connect_to(conninfo);
	PQclear(PQprepare(worker->connection, "take", take_sql, 0, NULL));
	PQclear(PQprepare(worker->connection, "done", done_sql, 1, NULL));
	worker->easy = curl_easy_init();
	worker->message = bench_message_create();
	if (worker->easy == NULL || worker->message == NULL || !bench_easy_setup(worker->easy, url))
	{
		fprintf(stderr, "skip_locked: could not set up a handle\n");
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	long n_workers = 64;
	long n_rows = 20000;
	long sent = 0;
	bool failed = false;
	Worker *workers;
	BenchMessage *message;
	PGconn *connection;
	double start;
	double seconds;
	long i;
	int c;

	while ((c = getopt(argc, argv, "c:n:")) != -1)
	{
		if (c == 'c')
			n_workers = bench_number("-c", optarg);
		else if (c == 'n')
			n_rows = bench_number("-n", optarg);
		else
			optind = argc;
	}
	if (optind + 2 != argc)
	{
		fprintf(stderr, "usage: skip_locked [-c CONNECTIONS] [-n ROWS] CONNINFO URL\n");
		return 2;
	}

	curl_global_init(CURL_GLOBAL_DEFAULT);
	message = bench_message_create();
	workers = calloc((size_t) n_workers, sizeof(Worker));
	if (message == NULL || workers == NULL)
		return 2;
	bench_message_patch(message, 0, 0, 1);
	connection = connect_to(argv[optind]);
	fill(connection, message, n_rows);
	for (i = 0; i < n_workers; i++)
		worker_init(&workers[i], argv[optind], argv[optind + 1]);

	start = bench_now();
	for (i = 0; i < n_workers; i++)
		if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0)
			return 2;
	for (i = 0; i < n_workers; i++)
	{
		pthread_join(workers[i].thread, NULL);
		sent += workers[i].sent;
		failed = failed || workers[i].failed;
		PQfinish(workers[i].connection);
		curl_easy_cleanup(workers[i].easy);
	}
	seconds = bench_now() - start;
	execute(connection, "drop schema bench_skip_locked cascade");
	PQfinish(connection);
	bench_report(sent, seconds);
	return failed || sent != n_rows ? 1 : 0;
}
