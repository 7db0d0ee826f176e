# Promises: never lost, isolated. An outage is lag: it burns no attempts and makes no dead letters,
# and it is nobody else's. Refused credentials and 410 stop the destination, not its events.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink    = CxsigTest::Sink->start;
my $down    = CxsigTest::Sink->start;
my $node    = cxsig_node('outage');
my %options = (
	options => {
		retry_initial_ms => 50,
		retry_max_ms     => 200,
		max_attempts     => 3,
		projection       => 'bi' } );

destination( $node, 'up',   $sink->url('up'),   %options );
destination( $node, 'down', $down->url('down'), %options );
destination(
	$node, 'hanging',
	$sink->url( 'hanging', hang => 1 ),
	options => { total_timeout_ms => 600_000 } );

subtest 'isolated: one refuses, one hangs, the third gets everything' => sub {
	$down->stop;
	load_signals( $node, tickets => 100, revisions => 5 );
	ok( $sink->wait_ok( 'up', 500 ), 'all arrive where the receiver is up' );
	ok( in_flight( $sink, 'hanging', 16 ),
		'while the hanging one has its requests out' );
	ok( $node->wait_for_log(qr/destination "down" fails/),
		'the outage is said in the log' );
	load_signals( $node, tickets => 100, prefix => 'more' );
	ok( $sink->wait_ok( 'up', 600 ), 'and goes on' );
};

subtest 'outage: lag, no dead letters' => sub {
	is( $node->safe_psql(
			'postgres', 'select count(*) from cxsig.dead_letter' ),
		0,
		'no dead letters' );
	is( $node->safe_psql(
			'postgres',
			"select state from cxsig.destination_status where name = 'down'"
		),
		'active',
		'still active' );
	# Retries are written in company: until then there is nothing to look at.
	ok( wait_for( $node, 'select count(*) > 0 from cxsig.retry' ),
		'those that failed first wait for a retry' );
	is( $node->safe_psql(
			'postgres', 'select max(strikes) from cxsig.retry' ),
		0,
		'no attempt counts against an event' );
	$down->start;
	ok( $down->wait_ok( 'down', 600 ), 'back again, all arrive' );
	faithful( $down, 'down', 'down' );
	$node->safe_psql( 'postgres',
		"select cxsig.drop_destination('hanging')" );
	ok( idle($node), 'and all is done' );
	all_arrived( $node, $down, 'down', 'down' );
};

subtest 'outage: with history = latest it costs a request for each ticket' =>
  sub {
	my $crm = CxsigTest::Sink->start;

	destination(
		$node, 'crm',
		$crm->url('crm'),
		options => {
			history          => 'latest',
			retry_initial_ms => 50,
			retry_max_ms     => 100 } );
	$crm->stop;
	load_signals( $node, tickets => 300, prefix => 'c' ) for 1 .. 20;
	ok( $node->wait_for_log(qr/destination "crm" fails/), 'it is down' );
	ok( wait_for(
			$node,
			"select sum(lanes) = 300 from cxsig.worker_status where process = 'dispatcher'"
		),
		'its tickets wait, whatever became of their revisions' );
	$crm->start;
	ok( idle( $node, 120 ), 'back again, all have their outcome' );
	cmp_ok( $crm->stats('crm')->{received},
		'<=', 303, 'one request a ticket' );
	is( $node->safe_psql( 'postgres',
			<<'SQL'), '300|300', 'the newest of each was delivered, and nothing else' );
select count(*) filter (where r.head_event_id = v.event_id), count(*)
from cxsig.deliveries v
	cross join lateral (select h.head_event_id from cxsig.ticket_revision h where h.ticket_id = v.ticket_id
		order by h.ordinal desc limit 1) r
where v.destination = 'crm' and v.outcome = 'delivered'
SQL
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('crm')" );
  };

subtest 'unauthorised: the destination stops, its events wait' => sub {
	$sink->behave( 'up', { status => 401 } );
	load_signals( $node, tickets => 10, prefix => 'u' );
	ok( wait_for(
			$node,
			"select state = 'stopped' and state_reason ~ '^401' from cxsig.destination_status where name = 'up'"
		),
		'stopped, with the reason' );
	is( $node->safe_psql(
			'postgres', 'select count(*) from cxsig.dead_letter' ),
		0,
		'nothing dead' );
	$sink->behave( 'up', { status => 200 } );
	is( $node->safe_psql(
			'postgres', "select cxsig.resume_destination('up')" ),
		't',
		'resumed' );
	ok( idle($node), 'done' );
	all_arrived( $node, $sink, 'up', 'up' );
};

subtest 'gone: the destination is disabled, its events wait' => sub {
	$sink->behave( 'up', { status => 410 } );
	load_signals( $node, tickets => 10, prefix => 'g' );
	ok( wait_for(
			$node,
			"select state = 'disabled' from cxsig.destination_status where name = 'up'"
		),
		'disabled' );
	$sink->behave( 'up', { status => 200 } );
	$node->safe_psql( 'postgres', "select cxsig.resume_all()" );
	ok( idle($node), 'done' );
	all_arrived( $node, $sink, 'up', 'up' );
};

$node->stop;
done_testing();
