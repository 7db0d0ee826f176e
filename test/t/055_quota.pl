# Promise: a quota that runs out slows down, and keeps a share for what is urgent; it recovers by
# itself, and nothing is lost, disordered or burned by it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node =
  cxsig_node( 'quota', conf => "cxsig.checkpoint_interval = 50ms\n" );

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

sub standing
{
	my ( $name, $condition ) = @_;

	return wait_for( $node,
		"select $condition from cxsig.destination_status where name = '$name'"
	);
}

# Keys in the order in which they were taken.
sub taken
{
	my ($path) = @_;

	return map { $_->{key} } grep { $_->{status} == 200 } $sink->log($path);
}

subtest 'options: out of range, or no jsonpath, is refused by name' => sub {
	my $url = '{"url": "http://127.0.0.1:9/"}';
	my %bad = (
		'{"quota_reserve": 91}' => qr/"quota_reserve" cannot be 91.*0 to 90/s,
		'{"quota_reserve": 0.5}' => qr/"quota_reserve"/,
		'{"quota_probe_ms": 99}' => qr/"quota_probe_ms".*100 to 3600000/s,
		'{"urgent": true}'       => qr/"urgent" cannot be true/,
		'{"urgent": "churn =="}' => qr/"urgent" is no jsonpath/,
		'{"urgent": "$.version > $x"}' => qr/variable/ );

	for my $options ( sort keys %bad )
	{
		like(
			error_of(
				$node,
				"select cxsig.create_destination('bad', 'webhook', '$url', '$options')"
			),
			$bad{$options},
			$options );
	}
	is( ask('select count(*) from cxsig.destination'),
		0, 'nothing is half-created' );
};

