# Promise: nothing silent. What a person can do about what failed: let a held lane skip its head,
# send dead letters again by what they say, see what stood for what; and the pauses that a receiver
# asks for, as it sees them itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('repair');

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# The moments at which a key came to a path.
sub arrivals
{
	my ( $path, $key ) = @_;

	return map { $_->{at_us} } grep { $_->{key} eq $key } $sink->log($path);
}

# The versions of a key that a path took, in order of arrival.
sub taken
{
	my ( $path, $key ) = @_;

	return join ' ', map { $_->{version} }
	  grep { $_->{key} eq $key && $_->{status} == 200 } $sink->log($path);
}

subtest 'poison: a held lane that skips its head goes on behind it' => sub {
	destination(
		$node, 'hold',
		$sink->url( 'hold', poison_key => 'H-1' ),
		options => { poison_policy => 'hold' } );
	my @events = map { ingest( $node, ticket => 'H-1' ) } 1 .. 3;
	ok( wait_for(
			$node,
			'select count(*) = 1 from cxsig.blocked_lanes where held and events_waiting = 3'
		),
		'all three wait for a person' );
	my $lane = ask('select lane from cxsig.blocked_lanes');
	is( ask("select cxsig.release_lane('hold', $lane + 1)"),
		'f', 'a lane that is not held cannot be released' );
	$sink->behave( 'hold', { status => 200 } );
	is( ask("select cxsig.release_lane('hold', $lane, skip => true)"),
		't', 'the head is skipped' );
	ok( idle($node), 'then all has its outcome' );
	is( taken( 'hold', 'H-1' ), '2 3', 'those behind it arrive, in order' );
	is( ask("select event_id = '$events[0]{event_id}', http_status from cxsig.dead_letters"
		),
		't|422',
		'the head is a dead letter, with the answer it got' );
	is( ask("select outcome from cxsig.deliveries where event_id = '$events[0]{event_id}'"
		),
		'dead',
		'and has a receipt that says so' );
	is( ask('select count(*) from cxsig.blocked_lanes'),
		0, 'nothing is blocked' );
	ask("select cxsig.discard('hold'), cxsig.drop_destination('hold')");
};

subtest 'poison: redrive chooses by id, by reason and by time' => sub {
	$sink->behave( 'dead', { status => 422 } );
	destination( $node, 'dead', $sink->url('dead') );
	ingest( $node, ticket => 'D-1' ) for 1 .. 3;
	ingest( $node, ticket => 'D-2' );
	ok( idle($node), 'four are dead' );
	my ($first) =
	  split /\n/,
	  ask('select dead_letter_id from cxsig.dead_letters order by position');
	$sink->behave( 'dead', { status => 200 } );
	my %choice = (
		"reason => 'words that no answer has'" => 0,
		"until => now() - interval '1 hour'"   => 0,
		"since => now() + interval '1 hour'"   => 0,
		"ids => array[$first]"                 => 1 );
	is( ask("select redriven from cxsig.redrive('dead', $_)"),
		$choice{$_}, "redrive by $_" )
	  for sort keys %choice;
	ok( idle($node), 'it has its outcome' );
	is( taken( 'dead', 'D-1' ), '1', 'the one chosen arrives, no other' );
	is( ask(q(select redriven from cxsig.redrive('dead', reason => '422', since => now() - interval '1 hour'))
		),
		3,
		'redrive by reason and time' );
	ok( idle($node), 'they have their outcomes' );
	is( taken( 'dead', 'D-1' ), '1 2 3', 'in the order of their revisions' );
	is( taken( 'dead', 'D-2' ), '1',     'the other ticket too' );
	is( ask("select redriven from cxsig.redrive('dead')"),
		0, 'none is left to redrive' );
	is( $sink->stats('dead')->{identity_mismatch} +
		  $sink->stats('dead')->{body_mismatch},
		0,
		'under the ids and with the bodies they had' );
	ask("select cxsig.drop_destination('dead')");
};

