# Promise: what Salesforce says of its daily calls is obeyed: cxsig slows down as they run out, keeps the
# rest for urgent signals, waits once they are used up, and recovers by itself; no attempt is burned, and
# Salesforce holds the newest revision of each ticket in the end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigRemote;
use CxsigTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $remote = CxsigRemote->start;
my $node =
  cxsig_node( 'quota_crm', conf => "cxsig.checkpoint_interval = 50ms\n" );

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

sub standing
{
	my ($condition) = @_;

	return wait_for( $node,
		"select $condition from cxsig.destination_status where name = 'crm'"
	);
}

# So many calls are used of 100, or of others.
sub used
{
	my ( $used, $of ) = @_;

	$remote->config( 'salesforce',
		{ limits => { daily_used => $used, daily_max => $of || 100 } } );
	return;
}

sub urgent
{
	my ( $prefix, $n ) = @_;

	return load_signals(
		$node,
		tickets => $n,
		prefix  => $prefix,
		fields  => { churn_risk => 'high' } );
}

sub there
{
	my ($prefix) = @_;

	return
	  scalar grep { /^$prefix-/ } split /\n/,
	  $remote->records_text( 'salesforce', 'Ticket_Key__c' );
}

$remote->config( 'salesforce',
	{ auth => { clients => { cx => 's3cret' } } } );
used(60);
destination(
	$node, 'crm',
	$remote->url('salesforce'),
	transport => 'salesforce',
	config    => {
		auth             => { client_id => 'cx' },
		object           => 'CX_Signal__c',
		external_id      => { field => 'Ticket_Key__c' },
		limit_backoff_ms => 1000 },
	options => {
		mapping => {
			Churn_Risk__c => {
				'$path' => '$.churn_risk',
				'$map'  => { high => 'High' },
				'$else' => 'Unknown' },
			Version__c => '$.version' },
		batch_size     => 1,
		concurrency    => 4,
		max_attempts   => 2,
		quota_probe_ms => 3_600_000,
		paused         => JSON::PP::true() },
	secrets => { client_secret => 's3cret' } );

subtest 'as it runs out: slower, then only what is urgent' => sub {
	load_signals( $node, tickets => 100, revisions => 2, prefix => 'O' );
	ask(q(select cxsig.resume_destination('crm')));
	ok( standing(
			q(holding = 'quota: slowed down' and quota_used between 80 and 89 and quota_limit = 100)
		),
		'it slows down as it comes near the reserve, which is shown' );
	used(91);
	urgent( 'U', 1 );
	ok( standing(q(holding = 'quota: only urgent signals')),
		'then there is only the reserve' );
	my $others = there('O');
	urgent( 'V', 3 );
	ok( wait_for(
			$node,
			q(select count(*) = 3 from cxsig.deliveries where outcome = 'delivered' and ticket_id ~ '^V-')
		),
		'urgent ones pass all that waits' );
	is( there('V'), 3,       'they are there' );
	is( there('O'), $others, 'and nothing else is' );
	cmp_ok( $others, '<', 100, 'of which there is much' );
};

subtest 'used up: waits, and recovers by itself' => sub {
	used(100);
	urgent( 'W', 5 );
	ok( standing(q(holding like 'quota: used up%')), 'nothing is sent' );
	is( there('W'), 0, 'not even what is urgent' );
	ask(q(select cxsig.alter_destination('crm', options => '{"quota_probe_ms": 100}'))
	);
	ok( $remote->wait_counters(
			'salesforce',
			sub {
				( $_[0]->{requests}{upsert}{403}   || 0 ) +
				  ( $_[0]->{requests}{single}{403} || 0 ) >= 3;
			} ),
		'now and then it is tried' );
	used( 1, 1_000_000 );
	ok( idle( $node, 120 ), 'all has its outcome' );
	ok( standing(q(holding is null and quota_limit = 1000000)),
		'it is as before' );
	is( ask('select count(*) from cxsig.dead_letter'), 0, 'none is dead' );
	is( ask('select max(attempt) from cxsig.deliveries'),
		1, 'no attempt was burned' );
	is( join(
			"\n",
			sort split /\n/,
			$remote->records_text(
				'salesforce', 'Ticket_Key__c', 'Version__c' ) ),
		join(
			"\n",
			sort split /\n/,
			ask(q(select ticket_id || E'\t' || max(version) from cxsig.event group by ticket_id)
			) ),
		'the newest revision of each ticket is there' );
	is( scalar $remote->regressions( 'salesforce', 'Version__c' ),
		0, 'none was older than before' );
};

$node->stop;
done_testing();
