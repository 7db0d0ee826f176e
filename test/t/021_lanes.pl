# Promise: isolated. A ticket that fails delays its own lane only; it is tried again when its time
# has come, as the receiver asks; what can never be taken is a dead letter that a person decides on.

use strict;
use warnings;

use FindBin;
use POSIX 'strftime';
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('lanes');

subtest 'isolated: one failing ticket delays no other' => sub {
	destination(
		$node, 'one',
		$sink->url( 'one', fail_key => 'T-1', status => 503 ),
		options => { retry_initial_ms => 60_000, concurrency => 4 } );
	load_signals( $node, tickets => 50, revisions => 4 );
	ok( $sink->wait_ok( 'one', 196 ), 'the other 49 tickets arrive' );
	ok( wait_for(
			$node,
			"select events_waiting = 4 and attempts = 1 and next_attempt_at > now() from cxsig.blocked_lanes"
		),
		'its lane waits, all four, seen in blocked_lanes' );
	ok( wait_for( $node, "select low > high from cxsig.consumer_lag", 20 ),
		'and does not hold back the checkpoint' );
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('one')" );
};

subtest 'retry: backoff, Retry-After in seconds' => sub {
	destination(
		$node, 'after',
		$sink->url(
			'after',
			fail_first  => 1,
			status      => 429,
			retry_after => 1 ),
		options => { retry_initial_ms => 1 } );
	ingest( $node, ticket => 'R-1' );
	ok( $sink->wait_ok( 'after', 1 ), 'it arrives' );
	my @tries = $sink->log('after');
	is( scalar @tries, 2, 'at the second attempt' );
	cmp_ok( $tries[1]{at_us} - $tries[0]{at_us},
		'>=', 1_000_000, 'not before what the receiver asked for' );
	is( $node->safe_psql(
			'postgres',
			'select string_agg(cxsig._backoff(a, 100, 1000, 0.5)::text, $$ $$ order by a) from generate_series(1, 6) a'
		),
		'100 200 400 800 1000 1000',
		'the policy: doubles, up to a limit' );
	is( $node->safe_psql(
			'postgres',
			'select cxsig._backoff(1, 100, 1000, 0), cxsig._backoff(1, 100, 1000, 1)'
		),
		'75|125',
		'with jitter of a quarter' );
	idle($node);
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('after')" );
};

subtest 'retry: Retry-After as a date, and the time the view tells' => sub {
	my $when = int(time) + 4;
	destination(
		$node, 'date',
		$sink->url(
			'date',
			fail_first  => 1,
			status      => 503,
			retry_after =>
			  strftime( '%a, %d %b %Y %H:%M:%S GMT', gmtime($when) ) ),
		options => { retry_initial_ms => 1, retry_max_ms => 2 } );
	ingest( $node, ticket => 'R-2' );
	ok( $sink->wait_ok( 'date', 1 ), 'it arrives' );
	my @tries = $sink->log('date');
	is( scalar @tries, 2, 'at the second attempt' );
	cmp_ok(
		$tries[0]{at_us}, '<',
		$when * 1_000_000,
		'the first was before that date' );
	cmp_ok( $tries[1]{at_us}, '>=', $when * 1_000_000, 'the second was not' );
	idle($node);
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('date')" );

	destination(
		$node, 'view',
		$sink->url(
			'view',
			fail_first => 1,
			fail_key   => 'R-3',
			status     => 503 ),
		options => { retry_initial_ms => 3000 } );
	ingest( $node, ticket => $_ ) for qw(R-4 R-3);
	ok( wait_for(
			$node,
			"select count(next_attempt_at) = 1 from cxsig.blocked_lanes where ticket_id = 'R-3'"
		),
		'blocked_lanes tells when' );
	my $next = $node->safe_psql( 'postgres',
		'select (extract(epoch from next_attempt_at) * 1000000)::bigint from cxsig.blocked_lanes'
	);
	ok( $sink->wait_ok( 'view', 2 ), 'both tickets arrive' );
	my @at =
	  map { $_->{at_us} } grep { $_->{key} eq 'R-3' } $sink->log('view');
	is( scalar @at, 2, 'that one at the second attempt' );
	cmp_ok( $at[1], '>=', $next,             'not before the time told' );
	cmp_ok( $at[1], '<',  $next + 5_000_000, 'and not long after it' );
	idle($node);
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('view')" );
};

