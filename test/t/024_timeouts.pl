# Promise: a request is bounded in each of its phases (connect, first byte, total), by name, and the
# bounds can be changed while it runs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use IO::Socket::INET;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('timeouts');

# A port that answers no more connections: nobody accepts, and the queue is full.
my $deaf = IO::Socket::INET->new(
	Listen    => 1,
	LocalAddr => '127.0.0.1',
	Proto     => 'tcp' ) or die "could not listen: $@";
my @queue;
for ( 1 .. 10 )
{
	my $waiting = IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $deaf->sockport,
		Timeout  => 1 ) or last;
	push @queue, $waiting;
}
my $deaf_url = '://127.0.0.1:' . $deaf->sockport . '/';

# made($name, $url, %timeouts): a destination that tries again soon
sub made
{
	my ( $name, $url, %timeouts ) = @_;

	destination( $node, $name, $url,
		options => { retry_initial_ms => 50, retry_max_ms => 50, %timeouts }
	);
	return;
}

# timed_out($name): how long a ping took and in which phase it ended
sub timed_out
{
	my ($name) = @_;
	my $detail = psql_json( $node,
		"select to_jsonb(detail) from cxsig.test_destination('$name')" );

	note "$name: $detail";
	return $detail =~ /^retry: timed out after (\d+) ms (.*)$/
	  ? ( $1, $2 )
	  : ( 0, $detail );
}

subtest 'connect' => sub {
	made(
		'connect', "http$deaf_url",
		connect_timeout_ms    => 1200,
		first_byte_timeout_ms => 100,
		total_timeout_ms      => 300_000 );
	my ( $ms, $phase ) = timed_out('connect');
	is( $phase, 'connecting', 'by name' );
	cmp_ok( $ms, '>=', 1195,
		'and in its time: connecting is not waiting for an answer' );
	cmp_ok( $ms, '<', 100_000, 'not in that of the whole' );
};

subtest 'first byte' => sub {
	made(
		'first', $sink->url( 'first', hang => 1 ),
		first_byte_timeout_ms => 300,
		total_timeout_ms      => 60_000 );
	my ( $ms, $phase ) = timed_out('first');
	is( $phase, 'waiting for the answer', 'by name' );
	cmp_ok( $ms, '>=', 300,    'in its time' );
	cmp_ok( $ms, '<',  50_000, 'not in that of the whole' );
};

subtest 'total' => sub {
	made(
		'total', $sink->url( 'total', status => 503, slow_bytes => 200_000 ),
		first_byte_timeout_ms => 300,
		total_timeout_ms      => 1500 );
	like(
		psql_json(
			$node,
			"select to_jsonb(detail) from cxsig.test_destination('total')" ),
		qr/^retry: timed out after (1[5-9]|[2-9]\d|\d\d\d)\d\d ms reading the answer/,
		'by name, in its time, though the answer began' );

	made(
		'least', $sink->url( 'least', hang => 1 ),
		first_byte_timeout_ms => 300_000,
		total_timeout_ms      => 300 );
	my ( $ms, $phase ) = timed_out('least');
	is( $phase, 'waiting for the answer', 'it bounds the others too' );
	cmp_ok( $ms, '<', 100_000, 'in its time' );
};

subtest 'an answer that has begun is bounded by the total only' => sub {
	made(
		'begun',
		$sink->url( 'begun', slow_bytes => 50, body_bytes => 30 ),
		first_byte_timeout_ms => 500,
		total_timeout_ms      => 300_000 );
	is( psql_json(
			$node,
			"select to_jsonb(answer) from cxsig.test_destination('begun')" ),
		'x' x 30,
		'read to its end' );
};

subtest 'each request by its own bound, side by side' => sub {
	made(
		"hang$_", $sink->url( "hang$_", hang => 1 ),
		first_byte_timeout_ms => 200 * $_,
		total_timeout_ms      => 600_000 ) for 1 .. 5;
	made(
		'slow',
		$sink->url( 'slow', delay_ms => 1000 ),
		first_byte_timeout_ms => 300_000,
		total_timeout_ms      => 600_000 );
	made( 'quick', $sink->url('quick') );
	ingest( $node, ticket => 'T-1' );
	for my $n ( 1 .. 5 )
	{
		ok( $sink->wait_counters( "hang$n", { received => 3 } ),
			"$n hangs, is given up and tried again" );
		my $ms = 200 * $n;
		ok( wait_for( $node, <<"SQL"), "$n says why" );
select exists (select from cxsig.retry r join cxsig.destination d using (destination_id)
	where d.name = 'hang$n' and substring(r.last_error from '^timed out after (\\d+) ms waiting')::int >= $ms)
SQL
	}
	ok( $sink->wait_ok( 'slow', 1 ), 'the slow one may take its time' );
	is( $sink->stats('slow')->{received},  1, 'and is asked once' );
	is( $sink->stats('quick')->{received}, 1, 'so is the quick one' );
};

subtest 'alterable while it runs' => sub {
	made(
		'alter',
		$sink->url( 'alter', delay_ms => 3000 ),
		first_byte_timeout_ms => 200,
		total_timeout_ms      => 300_000 );
	ingest( $node, ticket => 'T-2' );
	ok( $sink->wait_counters( 'alter', { received => 2 } ),
		'too short a bound: tried again' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from cxsig.deliveries where destination = 'alter'"
		),
		0,
		'and not delivered' );
	$node->safe_psql( 'postgres',
		q(select cxsig.alter_destination('alter', options => '{"first_byte_timeout_ms": 200000}'))
	);
	ok( wait_for(
			$node,
			"select exists (select from cxsig.deliveries where destination = 'alter' and outcome = 'delivered')"
		),
		'a longer one: delivered' );

	$sink->behave( 'alter', { hang => 1 } );
	my $before = $sink->stats('alter')->{received};
	ingest( $node, ticket => 'T-3' );
	ok( $sink->wait_counters( 'alter', { received => $before + 1 } ),
		'a request hangs' );
	$node->safe_psql( 'postgres',
		q(select cxsig.alter_destination('alter', options => '{"first_byte_timeout_ms": 200}'))
	);
	ok( $sink->wait_counters( 'alter', { received => $before + 3 } ),
		'a shorter one: given up and tried again' );
};

$node->stop('fast');
done_testing();
