# Promises: flat, never waiting. A transaction that holds the xmin horizon, or an xid, or a lock on
# other rows, delays no event; and the ticket's row is never updated, so nothing piles up behind it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('long');
destination( $node, 'hook', $sink->url('hook') );

my $reader = session($node);
my $writer = session($node);
$reader->query_safe(
	'begin isolation level repeatable read; select count(*) from cxsig.event'
);
$writer->query_safe(
	'create table other (x int); begin; insert into other values (1); select cxsig.ingest('
	  . literal( signal( ticket => 'open' ) )
	  . ')' );

subtest 'long transaction: a held horizon and an open xid delay nobody' =>
  sub {
	load_signals( $node, tickets => 100, revisions => 20, prefix => 'x' )
	  for 1 .. 3;
	ok( idle($node), 'all has its outcome while they are open' );
	is( $sink->stats('hook')->{distinct_ok},      6000, 'all arrived' );
	is( $sink->stats('hook')->{order_violations}, 0,    'in order' );
	$writer->query_safe('commit');
	ok( $sink->wait_ok( 'hook', 6001 ), 'and its own when it commits' );
	all_arrived( $node, $sink, 'hook', 'long transaction' );
  };

subtest 'flat: what an ingest writes leaves nothing to vacuum' => sub {
	$node->safe_psql( 'postgres', 'select pg_stat_force_next_flush()' );
	ok( wait_for(
			$node,
			"select coalesce(sum(n_dead_tup), 0) < 100 from pg_stat_user_tables where schemaname = 'cxsig'"
		),
		'no dead rows in any table behind 6,000 events on 100 tickets' );
	is( $node->safe_psql(
			'postgres',
			"select coalesce(sum(n_tup_upd), 0) from pg_stat_user_tables
			where schemaname = 'cxsig' and relname ~ '^(ticket|ticket_revision|event|outbox|processed_key|delivery)'"
		),
		0,
		'no row of the log was updated' );
};

subtest 'flat: what commits late is found without a walk through the log' =>
  sub {
	my $read =
	  q{(select sum(idx_tup_fetch) from pg_stat_user_tables where schemaname = 'cxsig' and relname ~ '^outbox')};
	ok( wait_for( $node, "select $read >= 6001" ),
		'what was read so far is counted' );
	my $before = $node->safe_psql( 'postgres', "select $read" );

	for my $n ( 1 .. 20 )
	{
		$writer->query_safe( 'begin; select cxsig.ingest('
			  . literal( signal( ticket => "late-$n" ) )
			  . ')' );
		ingest( $node, ticket => "early-$n" );
		$sink->wait_ok( 'hook', 6001 + 2 * $n - 1 );
		$writer->query_safe('commit');
		$sink->wait_ok( 'hook', 6001 + 2 * $n );
	}
	ok( idle($node), 'twenty late ones' );
	ok( wait_for( $node, "select $read >= $before + 40" ),
		'they are counted' );
	cmp_ok( $node->safe_psql( 'postgres', "select $read" ) - $before,
		'<', 6000, 'few rows were looked at' );
  };

$reader->quit;
$writer->quit;
$node->stop;
done_testing();
