# Promise: no regression. A replay sends what was recorded once more, in order, and takes nothing back:
# where history is latest, an old revision is superseded by what is known, also where that came and was
# delivered while the replay was being written. It takes what live events leave, and counts apart.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('replay');

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# The versions of a key that a path took, in order of arrival.
sub taken
{
	my ( $path, $key ) = @_;

	return join ' ', map { $_->{version} }
	  grep { $_->{key} eq $key && $_->{status} == 200 } $sink->log($path);
}

# How many of a destination's receipts have an outcome, live and backfill apart.
sub receipts
{
	my ( $name, $outcome ) = @_;

	return ask(
		"select count(*) filter (where not backfill), count(*) filter (where backfill)
				from cxsig.deliveries where destination = '$name' and outcome = '$outcome'"
	);
}

sub done_with
{
	ask("select cxsig.drop_destination('$_')") for @_;
	return;
}

# Whether the last repair is done.
sub done
{
	return wait_for( $node,
		"select state = 'done' and done_percent = 100 from cxsig.repairs order by repair_id desc limit 1"
	);
}

subtest 'no regression: a replay of all sends each once more, in order' =>
  sub {
	destination( $node, 'first', $sink->url('first') );
	destination( $node, 'other', $sink->url('other') );
	my $events =
	  load_signals( $node, tickets => 20, revisions => 5, prefix => 'R' );
	ok( idle($node), "$events events have their outcomes" );
	my $sent = $sink->stats('first')->{ok};
	is( ask("select cxsig.replay('first', '-infinity', now() - interval '1 hour')"
		),
		0,
		'of a time in which nothing was recorded, nothing is replayed' );
	is( ask("select cxsig.replay('first', now() - interval '1 hour')"),
		$events, 'all are replayed' );
	ok( idle($node), 'they have their outcomes' );
	is( $sink->stats('first')->{ok} - $sent, $events, 'each came once more' );
	is( taken( 'first', 'R-7' ),
		'1 2 3 4 5 1 2 3 4 5',
		'in the order of its revisions' );
	is( $sink->stats('first')->{identity_mismatch} +
		  $sink->stats('first')->{body_mismatch},
		0,
		'with the id and the body it had' );
	is( $sink->stats('other')->{ok},
		$events, 'another destination got nothing' );
	ok( done(), 'and the replay is done' );
	is( receipts( 'first', 'delivered' ),
		"$events|$events", 'its receipts count apart' );
	is( ask("select distinct events from cxsig.latency where destination = 'first'"
		),
		$events,
		'and in no latency figure' );
	is( ask("select cxsig.replay('first', now() - interval '1 hour', filter => '\$.ticket_id == \"R-3\" && \$.version < 3')"
		),
		2,
		'a filter chooses' );
	ok( idle($node), 'they have their outcomes' );
	is( taken( 'first', 'R-3' ),
		'1 2 3 4 5 1 2 3 4 5 1 2',
		'and these come once more' );
	done_with( 'first', 'other' );
  };

subtest
  'no regression: where history is latest, the newest of each ticket' => sub {
	destination(
		$node, 'latest',
		$sink->url('latest'),
		options => { history => 'latest' } );
	destination(
		$node, 'rewritten',
		$sink->url('rewritten'),
		options => { history => 'latest' } );
	my $events =
	  load_signals( $node, tickets => 20, revisions => 5, prefix => 'L' );
	ok( idle($node), "$events events have their outcomes" );
	my $before = $sink->stats('latest')->{ok};
	is( ask("select cxsig.replay('latest', now() - interval '1 hour', filter => '\$.ticket_id starts with \"L-\"')"
		),
		$events,
		'all are replayed' );
	ok( idle($node), 'they have their outcomes' );
	is( $sink->stats('latest')->{ok} - $before, 20, 'one a ticket is sent' );
	like( taken( 'latest', 'L-7' ), qr/\b5 5$/, 'the newest once more' );
	unlike(
		taken( 'latest', 'L-7' ),
		qr/([1-5]).* (?!\1)[1-4]$/,
		'and no older one after it' );
	is( ask("select count(*) from cxsig.deliveries d join cxsig.event older using (event_id)
			 left join cxsig.event newer on newer.event_id = d.superseded_by
			 where d.destination = 'latest' and d.outcome = 'superseded' and d.backfill
			 and newer.ticket_id = older.ticket_id and newer.version > older.version"
		),
		$events - 20,
		'the others have receipts that name a newer one' );
	is( ask("select cxsig.replay('rewritten', now() - interval '1 hour',
				filter => '\$.ticket_id == \"L-7\" && \$.version < 3', force => true)"
		),
		2,
		'forced' );
	ok( idle($node), 'they have their outcomes' );
	like( taken( 'rewritten', 'L-7' ),
		qr/5 1 2$/, 'old ones are sent all the same' );
	done_with( 'latest', 'rewritten' );
  };

