/*
 * pace.c
 *	  Records signals at a steady pace, a transaction each, and says when each commit came back.
 *
 * usage: pace CONNINFO RATE COUNT
 * Prints a line per signal: event id, the realtime clock in microseconds before the statement was sent
 * and after its COMMIT came back. Paced by absolute times: a slow answer does not thin the load.
 */
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
sleep_until(int64_t us)
{
	struct timespec until = {us / 1000000, us % 1000000 * 1000};

	while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) != 0)
		;
}

static void
fail(PGconn *connection)
{
	fprintf(stderr, "pace: %s", PQerrorMessage(connection));
	exit(1);
}

int
main(int argc, char **argv)
{
	const char *sql =
		"select event_id from cxsig.ingest(jsonb_build_object('ticket_id', $1::text,"
		" 'occurred_at', clock_timestamp(), 'source_system', 'pace', 'sentiment', 'negative',"
		" 'churn_risk', 'high', 'evidence_url', 'https://help.example.com/t/' || $1))";
	PGconn *connection;
	int64_t start;
	int rate;
	int count;

	if (argc != 4)
	{
		fprintf(stderr, "usage: pace CONNINFO RATE COUNT\n");
		return 2;
	}
	rate = atoi(argv[2]);
	count = atoi(argv[3]);
	connection = PQconnectdb(argv[1]);
	if (PQstatus(connection) != CONNECTION_OK)
		fail(connection);
	PQclear(PQprepare(connection, "ingest", sql, 1, NULL));
	start = now_us() + 100000;
	for (int i = 0; i < count; i++)
	{
		char ticket[32];
		const char *values[] = {ticket};
		int64_t before;
		PGresult *result;

		snprintf(ticket, sizeof(ticket), "pace-%d", i % 100);
		sleep_until(start + (int64_t) i * 1000000 / rate);
		before = now_us();
		result = PQexecPrepared(connection, "ingest", 1, values, NULL, NULL, 0);
		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			fail(connection);
		printf("%s %lld %lld\n", PQgetvalue(result, 0, 0), (long long) before,
			   (long long) now_us());
		PQclear(result);
	}
	PQfinish(connection);
	return 0;
}