subtest 'poison: 400 too' => sub {
	destination( $node, 'bad',
		$sink->url( 'bad', poison_key => 'D-0', poison_status => 400 ) );
	ingest( $node, ticket => 'D-0' );
	ok( idle($node), 'it has its outcome' );
	is( $node->safe_psql(
			'postgres',
			'select http_status, attempts from cxsig.dead_letters' ),
		'400|1',
		'a dead letter at the first attempt' );
	$node->safe_psql( 'postgres',
		"select cxsig.discard('bad'), cxsig.drop_destination('bad')" );
};

subtest 'poison: a dead letter, redriven or discarded' => sub {
	destination( $node, 'dead', $sink->url( 'dead', poison_key => 'D-1' ) );
	ingest( $node, ticket => 'D-1', sentiment => $_ )
	  for qw(negative positive);
	ingest( $node, ticket => 'D-2' );
	ok( idle($node),                 'done' );
	ok( $sink->wait_ok( 'dead', 1 ), 'the other ticket arrives' );
	is( $node->safe_psql(
			'postgres',
			"select count(*), min(http_status) from cxsig.dead_letters" ),
		'2|422',
		'two dead letters with the answer' );
	my ($id) = split /\n/,
	  $node->safe_psql( 'postgres',
		'select dead_letter_id from cxsig.dead_letters order by 1' );
	is( $node->safe_psql(
			'postgres', "select cxsig.discard('dead', array[$id])" ),
		1,
		'one is discarded' );
	$sink->behave( 'dead', { status => 200 } );
	is( $node->safe_psql(
			'postgres', "select redriven from cxsig.redrive('dead')" ),
		1,
		'the other is redriven' );
	ok( $sink->wait_ok( 'dead', 2 ), 'and arrives' );
	is( $node->safe_psql(
			'postgres', 'select count(*) from cxsig.dead_letters' ),
		0,
		'none is open' );
	is( $node->safe_psql(
			'postgres',
			'select string_agg(resolution, $$ $$ order by dead_letter_id) from cxsig.dead_letter where http_status = 422'
		),
		'discarded redriven',
		'and what became of them is on record' );
	idle($node);
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('dead')" );
};

subtest 'poison: by attempts, only while others pass' => sub {
	destination(
		$node,
		'tries',
		$sink->url( 'tries', fail_key => 'A-1', status => 500 ),
		options =>
		  { retry_initial_ms => 1, retry_max_ms => 2, max_attempts => 3 } );
	ingest( $node, ticket => 'A-1' );
	my $n = 0;
	until (
		$node->safe_psql( 'postgres',
			'select count(*) from cxsig.dead_letters' ) > 0
		  || $n++ > 200 )
	{
		ingest( $node, ticket => "other-$n" );
	}
	is( $node->safe_psql(
			'postgres', 'select count(*) from cxsig.dead_letters' ),
		1,
		'it is given up' );
	ok( idle($node), 'and the rest is done' );
	$node->safe_psql( 'postgres',
		"select cxsig.discard('tries'), cxsig.drop_destination('tries')" );
};

subtest 'poison: hold waits for a person' => sub {
	destination(
		$node, 'hold',
		$sink->url( 'hold', poison_key => 'H-1' ),
		options => { poison_policy => 'hold' } );
	ingest( $node, ticket => 'H-1' ) for 1 .. 3;
	ingest( $node, ticket => 'H-2' );
	ok( $sink->wait_ok( 'hold', 1 ), 'the other ticket arrives' );
	ok( wait_for(
			$node, 'select count(*) = 1 from cxsig.blocked_lanes where held'
		),
		'the lane is held' );
	my $lane =
	  $node->safe_psql( 'postgres', 'select lane from cxsig.blocked_lanes' );
	$sink->behave( 'hold', { status => 200 } );
	is( $node->safe_psql(
			'postgres', "select cxsig.release_lane('hold', $lane)" ),
		't',
		'released' );
	ok( $sink->wait_ok( 'hold', 4 ), 'all arrive' );
	is( $sink->stats('hold')->{order_violations}, 0, 'in order' );
};

$node->stop;
done_testing();
