# Promise: ordered. Per destination, the next event of a ticket is not sent before the one ahead of
# it has its outcome, whatever fails; and the CRM's field never goes back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
my $sink   = CxsigTest::Sink->start;
my $node   = cxsig_node('ordered');
$sink->secret( $_, $secret ) for qw(all latest hangs);
destination(
	$node, 'all',
	$sink->url(
		'all',
		fail_rate => 0.1,
		seed      => 7,
		status    => 503,
		delay_ms  => 3 ),
	secret  => $secret,
	options => {
		concurrency      => 64,
		retry_initial_ms => 20,
		retry_max_ms     => 100,
		projection       => 'bi' } );
destination(
	$node, 'latest',
	$sink->url(
		'latest',
		fail_rate => 0.1,
		seed      => 9,
		close     => 1,
		delay_ms  => 3 ),
	secret  => $secret,
	options => {
		concurrency      => 64,
		retry_initial_ms => 20,
		retry_max_ms     => 100,
		history          => 'latest',
		projection       => 'bi' } );

destination(
	$node, 'hangs',
	$sink->url( 'hangs', fail_rate => 0.01, seed => 11, hang => 1 ),
	secret  => $secret,
	options => {
		concurrency      => 64,
		total_timeout_ms => 500,
		retry_initial_ms => 20,
		retry_max_ms     => 100,
		projection       => 'bi' } );

my $script = $node->basedir . '/writer.sql';
append_to_file( $script, <<'SQL');
\set ticket random(1, 500)
select cxsig.ingest(jsonb_build_object('ticket_id', 'T-' || :ticket, 'occurred_at', clock_timestamp(),
  'source_system', 'w', 'evidence_url', 'https://e.example/w', 'idempotency_key', gen_random_uuid()));
SQL
$node->command_ok(
	[   'pgbench', '-n',        '-c', '8',
		'-j',      '2',         '-t', '500',
		'-f',      $script,     '-h', $node->host,
		'-p',      $node->port, 'postgres' ],
	'ordered: 8 writers on 500 tickets' );
ok( idle( $node, 120 ), 'ordered: all has its outcome' );

subtest 'ordered: one request in ten fails' => sub {
	all_arrived( $node, $sink, 'all', 'all' );
	my $stats = faithful( $sink, 'all', 'all' );
	cmp_ok( $stats->{received}, '>', 4100, 'there were failures' );
	is( $node->safe_psql(
			'postgres', 'select count(*) from cxsig.dead_letter' ),
		0,
		'and no dead letters of it' );
};

subtest 'ordered: one request in a hundred is never answered' => sub {
	all_arrived( $node, $sink, 'hangs', 'hangs' );
	my $stats = faithful( $sink, 'hangs', 'hangs' );
	cmp_ok( $stats->{received}, '>', 4010, 'there were timeouts' );
};

subtest 'no regression: history latest' => sub {
	faithful( $sink, 'latest', 'latest' );
	my %last;
	for my $try ( $sink->log('latest') )
	{
		$last{ $try->{key} } = $try->{version} if $try->{status} == 200;
	}
	my %head = map { split /\|/ } split /\n/,
	  $node->safe_psql( 'postgres',
		'select ticket_id, max(version) from cxsig.event where not stale group by 1'
	  );
	is_deeply( \%last, \%head,
		'the last that arrived of each ticket is its newest revision' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from cxsig.deliveries where destination = 'latest'"
		),
		$node->safe_psql( 'postgres', 'select count(*) from cxsig.event' ),
		'each event has its receipt, delivered or superseded' );
};

subtest 'no regression: a late revision is logged and not sent' => sub {
	my $newer = ingest(
		$node,
		ticket      => 'late',
		sentiment   => 'positive',
		occurred_at => '2026-03-02T00:00:00Z' );
	is( ingest(
			$node,
			ticket      => 'late',
			sentiment   => 'negative',
			occurred_at => '2026-03-01T00:00:00Z' )->{outcome},
		'stale',
		'it is stale' );
	ok( idle($node), 'done' );
	is( scalar(
			grep { $_->{key} eq 'late' && $_->{status} == 200 }
			  $sink->log('latest') ),
		1,
		'latest: not sent' );
	is( scalar(
			grep { $_->{key} eq 'late' && $_->{stale} && $_->{status} == 200 }
			  $sink->log('all') ),
		1,
		'all: sent, marked stale' );
	is( $node->safe_psql(
			'postgres',
			"select outcome, superseded_by = '$newer->{event_id}' from cxsig.deliveries
			where destination = 'latest' and ticket_id = 'late' order by recorded_at desc limit 1"
		),
		'superseded|t',
		'with a receipt that says so and names the newer one' );
};

subtest
  'no regression: a dead letter with a newer revision is not redriven' =>
  sub {
	$sink->behave( 'latest', { poison_key => 'poison' } );
	ingest( $node, ticket => 'poison', sentiment => 'negative' );
	ok( idle($node), 'the first is dead' );
	$sink->behave( 'latest', { status => 200 } );
	ingest( $node, ticket => 'poison', sentiment => 'positive' );
	ok( idle($node), 'the second is delivered' );
	is( $node->safe_psql(
			'postgres',
			"select redriven, superseded from cxsig.redrive('latest')" ),
		'0|1',
		'redrive: superseded' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from cxsig.dead_letters where destination = 'latest'"
		),
		0,
		'and closed' );
  };

$node->stop;
done_testing();
