# Promise: never lost. Nothing is missed for committing late: positions are drawn before they are
# committed, and a feed reads past those that are still open. Writers that dawdle, abort, prepare
# and use savepoints run against a feed that polls as often as it can; the receiver is the judge.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'late',
	conf => "cxsig.poll_interval = 10ms\nautovacuum_naptime = 1s\n" );
destination( $node, 'hook', $sink->url('hook'),
	options => { concurrency => 64 } );

sub call
{
	my ($ticket) = @_;
	return
	  'select cxsig.ingest(' . literal( signal( ticket => $ticket ) ) . ')';
}

# Their clock runs from the start of the test, which is slow to fail: the receiver is to judge first.
my %open =
  map { $_ => session( $node, timeout => 600 ) } qw(first whole bulk aborted);
for my $name (qw(first whole aborted))
{
	$open{$name}->query_safe( 'begin; ' . call($name) );
}
$node->safe_psql( 'postgres',
	'begin; ' . call('held') . "; prepare transaction 'held'" );
$open{bulk}->query_safe(<<'SQL');
begin;
select count(*) from generate_series(0, 4) b, lateral cxsig.ingest_batch((select jsonb_agg(jsonb_build_object(
  'ticket_id', 'bulk-' || b || '-' || i % 5000, 'occurred_at', '2026-01-01T00:00:00Z'::timestamptz + i * interval '1 s',
  'source_system', 'bulk', 'evidence_url', 'https://e.example/' || i)) from generate_series(1, 10000) i), 'raise')
SQL

# Short writers beside them. A third of the transactions dawdle with their position drawn, some in
# a savepoint that is rolled back, some abort, some are prepared. A third have their xid long before
# their position: so a younger xid draws the lower position, and can lie above a snapshot's xmax.
my $script = $node->basedir . '/writer.sql';
append_to_file( $script, <<'SQL');
\set kind random(1, 12)
\set ticket random(1, 100000)
begin;
\if :kind >= 9
select pg_current_xact_id();
\sleep 2 ms
\endif
select cxsig.ingest(jsonb_build_object('ticket_id', 'w-' || :ticket || '-' || :client_id, 'occurred_at', clock_timestamp(),
  'source_system', 'w', 'evidence_url', 'https://e.example/w', 'idempotency_key', gen_random_uuid()));
\if :kind <= 4
\sleep :kind ms
\endif
\if :kind = 5
savepoint s;
select cxsig.ingest(jsonb_build_object('ticket_id', 'undone', 'occurred_at', clock_timestamp(), 'source_system', 'w',
  'evidence_url', 'https://e.example/w', 'idempotency_key', gen_random_uuid()));
rollback to s;
\endif
\if :kind = 6
rollback;
\elif :kind = 7
select quote_literal(gen_random_uuid()) as gid \gset
prepare transaction :gid;
commit prepared :gid;
\else
commit;
\endif
SQL
my $seconds = $ENV{CXSIG_LATE_SECONDS} || 10;
$node->command_ok(
	[   'pgbench', '-n',        '-c', '10',
		'-j',      '2',         '-T', $seconds,
		'-f',      $script,     '-h', $node->host,
		'-p',      $node->port, 'postgres' ],
	"late commits: $seconds s of writers that dawdle, abort, prepare and roll back to savepoints"
);

subtest 'long transaction: it delays nobody' => sub {
	my @ids = event_ids($node);
	my $n   = @ids;
	cmp_ok( $n, '>', 500,
		"$n events committed beside five open transactions" );
	ok( $sink->wait_ok( 'hook', $n, 30 ),
		'and all of them arrive while those are still open' );
	my $answer = $sink->missing( 'hook', @ids );
	is( $answer->{missing}, 0, 'the receiver misses none of them' )
	  or diag("such as @{$answer->{examples}}");
	is( $sink->stats('hook')->{distinct_ok},
		$n, 'and nothing of the open ones' );
	isnt(
		$node->safe_psql(
			'postgres', "select in_doubt from cxsig.consumer_lag" ),
		0,
		'which are in doubt' );
};

subtest
  'late commits: the 50,000 rows, and who drew first and commits last' =>
  sub {
	my $n = $sink->stats('hook')->{distinct_ok};
	$open{bulk}->query_safe('commit');
	$open{aborted}->query_safe('rollback');
	load_signals( $node, tickets => 50, prefix => 'after' );
	ok( $sink->wait_ok( 'hook', $n + 50_050, 90 ),
		'the 50,000 arrive, and what came after' );
	$open{first}->query_safe('commit');
	ok( $sink->wait_ok( 'hook', $n + 50_051, 30 ),
		'the one that drew the first position of all' );
	is( $sink->missing( 'hook', event_ids( $node, "ticket_id = 'first'" ) )
		  ->{missing},
		0,
		'that one' );
	$node->safe_psql( 'postgres', "commit prepared 'held'" );
	ok( $sink->wait_ok( 'hook', $n + 50_052, 30 ),
		'the one that was prepared, committed from another session' );
	$open{whole}->query_safe('commit');
  };

ok( idle( $node, 60 ), 'late commits: then all is done' );
all_arrived( $node, $sink, 'hook', 'late commits' );
is( $sink->stats('hook')->{repeats}, 0, 'late commits: nothing twice' );
is( $sink->stats('hook')->{order_violations},
	0, 'late commits: in order per ticket' );
$_->quit for values %open;
$node->stop;
done_testing();
