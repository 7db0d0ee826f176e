# Promises: never lost, stable ids. Every committed event arrives across kill -9 of the dispatcher,
# an immediate shutdown and the loss of the postmaster, each with requests in flight; what is
# sent again had no receipt, and is the same to the byte.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
my $sink   = CxsigTest::Sink->start;
$sink->secret( 'hook', $secret );

# The crash of one process ends all sessions: wait until the server has started over.
sub kill_dispatcher
{
	my ($node) = @_;
	my $offset = -s $node->logfile;
	my $pid    = dispatcher_pid($node);

	kill 'KILL', $pid;
	$node->wait_for_log( qr/all server processes terminated; reinitializing/,
		$offset );
	return wait_for(
		$node,
		"select exists (select from cxsig.worker_status
			where process = 'dispatcher' and pid is not null and pid <> $pid)" );
}

# The postmaster gone, its processes have to notice; until they have, no other one starts.
sub lose_postmaster
{
	my ($node) = @_;
	my $end    = time + 60;
	my ($pid) = slurp_file( $node->data_dir . '/postmaster.pid' ) =~ /^(\d+)/;

	$node->kill9;
	select( undef, undef, undef, 0.05 ) while kill( 0, $pid ) && time < $end;
	while ( time < $end )
	{
		return 1 if $node->start( fail_ok => 1 );
		select( undef, undef, undef, 0.2 );
	}
	return 0;
}

# One fault: load, wait until some are delivered and others are out, break, and load again.
sub fault_under_load
{
	my ( $node, $round, $break ) = @_;
	my $before = $sink->stats('hook');

	load_signals( $node, tickets => 60, revisions => 5, prefix => $round );
	ok( $sink->wait_counters( 'hook', { ok => $before->{ok} + 100 } ),
		"$round: some have arrived" );
	wait_for(
		$node,
		"select count(*) >= 50 from cxsig.deliveries where event_id in
			(select event_id from cxsig.event where ticket_id like '$round-%')" );
	ok( in_flight( $sink, 'hook', 8 ), "$round: requests are out" );
	cmp_ok(
		$node->safe_psql(
			'postgres', 'select count(*) from cxsig.deliveries' ),
		'<',
		$node->safe_psql( 'postgres', 'select count(*) from cxsig.event' ),
		"$round: not all have a receipt" );
	ok( $break->(), "$round: the server runs again" );
	load_signals( $node, tickets => 60, revisions => 1, prefix => $round );
	return;
}

my $node = cxsig_node('never_lost');
destination(
	$node, 'hook', $sink->url( 'hook', delay_ms => 100 ),
	secret  => $secret,
	options => { concurrency => 16, projection => 'bi' } );

for my $round ( 1 .. 3 )
{
	subtest "never lost: kill -9 of the dispatcher, $round" => sub {
		fault_under_load( $node, "kill$round",
			sub { kill_dispatcher($node) } );
	};
}
subtest 'never lost: immediate shutdown' => sub {
	fault_under_load( $node, 'immediate',
		sub { $node->stop('immediate'); $node->start; return 1 } );
};
subtest 'never lost: the postmaster is killed' => sub {
	fault_under_load( $node, 'postmaster', sub { lose_postmaster($node) } );
};

ok( idle( $node, 120 ), 'never lost: all has its outcome in the end' );
subtest 'never lost: all committed before, during and after the faults' =>
  sub {
	all_arrived( $node, $sink, 'hook', 'after five faults' );
	is( $node->safe_psql(
			'postgres', 'select count(*) from cxsig.dead_letter' ),
		0,
		'no dead letters' );
	is( $node->safe_psql( 'postgres', 'select count(*) from cxsig.retry' ),
		0, 'nothing waits' );
  };
subtest 'never lost: repeats only of what had no receipt' => sub {
	repeats_without_receipt( $node, $sink, 'hook', 'hook',
		'after five faults' );
};
subtest 'stable ids: repeats are the same, first arrivals in order' => sub {
	my $stats = faithful( $sink, 'hook', 'after five faults' );
	cmp_ok( $stats->{repeats}, '>=', 5, 'there were repeats' );
	is( $stats->{distinct_ids}, scalar( event_ids($node) ),
		'an id an event' );
};

$node->stop;
done_testing();
