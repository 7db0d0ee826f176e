# Promise: a backfill delays no live event, overtakes none that was there before, takes no field back to
# an older revision, and is counted apart; and like everything else it is never lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink     = CxsigTest::Sink->start;
my $node     = cxsig_node('backfill');
my %backfill = ( fields => { backfill => JSON::PP::true } );

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# The keys that arrived at a path, in order of their arrival.
sub keys_of
{
	return map { $_->{key} } $sink->log( $_[0] );
}

subtest 'backfill: it takes what live leaves' => sub {
	$sink->behave( 'busy', { hang => 1 } );
	destination( $node, 'busy', $sink->url('busy'),
		options => { concurrency => 4, total_timeout_ms => 600_000 } );
	load_signals( $node, tickets => 200, prefix => 'old', %backfill );
	ok( in_flight( $sink, 'busy', 3 ), 'it has requests out' );
	ok( wait_for(
			$node,
			"select in_flight = 3 from cxsig.worker_status where process = 'dispatcher'"
		),
		'but leaves one for live' );
	ingest( $node, ticket => 'now-1' );
	ok( $sink->wait_counters( 'busy', { received => 4 } ),
		'which a live event has at once' );
	is( ( keys_of('busy') )[3], 'now-1', 'before the rest of the backfill' );
	ask("select cxsig.pause_destination('busy')");
	ingest( $node, ticket => 'now-2' );
	$sink->reset('busy');
	$sink->behave( 'busy', { status => 200 } );
	ask("select cxsig.resume_destination('busy')");
	ok( idle($node), 'then all of it' );
	# Those sent at the same moment may arrive in any order.
	is_deeply(
		[ sort grep { /^now/ } ( keys_of('busy') )[ 0 .. 3 ] ],
		[ 'now-1', 'now-2' ],
		'live first' );
	all_arrived( $node, $sink, 'busy', 'backfill' );
	is( ask("select count(*) filter (where backfill), count(*) from cxsig.deliveries where destination = 'busy' and outcome = 'delivered'"
		),
		'200|202',
		'the receipts say which was which' );
	is( ask("select events from cxsig.latency where destination = 'busy' and stage = 'commit -> applied'"
		),
		2,
		'latency counts live events only' );
	ask("select cxsig.drop_destination('busy')");
};

subtest
  'no regression: an older revision that a backfill brings is superseded' =>
  sub {
	destination( $node, 'crm', $sink->url('crm'),
		options => { history => 'latest', paused => JSON::PP::true } );
	my $old = ingest( $node, ticket => 'R-1', backfill => JSON::PP::true );
	my $new = ingest( $node, ticket => 'R-1' );
	ingest( $node, ticket => 'R-2', backfill => JSON::PP::true );
	ask("select cxsig.resume_destination('crm')");
	ok( idle($node), 'all have their outcome' );
	is_deeply(
		[ sort map { "$_->{key} $_->{version}" } $sink->log('crm') ],
		[ 'R-1 2', 'R-2 1' ],
		'the newest of each ticket arrived, and nothing else' );
	is( ask("select outcome, superseded_by = '$new->{event_id}' from cxsig.deliveries where event_id = '$old->{event_id}' and destination = 'crm'"
		),
		'superseded|t',
		'the receipt of the other names it' );
  };

subtest 'no regression: nor after it waited for a retry' => sub {
	$sink->behave( 'crm', { fail_key => 'R-3', status => 500 } );
	my $old = ingest( $node, ticket => 'R-3', backfill => JSON::PP::true );
	ok( wait_for(
			$node, 'select exists (select from cxsig.retry where backfill)' ),
		'a backfilled event waits for another attempt' );
	ingest( $node, ticket => 'R-3' );
	$sink->behave( 'crm', { status => 200 } );
	ok( idle($node), 'all have their outcome' );
	is( join( ' ',
			map    { $_->{version} }
			  grep { $_->{key} eq 'R-3' && $_->{status} == 200 }
			  $sink->log('crm') ),
		'2',
		'the newer one arrived alone' );
	is( ask("select outcome from cxsig.deliveries where event_id = '$old->{event_id}' and destination = 'crm'"
		),
		'superseded',
		'it stands for the older one' );
	ask("select cxsig.drop_destination('crm')");
};