subtest 'a quota that runs out: slower, then only what is urgent' => sub {
	$sink->behave( 'crm', { quota_limit => 100, quota_used => 60 } );
	destination(
		$node, 'crm',
		$sink->url('crm'),
		options => {
			concurrency    => 4,
			quota_probe_ms => 3_600_000,
			paused         => JSON::PP::true() } );
	load_signals( $node, tickets => 100, revisions => 2, prefix => 'O' );
	ask(q(select cxsig.resume_destination('crm')));
	ok( standing( 'crm', 'quota_used between 80 and 89' ), 'it is told' );
	ok( standing( 'crm', q(holding = 'quota: slowed down') ),
		'and slows down as it comes near the reserve' );
	is( ask(q(select quota_limit, quota_at > now() - interval '1 minute' from cxsig.destination_status where name = 'crm')
		),
		'100|t',
		'the figures are shown' );

	# nearer still: what little is left before the reserve would take hours
	$sink->behave( 'crm', { quota_limit => 100, quota_used => 91 } );
	load_signals(
		$node,
		tickets => 1,
		prefix  => 'U0',
		fields  => { churn_risk => 'high' } );
	ok( $sink->wait_counters( 'crm', { received => 1 } ), 'it goes on' );
	ok( standing( 'crm', q(holding = 'quota: only urgent signals') ),
		'then there is only the reserve' );
	my $before = scalar taken('crm');
	load_signals(
		$node,
		tickets => 3,
		prefix  => 'U',
		fields  => { churn_risk => 'high' } );
	load_signals( $node, tickets => 3, prefix => 'N' );
	ok( wait_for(
			$node,
			q(select count(*) = 3 from cxsig.deliveries where destination = 'crm' and ticket_id ~ '^U-')
		),
		'urgent ones pass all that waits' );
	my @taken = taken('crm');
	is( join( ' ', sort @taken[ $before .. $#taken ] ),
		'U-1 U-2 U-3', 'and nothing else does' );
	is( ask(q(select count(*) from cxsig.retry)), 0, 'nothing was refused' );
};

subtest 'a quota that is used up: a probe at a time, until it is whole' =>
  sub {
	$sink->behave( 'crm', { quota_limit => 100, quota_used => 100 } );
	$sink->reset('crm');
	load_signals(
		$node,
		tickets => 1,
		prefix  => 'V',
		fields  => { churn_risk => 'high' } );
	ok( standing( 'crm', q(holding like 'quota: used up%') ), 'all is used' );
	my $refused = $sink->stats('crm')->{refused};
	load_signals(
		$node,
		tickets => 5,
		prefix  => 'W',
		fields  => { churn_risk => 'high' } );
	ok( wait_for( $node, 'select high = newest from cxsig.consumer_lag' ),
		'more comes' );
	is( $sink->stats('crm')->{refused}, $refused, 'urgent ones wait too' );

	ask(q(select cxsig.alter_destination('crm', options => '{"quota_probe_ms": 100}'))
	);
	ok( $sink->wait_counters( 'crm', { received => $refused + 3 } ),
		'probes follow' );
	is( $sink->stats('crm')->{max_in_flight}, 1, 'one at a time' );
	ok( standing(
			'crm', q(holding like 'quota: used up%' and quota_used = 100) ),
		'which is shown' );
	$sink->behave( 'crm', { quota_limit => 1_000_000, quota_used => 1 } );
	ok( idle( $node, 120 ), 'it recovers by itself' );
	is( ask(q(select holding is null and quota_limit = 1000000 from cxsig.destination_status)
		),
		't',
		'which is shown' );
	is( ask(q(select count(*) from cxsig.dead_letter)), 0, 'none is dead' );
	is( ask(q(select count(distinct event_id) = (select count(*) from cxsig.event)
			from cxsig.deliveries where outcome = 'delivered')
		),
		't',
		'all were delivered' );
	is( $sink->stats('crm')->{order_violations}, 0, 'in order per ticket' );
	ask(q(select cxsig.drop_destination('crm')));
  };

subtest 'urgent is what the option says' => sub {
	$sink->behave( 'own', { quota_limit => 100, quota_used => 90 } );
	destination(
		$node, 'own',
		$sink->url('own'),
		options => {
			quota_probe_ms => 3_600_000,
			urgent         => '$.sentiment == "very_negative"' } );
	ingest( $node, ticket => 'A-first' );
	ok( $sink->wait_ok( 'own', 1 ), 'the first tells' );
	ok( standing( 'own', q(holding = 'quota: only urgent signals') ),
		'that little is left' );
	ingest( $node, ticket => 'A-high',  churn_risk => 'high' );
	ingest( $node, ticket => 'A-angry', sentiment  => 'very_negative' );
	ok( $sink->wait_ok( 'own', 2 ), 'one goes' );
	is( join( ' ', taken('own') ), 'A-first A-angry', 'the one it says' );
	ask(q(select cxsig.drop_destination('own')));
};

subtest 'a limit is nobody\'s fault: no attempt is burned by it' => sub {
	destination(
		$node, 'limit',
		$sink->url('limit'),
		options => {
			concurrency      => 8,
			max_attempts     => 1,
			retry_initial_ms => 20,
			retry_max_ms     => 40 } );
	$sink->behave( 'limit',
		{ status => 429, retry_after => '0', fail_rate => 0.3, seed => 3 } );
	load_signals( $node, tickets => 200, revisions => 2, prefix => 'L' );
	ok( idle( $node, 120 ), 'all has its outcome' );
	cmp_ok( $sink->stats('limit')->{refused}, '>', 50, 'many were refused' );
	is( ask(q(select count(*) from cxsig.dead_letter)), 0, 'none is dead' );
	is( $sink->stats('limit')->{order_violations}, 0, 'in order per ticket' );
	ask(q(select cxsig.drop_destination('limit')));
};

subtest 'a limit that says when it is over is waited for' => sub {
	$sink->behave( 'reset',
		{ quota_limit => 10, quota_used => 9, quota_reset => 3600 } );
	destination( $node, 'reset', $sink->url('reset'),
		options => { quota_probe_ms => 100, concurrency => 1 } );
	load_signals( $node, tickets => 20, prefix => 'R' );
	ok( standing( 'reset', q(holding like 'until %: rate limit%') ),
		'until when it waits is shown' );
	is( $sink->stats('reset')->{received}, 1, 'and it does' );
	ask(q(select cxsig.drop_destination('reset')));
};

$node->stop;
done_testing();