subtest
  'no regression: a newer one comes and is delivered while the replay is open'
  => sub {
	destination( $node, 'open', $sink->url('open'),
		options => { history => 'latest' } );
	ingest( $node, ticket => 'O-1' );
	ok( idle($node), 'the first revision is there' );
	my $replay = session($node);
	$replay->query_safe('begin');
	is( $replay->query_safe(
			"select cxsig.replay('open', now() - interval '1 hour', filter => '\$.ticket_id == \"O-1\"')"
		),
		1,
		'it is replayed' );
	my $second = ingest( $node, ticket => 'O-1' );
	ok( $sink->wait_ok( 'open', 2 ),
		'a second does not wait, and is delivered' );
	$replay->query_safe('commit');
	$replay->quit;
	ok( idle($node), 'the replay is committed, and has its outcome' );
	is( taken( 'open', 'O-1' ), '1 2', 'the first is not sent again' );
	is( ask("select count(*) from cxsig.deliveries
			 where destination = 'open' and outcome = 'superseded' and superseded_by = '$second->{event_id}'"
		),
		1,
		'its receipt names the second' );
	ok( done(), 'and the replay is done' );
	done_with('open');
  };

subtest 'flat: a replay takes what live events leave' => sub {
	destination( $node, 'slow', $sink->url('slow'),
		options => { concurrency => 2 } );
	my $events =
	  load_signals( $node, tickets => 600, revisions => 1, prefix => 'S' );
	ok( idle($node), 'events are there' );
	$sink->behave( 'slow', { delay_ms => 40 } );
	ask("select cxsig.replay('slow', now() - interval '1 hour', filter => '\$.ticket_id starts with \"S-\"')"
	);
	ok( $sink->wait_counters( 'slow', { ok => $events + 20 } ),
		'the replay is under way' );
	is( ask("select kind, state from cxsig.repairs order by repair_id desc limit 1"
		),
		'replay|under way',
		'and says so' )
	  if wait_for(
		$node,
		"select state <> 'waiting' from cxsig.repairs order by repair_id desc limit 1"
	  );
	ingest( $node, ticket => 'now-' . $_ ) for 1 .. 5;
	ok( $sink->wait_ok( 'slow', $events + 5 ), 'live events arrive' );
	cmp_ok(
		$sink->stats('slow')->{ok},
		'<',
		2 * $events,
		'before the replay is through' );
	is( ask("select lag_seconds < 60 and backfill_waiting > 0 from cxsig.destination_status where name = 'slow'"
		),
		't',
		'what is left of it is counted apart and is no lag' );
	$sink->behave( 'slow', { status => 200 } );
	ok( idle($node), 'then all have their outcomes' );
	ok( done(),      'and the replay is done' );
	is( ask("select waiting, backfill_waiting from cxsig.destination_status where name = 'slow'"
		),
		'0|0',
		'nothing waits' );
	done_with('slow');
};

subtest 'receipted: a replay that fails counts apart through its retries' =>
  sub {
	destination(
		$node, 'failing',
		$sink->url('failing'),
		options => { retry_initial_ms => 4000 } );
	ingest( $node, ticket => 'E-1' );
	ok( idle($node), 'it is there' );
	$sink->behave( 'failing', { status => 503 } );
	ask("select cxsig.replay('failing', now() - interval '1 hour', filter => '\$.ticket_id == \"E-1\"')"
	);
	ok( wait_for(
			$node,
			"select count(*) = 1 from cxsig.retry r join cxsig.destination d using (destination_id)
			 where d.name = 'failing' and r.backfill and r.attempt > 0"
		),
		'it waits for another attempt, as backfill' );
	is( ask("select waiting, backfill_waiting, lag_seconds from cxsig.destination_status where name = 'failing'"
		),
		'0|1|0.0',
		'and is counted as such' );
	$sink->behave( 'failing', { status => 200 } );
	ok( idle($node), 'it has its outcome' );
	is( receipts( 'failing', 'delivered' ), '1|1', 'and a receipt apart' );
	done_with('failing');
  };

$node->stop;
done_testing();
