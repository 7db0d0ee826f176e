# Promise: never lost. A transaction that commits long after those behind it were delivered has its
# events read, and is then interrupted: what was read but had no receipt is sent again, and neither
# those around it nor what else it brought is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'late_and_lost',
	conf =>
	  "cxsig.checkpoint_interval = 50ms\ncxsig.outbox_partition_rows = 1000\n"
);
destination( $node, 'hook', $sink->url('hook'),
	options => { total_timeout_ms => 600_000, concurrency => 64 } );

# The late one holds its place while others pass it; then one of its two requests hangs.
sub late_one_in_flight
{
	my ($round) = @_;
	my $session = session($node);

	$session->query_safe('begin');
	$session->query_safe(
		'select cxsig.ingest(' . literal( signal( ticket => $_ ) ) . ')' )
	  for "late-$round", "late-done-$round";
	load_signals( $node, tickets => 40, revisions => 60, prefix => $round );
	ok( idle($node), 'those behind it are delivered' );
	ok( wait_for(
			$node,
			'select low > newest - 5 and in_doubt = 1 from cxsig.consumer_lag'
		),
		'it is in doubt, and the place has moved past it' );
	$sink->behave( 'hook', { hang => 1, fail_key => "late-$round" } );
	$session->query_safe('commit');
	$session->quit;
	ok( in_flight( $sink, 'hook', 1 ), 'committed, it is sent and hangs' );
	$sink->behave( 'hook', { status => 200 } );
	ingest( $node, ticket => "behind-$round" );
	ok( wait_for( $node, "select low = newest + 1 from cxsig.consumer_lag" ),
		'while one behind it is delivered, and the place moves on' );
	ok( wait_for(
			$node, "select count(*) = 1 from cxsig.deliveries
				where ticket_id = 'late-done-$round'"
		),
		'as is the other one it brought' );
	return;
}

sub arrives_after
{
	my ($round) = @_;

	ok( idle($node), 'after it, all is done' );
	is( scalar(
			grep { $_->{key} eq "late-$round" && $_->{status} == 200 }
			  $sink->log('hook') ),
		1,
		'the late one has arrived' );
	all_arrived( $node, $sink, 'hook', 'all' );
	repeats_without_receipt( $node, $sink, 'hook', 'hook', 'hook' );
	return;
}

subtest 'never lost: kill -9 with a late one in flight' => sub {
	late_one_in_flight('kill');
	my $offset = -s $node->logfile;
	my $pid    = dispatcher_pid($node);
	kill 'KILL', $pid;
	$node->wait_for_log( qr/all server processes terminated; reinitializing/,
		$offset );
	wait_for( $node, 'select true' );
	arrives_after('kill');
};
subtest 'never lost: restart with a late one in flight' => sub {
	late_one_in_flight('restart');
	$node->restart;
	arrives_after('restart');
};
subtest 'never lost: partitions are kept for a late one' => sub {
	late_one_in_flight('partition');
	$node->safe_psql( 'postgres', 'select cxsig.maintain()' ) for 1 .. 3;
	$node->restart;
	arrives_after('partition');
};
$node->stop;
done_testing();