subtest
  'ordered: live events of a ticket that were there before go before its backfill'
  => sub {
	destination( $node, 'log', $sink->url('log'),
		options => { paused => JSON::PP::true } );
	ingest( $node, ticket => 'O-1' ) for 1 .. 3;
	ingest( $node, ticket => 'O-1', backfill => JSON::PP::true ) for 1 .. 3;
	ask("select cxsig.resume_destination('log')");
	ok( idle($node), 'all delivered' );
	is( join( ' ',
			map  { $_->{version} }
			grep { $_->{key} eq 'O-1' } $sink->log('log') ),
		'1 2 3 4 5 6',
		'in order' );
	ask("select cxsig.drop_destination('log')");
  };

subtest
  'backfill: a destination that is nowhere near the others gets it too' =>
  sub {
	destination( $node, 'early', $sink->url('early') );
	ingest( $node, ticket => 'N-1' );
	load_signals( $node, tickets => 50, prefix => 'N', %backfill );
	ok( idle($node), 'the last live event is before a backfill' );
	destination( $node, 'new', $sink->url('new') );
	ok( idle($node), 'a new destination has nothing to read' );
	load_signals( $node, tickets => 60, prefix => 'NN', %backfill );
	ok( $sink->wait_ok( 'new', 60, 30 ), 'more backfill reaches it' );
	ok( idle($node),                     'and it says so' );
	ask("select cxsig.drop_destination('$_')") for qw(early new);
  };

subtest
  'poison: a held lane stays held when backfill comes to lie before its head'
  => sub {
	destination(
		$node, 'holds',
		$sink->url( 'holds', poison_key => 'H-1' ),
		options => { poison_policy => 'hold', paused => JSON::PP::true } );
	ingest( $node, ticket => 'H-1', backfill => JSON::PP::true );
	ingest( $node, ticket => 'H-1' );
	ask("select cxsig.resume_destination('holds')");
	ok( wait_for(
			$node, "select count(*) = 2 and bool_or(held) from cxsig.retry" ),
		'the live one is held, the older one behind it' );

	# Another destination that works shows that all were looked at again.
	destination( $node, 'other', $sink->url('other') );
	ingest( $node, ticket => 'H-2' );
	ok( $sink->wait_ok( $_, 1 ), "$_ gets what is new" ) for qw(other holds);
	is( scalar( grep { $_->{key} eq 'H-1' } $sink->log('holds') ),
		1, 'neither of the lane is sent' );
	is( ask("select held, events_waiting from cxsig.blocked_lanes where destination = 'holds'"
		),
		't|2',
		'it is blocked' );
	$sink->behave( 'holds', { status => 200 } );
	is( ask("select cxsig.release_lane('holds', lane) from cxsig.blocked_lanes where destination = 'holds'"
		),
		't',
		'a person lets it go' );
	ok( idle($node), 'and all is done' );
	ask("select cxsig.drop_destination('$_')") for qw(holds other);
  };

subtest 'flat: a stream without events moves on with the other' => sub {
	destination( $node, 'moves', $sink->url('moves') );
	load_signals( $node, tickets => 3000, prefix => 'Z' );
	ok( idle($node), 'many live events' );
	ok( wait_for(
			$node,
			"select newest - backfill_low < 2048 from cxsig.consumer_lag where destination = 'moves'"
		),
		'leave little to look through for backfill' );
	ask("select cxsig.drop_destination('moves')");
};

subtest 'never lost: across an immediate shutdown, with transactions open' =>
  sub {
	destination(
		$node, 'lost',
		$sink->url( 'lost', delay_ms => 2 ),
		options => { concurrency => 8 } );
	my $before = ask('select last_value from cxsig.outbox_position');
	my $open   = session($node);
	$open->query_safe( 'begin; select cxsig.ingest('
		  . literal( signal( ticket => 'open', backfill => JSON::PP::true ) )
		  . ')' );
	load_signals( $node, tickets => 1500, prefix => 'L', %backfill );
	load_signals( $node, tickets => 200, prefix => 'M' );
	ok( $sink->wait_counters( 'lost', { ok => 500 } ), 'some have arrived' );
	$open->query_safe('prepare transaction \'backfill\'');
	$open->quit;
	$node->stop('immediate');
	$node->start;
	ask("commit prepared 'backfill'");
	ok( idle( $node, 120 ), 'all delivered after the restart' );
	all_arrived( $node, $sink, 'lost', 'never lost',
		"event_id in (select event_id from cxsig.outbox where position > $before)"
	);
	repeats_without_receipt( $node, $sink, 'lost', 'lost', 'never lost' );
  };

$node->stop;
done_testing();
