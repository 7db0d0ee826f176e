# Promise: what a destination may be sent is limited as its options say - how many requests a second
# and at once, and which come first - and every limit can be altered while it runs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
# Nothing but the limits themselves may wake it.
my $node = cxsig_node( 'limits',
	conf => "cxsig.poll_interval = 60s\ncxsig.checkpoint_interval = 60s\n" );

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# The moments of arrival at a path, in seconds since the first.
sub arrivals
{
	my @at = map { $_->{at_us} / 1e6 } $sink->log( $_[0] );

	return map { $_ - $at[0] } @at;
}

subtest 'rate: so many requests a second, after a burst' => sub {
	destination( $node, 'slow', $sink->url('slow'),
		options => { rate_limit => 20, rate_burst => 5 } );
	load_signals( $node, tickets => 45, prefix => 'S' );
	ok( idle($node), 'all delivered' );
	my @at = arrivals('slow');
	is( scalar @at, 45, 'all arrived' );

	# the bucket holds 5, and 20 a second come into it: whatever the machine does, never more
	my @early = grep { $at[$_] < ( $_ - 5 ) / 20 - 0.02 } 0 .. $#at;
	is( "@early", '', 'none came before its turn' );
};

subtest 'rate: it is altered while it runs' => sub {
	ask("select cxsig.alter_destination('slow', options => '{\"rate_limit\": 0.001}')"
	);
	load_signals( $node, tickets => 10, prefix => 'T' );
	ok( $sink->wait_counters( 'slow', { received => 46 } ),
		'one goes out, and no more' );
	ok( wait_for(
			$node,
			"select events_in_memory = 9 and in_flight = 0 from cxsig.worker_status where process = 'dispatcher'"
		),
		'the others wait' );
	is( $sink->stats('slow')->{received}, 46, 'none of them was sent' );
	ask("select cxsig.alter_destination('slow', options => '{\"rate_limit\": null}')"
	);
	ok( idle($node), 'without a limit all go' );
	ask("select cxsig.drop_destination('slow')");
};

subtest 'concurrency and window: altered while it runs' => sub {
	$sink->behave( 'wide', { hang => 1 } );
	destination( $node, 'wide', $sink->url('wide'),
		options =>
		  { concurrency => 2, window => 10, total_timeout_ms => 600_000 } );
	load_signals( $node, tickets => 50, prefix => 'W' );
	ok( in_flight( $sink, 'wide', 2 ), 'two requests at once' );
	ok( wait_for(
			$node,
			"select events_in_memory <= 10 and in_flight = 2 from cxsig.worker_status where process = 'dispatcher'"
		),
		'and ten events in memory' );
	ask("select cxsig.alter_destination('wide', options => '{\"concurrency\": 7, \"window\": 30}')"
	);
	ok( in_flight( $sink, 'wide', 7 ), 'then seven' );
	ok( wait_for(
			$node,
			"select events_in_memory between 11 and 30 and in_flight = 7 from cxsig.worker_status where process = 'dispatcher'"
		),
		'and up to thirty in memory' );
	$sink->behave( 'wide', { status => 200 } );
	ask("select cxsig.alter_destination('wide', options => '{\"concurrency\": 16}')"
	);
	ok( idle($node), 'all delivered in the end' );
	ask("select cxsig.drop_destination('wide')");
};

subtest 'priority: what occurred first goes first' => sub {
	destination(
		$node, 'urgent',
		$sink->url('urgent'),
		options => { concurrency => 1, paused => JSON::PP::true } );
	ingest(
		$node,
		ticket      => "P-$_",
		occurred_at => "2026-01-0${_}T00:00:00Z" ) for 5, 2, 4, 1, 3;
	ask("select cxsig.resume_destination('urgent')");
	ok( idle($node), 'all delivered' );
	is( join( ' ', map { $_->{key} } $sink->log('urgent') ),
		'P-1 P-2 P-3 P-4 P-5',
		'by deadline, not by position' );
	ask("select cxsig.drop_destination('urgent')");
};

subtest 'rate: whoever waits is woken for his turn' => sub {
	destination( $node, 'turns', $sink->url('turns'),
		options => { rate_limit => 10, rate_burst => 1 } );
	load_signals( $node, tickets => 25, prefix => 'U' );
	ok( $sink->wait_ok( 'turns', 25, 20 ), '25 at 10 a second' );
	ask("select cxsig.drop_destination('turns')");
	destination(
		$node, 'lingers', $sink->url('lingers'),
		config  => { format     => 'json_array' },
		options => { batch_size => 100, batch_linger_ms => 50 } );
	for my $n ( 1 .. 5 )
	{
		ok( idle($node), 'nothing else to do' );
		ingest( $node, ticket => "L-$n" );
		ok( $sink->wait_ok( 'lingers', $n, 30 ), 'a batch of one' );
	}
	ok( idle($node), 'five of them' );
	my @waited = sort { $a <=> $b } split /\n/,
	  ask(
		"select commit_latency_ms from cxsig.deliveries where destination = 'lingers' and outcome = 'delivered'"
	  );
	cmp_ok( $waited[2], '<', 500, 'most of which waited for nothing else' );
	ask("select cxsig.drop_destination('lingers')");
};

subtest 'bad input: limits are checked by name' => sub {
	for my $case (
		[ rate_limit            => '0',     'from 0.001' ],
		[ rate_limit            => '"ten"', 'from 0.001' ],
		[ rate_burst            => '0',     'from 1 to 100000' ],
		[ batch_size            => '1001',  'from 1 to 1000' ],
		[ batch_bytes           => '1',     'from 1024' ],
		[ batch_linger_ms       => '-1',    'from 0 to 60000' ],
		[ first_byte_timeout_ms => '0',     'from 1 to 3600000' ] )
	{
		my ( $option, $value, $hint ) = @$case;
		my $error = error_of( $node,
			"select cxsig.create_destination('x', 'webhook', '{\"url\": \"http://127.0.0.1:1/\"}', '{\"$option\": $value}')"
		);

		like(
			$error,
			qr/option "$option" cannot be .*HINT: .*\Q$hint\E/s,
			"$option $value" );
	}
};

$node->stop;
done_testing();
