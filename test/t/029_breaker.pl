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

subtest 'breaker: opens after failures in a row, across lanes' => sub {
	$sink->behave( 'crm', { status => 503 } );
	destination( $node, 'crm', $sink->url('crm'),
		options => { concurrency => 4, max_attempts => 2, %impatient } );
	load_signals( $node, tickets => 300, prefix => 'B' );
	ok( wait_for( $node, "select count(*) > 0 from cxsig.retry" ),
		'it fails' );
	ok( $sink->wait_counters( 'crm', { received => 14 } ), 'probes follow' );
	is( log_lines('destination "crm" fails'), 1, 'the log says so once' );
	is( $sink->stats('crm')->{max_in_flight} <= 4,
		1, 'never more than its concurrency' );
	cmp_ok( ask('select count(*) from cxsig.retry'),
		'<', 20, 'the lanes behind stay as they are' );
};

subtest 'breaker: a few, then all, once it answers' => sub {
	$sink->behave( 'crm', { status => 200 } );
	ok( idle( $node, 120 ), 'all delivered' );
	is( log_lines('destination "crm" answers again'),
		1, 'the log says so once' );
	is( ask('select count(*) from cxsig.dead_letter'),
		0, 'an outage dead-letters nothing' );
	all_arrived( $node, $sink, 'crm', 'breaker' );
	faithful( $sink, 'crm', 'breaker' );
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
