# Promise: an outage is lag. Consecutive failures open a destination's breaker: one probe at a time
# tests it, some successes let all through again; nothing is dead-lettered, no attempt is burned, and
# what an answer says about when to come again holds for the whole destination.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink      = CxsigTest::Sink->start;
my $node      = cxsig_node('breaker');
my %impatient = ( retry_initial_ms => 50, retry_max_ms => 100 );

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

sub log_lines
{
	my ($pattern) = @_;
	my @lines = grep { /$pattern/ } split /\n/, slurp_file( $node->logfile );

	return scalar @lines;
}

subtest
  'breaker: opens after failures in a row, across lanes; then one probe at a time'
  => sub {
	$sink->behave( 'crm', { status => 503, delay_ms => 50 } );
	destination( $node, 'crm', $sink->url('crm'),
		options => { concurrency => 16, max_attempts => 2, %impatient } );
	load_signals( $node, tickets => 300, prefix => 'B' );
	ok( wait_for( $node, "select count(*) > 0 from cxsig.retry" ),
		'it fails' );
	ok( wait_for(
			$node,
			"select in_flight = 0 from cxsig.worker_status where process = 'dispatcher'"
		),
		'and opens' );
	is( log_lines('destination "crm" fails'), 1, 'the log says so once' );
	$sink->reset('crm');
	ok( $sink->wait_counters( 'crm', { received => 3 } ), 'probes follow' );
	is( $sink->stats('crm')->{max_in_flight}, 1, 'one at a time' );
	my %lanes = map { $_->{key} => 1 } $sink->log('crm');
	cmp_ok( scalar keys %lanes, '>=', 3, 'each of another lane' );
	cmp_ok( ask('select count(*) from cxsig.retry'),
		'<', 40, 'the lanes behind stay as they are' );
  };

subtest 'breaker: a few, then all, once it answers' => sub {
	$sink->behave( 'crm', { status => 200, delay_ms => 50 } );
	ok( idle( $node, 120 ), 'all delivered' );
	is( log_lines('destination "crm" answers again'),
		1, 'the log says so once' );
	my @at =
	  map { $_->{at_us} } grep { $_->{status} == 200 } $sink->log('crm');

	# The first success takes 50 ms; until it and three more are in, four are out at most.
	cmp_ok( scalar( grep { $_ < $at[0] + 90_000 } @at ),
		'<=', 5, 'few at first' );
	is( ask('select count(*) from cxsig.dead_letter'),
		0, 'an outage dead-letters nothing' );
	all_arrived( $node, $sink, 'crm', 'breaker' );
	is( $sink->stats('crm')->{order_violations}, 0, 'in order' );
};

subtest 'Retry-After: seconds or a date, for the whole destination' => sub {
	destination( $node, 'quota', $sink->url('quota'),
		options => { concurrency => 4, %impatient } );
	$sink->behave( 'quota', { status => 429, retry_after => 86000 } );
	ingest( $node, ticket => 'Q-1' );
	ok( $sink->wait_counters( 'quota', { received => 1 } ),
		'one is refused' );
	ok( wait_for(
			$node,
			"select exists (select from cxsig.retry where last_status = 429)"
		),
		'it waits' );
	load_signals( $node, tickets => 20, prefix => 'Q' );
	ok( wait_for(
			$node,
			"select low < newest and events_behind >= 20 from cxsig.consumer_lag where destination = 'quota'"
		),
		'others come' );
	is( $sink->stats('quota')->{received}, 1, 'none of them is sent' );
	ask("select cxsig.drop_destination('quota')");
};

$node->stop;
done_testing();