subtest
  'no regression: a retry sends the newest, with receipts for the rest' =>
  sub {
	destination(
		$node, 'latest',
		$sink->url( 'latest', status => 500 ),
		options => { history => 'latest', retry_initial_ms => 3000 } );
	ingest( $node, ticket => 'L-1' );
	ok( wait_for( $node, 'select count(*) = 1 from cxsig.blocked_lanes' ),
		'the first waits for its second attempt' );
	ingest( $node, ticket => 'L-1' ) for 2 .. 3;
	$sink->behave( 'latest', { status => 200 } );
	ok( idle($node), 'all have their outcomes' );
	is( join(
			' ', map { "$_->{version}:$_->{status}" } $sink->log('latest') ),
		'1:500 3:200',
		'of three revisions the last is sent, once' );
	is( ask("select string_agg(e.version || ' ' || d.outcome, ', ' order by e.version)
			 from cxsig.deliveries d join cxsig.event e using (event_id)
			 where d.destination = 'latest'"
		),
		'1 superseded, 2 superseded, 3 delivered',
		'each has its receipt' );
	is( ask("select count(*) from cxsig.deliveries d join cxsig.event older using (event_id)
			 join cxsig.event newer on newer.event_id = d.superseded_by
			 where d.destination = 'latest' and newer.ticket_id = older.ticket_id
			 and newer.version > older.version"
		),
		2,
		'and those not sent name a newer revision that stands for them' );
	ask("select cxsig.drop_destination('latest')");
  };

subtest 'retry: Retry-After holds the whole destination, and no other' =>
  sub {
	destination(
		$node, 'busy',
		$sink->url(
			'busy',
			fail_first  => 1,
			fail_key    => 'B-1',
			status      => 429,
			retry_after => 4 ),
		options => { retry_initial_ms => 1, retry_max_ms => 2 } );
	destination( $node, 'idle', $sink->url('idle') );
	ingest( $node, ticket => 'B-1' );
	ok( wait_for(
			$node,
			"select count(*) = 1 from cxsig.blocked_lanes where last_status = 429"
		),
		'the receiver asked for 4 s' );
	ingest( $node, ticket => 'B-2' );
	ok( idle($node), 'both have their outcomes' );
	my ($asked) = arrivals( 'busy', 'B-1' );
	cmp_ok( ( arrivals( 'busy', 'B-2' ) )[0] - $asked,
		'>=', 4_000_000, 'another ticket waits as long' );
	cmp_ok( ( arrivals( 'idle', 'B-2' ) )[0] - $asked,
		'<', 4_000_000, 'another destination does not' );
	ask("select cxsig.drop_destination('busy'), cxsig.drop_destination('idle')"
	);
  };

subtest 'retry: the pauses grow as the policy says' => sub {
	destination(
		$node, 'slow',
		$sink->url( 'slow', fail_first => 4, status => 503 ),
		options => { retry_initial_ms => 200, retry_max_ms => 800 } );
	ingest( $node, ticket => 'S-1' );
	ok( $sink->wait_ok( 'slow', 1 ), 'it arrives' );
	my @at = arrivals( 'slow', 'S-1' );
	is( scalar @at, 5, 'at the fifth attempt' );
	my @least = ( 150, 300, 600, 600 );
	for my $i ( 0 .. 3 )
	{
		my $pause = int( ( $at[ $i + 1 ] - $at[$i] ) / 1000 );
		cmp_ok( $pause, '>=', $least[$i], "pause $i was at least that" );
		cmp_ok( $pause, '<',  4 * $least[$i] + 2000, 'and not without end' );
	}
};

# wait_until_idle() has receipts written at once: that must not make the dispatcher forget the time.
subtest
  'retry: on time between polls, also while a session waits for idle' => sub {
	ask('alter system set cxsig.poll_interval = 10000');
	ask('select pg_reload_conf()');
	destination(
		$node, 'timely',
		$sink->url( 'timely', fail_first => 8, status => 503 ),
		options => { retry_initial_ms => 100, retry_max_ms => 200 } );
	ingest( $node, ticket => 'T-1' );
	ok( idle($node), 'it has its outcome' );
	my @at = arrivals( 'timely', 'T-1' );
	is( scalar @at, 9, 'at the ninth attempt' );
	cmp_ok( ( $at[8] - $at[0] ) / 1000,
		'<', 3500, 'after eight pauses of 250 ms at most, and some air' );
  };

$node->stop;
done_testing();
