# Promise: no regression. A redriven old revision never overwrites a newer one, whenever that comes:
# before the call, while it is under way, or between the call and the sending; unless forced. And
# nothing silent: many dead letters are redriven in one call that tells how far it is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('redrive');

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

# A destination whose receiver refused the first revision of a ticket.
sub refused
{
	my ( $name, $ticket, %options ) = @_;

	destination(
		$node, $name,
		$sink->url( $name, status => 422 ),
		options => \%options );
	ingest( $node, ticket => $ticket );
	ok( idle($node), 'the first revision is refused' );
	is( ask("select count(*) from cxsig.dead_letters where destination = '$name'"
		),
		1,
		'and is a dead letter' );
	$sink->behave( $name, { status => 200 } );
	return;
}

sub done_with
{
	my ($name) = @_;

	ask("select cxsig.drop_destination('$name')");
	return;
}

subtest 'no regression: a newer revision is known at the call' => sub {
	refused( 'known', 'K-1', history => 'latest' );
	ingest( $node, ticket => 'K-1' );
	ok( idle($node), 'the second revision is there' );
	is( ask("select redriven, superseded from cxsig.redrive('known')"),
		'0|1', 'the first is superseded' );
	ok( idle($node), 'nothing more to do' );
	is( taken( 'known', 'K-1' ), '2', 'and is not sent' );
	is( ask("select resolution from cxsig.dead_letter"),
		'superseded', 'the dead letter says so' );
	done_with('known');
};

subtest 'no regression: unless forced' => sub {
	refused( 'forced', 'F-1', history => 'latest' );
	ingest( $node, ticket => 'F-1' );
	ok( idle($node), 'the second revision is there' );
	is( ask("select redriven, superseded from cxsig.redrive('forced', force => true)"
		),
		'1|0',
		'the first is sent all the same' );
	ok( idle($node), 'it has its outcome' );
	is( taken( 'forced', 'F-1' ), '2 1', 'after the second' );
	done_with('forced');
};

subtest 'history all: an old revision is sent with its version' => sub {
	refused( 'all', 'A-1' );
	ingest( $node, ticket => 'A-1' );
	ok( idle($node), 'the second revision is there' );
	is( ask("select redriven, superseded from cxsig.redrive('all')"),
		'1|0', 'it is sent' );
	ok( idle($node), 'it has its outcome' );
	is( taken( 'all', 'A-1' ), '2 1', 'and says that it is the first' );
	done_with('all');
};

subtest
  'no regression: a newer one comes between the call and the sending' => sub {
	refused( 'between', 'B-1', history => 'latest' );
	ask("select cxsig.pause_destination('between')");
	is( ask("select redriven, superseded from cxsig.redrive('between')"),
		'1|0', 'the first is the newest at the call' );
	is( ask("select state, done_percent from cxsig.repairs order by repair_id desc limit 1"
		),
		'waiting|0',
		'and waits' );
	my $second = ingest( $node, ticket => 'B-1' );
	ask("select cxsig.resume_destination('between')");
	ok( idle($node), 'both have their outcomes' );
	is( taken( 'between', 'B-1' ), '2', 'only the second is sent' );
	is( ask("select count(*) from cxsig.deliveries
			 where destination = 'between' and outcome = 'superseded' and superseded_by = '$second->{event_id}'"
		),
		1,
		'and the receipt of the first names it' );
	ok( wait_for(
			$node,
			"select state = 'done' and done_percent = 100 from cxsig.repairs order by repair_id desc limit 1"
		),
		'the redrive is done' );
	done_with('between');
  };

subtest 'no regression: a newer one comes while the call is open' => sub {
	refused( 'open', 'O-1', history => 'latest' );
	my $redrive = session($node);
	my $writer  = session($node);
	my $pid     = $writer->query_safe('select pg_backend_pid()');

	$redrive->query_safe('begin');
	is( $redrive->query_safe(
			"select redriven, superseded from cxsig.redrive('open')"),
		'1|0',
		'the first is the newest at the call' );
	$writer->query_until( qr/asked/,
			"\\echo asked\nselect outcome from cxsig.ingest("
		  . literal( signal( ticket => 'O-1' ) )
		  . ");\n" );
	ok( wait_for(
			$node,
			"select wait_event_type = 'Lock' from pg_stat_activity where pid = $pid"
		),
		'the second waits for the ticket' );
	is( taken( 'open', 'O-1' ), '', 'nothing was sent' );
	$redrive->query_safe('commit');
	$writer->query_safe('select 1');
	ok( idle($node), 'both have their outcomes' );
	like( taken( 'open', 'O-1' ),
		qr/^(1 )?2$/, 'the second is the last that was sent' );
	$_->quit for $redrive, $writer;
	done_with('open');
};

subtest 'nothing silent: many are redriven in one call, with progress' =>
  sub {
	destination(
		$node, 'many',
		$sink->url( 'many', status => 422 ),
		options => { concurrency => 64, projection => 'bi' } );
	my $events =
	  load_signals( $node, tickets => 1500, revisions => 8, prefix => 'M' );
	ok( idle( $node, 300 ), "$events are refused" );
	is( ask("select count(*) from cxsig.dead_letters where destination = 'many'"
		),
		$events,
		'and are dead letters' );
	$sink->reset('many');
	$sink->behave( 'many', { status => 200 } );
	my ( $status, $out, $messages ) = $node->psql( 'postgres', <<'SQL');
set statement_timeout = '60s';
select redriven from cxsig.redrive('many', filter => '$.source_system == "test"')
SQL
	is( $status, 0,       'one call' );
	is( $out,    $events, 'redrives them all' );
	like(
		$messages,
		qr/redrive: 10000 events so far, 83 %/,
		'and tells how far it is' );
	ok( idle( $node, 300 ), 'they have their outcomes' );
	all_arrived( $node, $sink, 'many', 'redriven', "ticket_id like 'M-%'" );
	faithful( $sink, 'many', 'redriven' );
	ok( wait_for(
			$node,
			"select state = 'done' and done_percent = 100 and events = $events and stream = 'live'
			 from cxsig.repairs where destination = 'many'"
		),
		'and the redrive is done' );
	is( ask("select cxsig.discard('many')"), 0, 'none is left' );
  };

$node->stop;
done_testing();
