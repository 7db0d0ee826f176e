# Promise: HubSpot holds one object per ticket, equal to its newest revision, whatever befalls the
# requests; an object that is refused is poison alone, however HubSpot says so; each receipt has the
# object's id; a property there is not stops the destination and kills no event.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigCrm;
use CxsigRemote;
use CxsigTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $remote  = CxsigRemote->start;
my $node    = cxsig_node('hubspot');
my %mapping = (
	cxsig_sentiment    => '$.sentiment',
	cxsig_evidence_url => '$.evidence_url',
	cxsig_driver       => '$.driver',
	cxsig_version      => '$.version',
	cxsig_source       => 'cxsig' );

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# The stand-in as it was at first, and a destination that writes there.
sub hubspot
{
	my ( $name, %with ) = @_;

	crm_destination(
		$node, $remote,
		'hubspot',
		$name,
		remote => {
			auth => { static_tokens => ['pat-1'] },
			%{ $with{remote} || {} } },
		config => {
			auth        => { flow => 'bearer' },
			object_type => 'tickets',
			external_id => { field => 'cxsig_ticket_key' },
			%{ $with{config} || {} } },
		options => {
			mapping => \%mapping,
			%{ $with{options} || {} } },
		secrets => { token => 'pat-1' } );
	return;
}

# holds_newest() of this CRM's fields.
sub newest
{
	my ($what) = @_;

	holds_newest(
		$node, $remote, 'hubspot', $what,
		key       => 'cxsig_ticket_key',
		version   => 'cxsig_version',
		sentiment => 'cxsig_sentiment',
		evidence  => 'cxsig_evidence_url' );
	return;
}

subtest 'newest: whatever befalls requests' => sub {
	hubspot(
		'faults',
		options => { batch_size => 20 },
		remote  => {
			seed   => 5,
			faults => [
				{ kind => '500',     probability => 0.05 },
				{ kind => '502',     probability => 0.05 },
				{ kind => 'timeout', probability => 0.02 },
				{ kind => '429',     probability => 0.02, retry_after => 1 } ]
		} );
	load_revisions( $node, tickets => 200, revisions => 2 ) for 1 .. 5;
	ok( idle( $node, 180 ), 'all has its outcome' );
	newest('faults');
	is( ask(q(select count(*) from cxsig.dead_letters)), 0, 'none is dead' );
	is( ask(q(select count(*) from cxsig.deliveries where destination = 'faults'
			and outcome = 'delivered' and remote_id is null)
		),
		0,
		'each receipt has the id of its record' );
	drop_destination( $node, 'faults' );
};

# An object whose version is one that HubSpot does not take, by a mapping of its own.
sub poisoned
{
	my ( $name, %remote ) = @_;

	hubspot(
		$name,
		remote  => \%remote,
		options => {
			paused  => JSON::PP::true(),
			mapping => { %mapping, cxsig_churn_risk => '$.driver' } } );
	load_revisions( $node, tickets => 30, prefix => "$name-" );
	ask(q(select cxsig.define_driver('no_risk')));
	ingest( $node, ticket => "$name-bad", driver => 'no_risk' );
	ask( 'select cxsig.resume_destination(' . literal($name) . ')' );
	ok( idle($node), "$name: all has its outcome" );
	like(
		ask("select string_agg(ticket_id || ' ' || reason, ', ') from cxsig.dead_letters where destination = '$name'"
		),
		qr/^$name-bad VALIDATION_ERROR: Property values were not valid/,
		"$name: it is dead, with the words of HubSpot" );
	is( $remote->total('hubspot'), 30, "$name: the others are there" );
	drop_destination( $node, $name );
	return;
}

subtest 'poison: a bad property poisons only its own object' => sub {
	poisoned('apart');
	poisoned( 'unnamed', attribution  => 'none' );
	poisoned( 'whole',   multi_status => 'never' );
};

subtest 'setup: a property there is not stops the destination' => sub {
	hubspot( 'wrong',
		options => { mapping => { %mapping, nothing => '$.version' } } );
	is( ask(q(select ok from cxsig.test_destination('wrong'))),
		't', 'a ping does not see it' );
	load_revisions( $node, tickets => 5, prefix => 'W-' );
	ok( wait_for(
			$node,
			q(select state = 'stopped' from cxsig.destination_status where name = 'wrong')
		),
		'it is stopped' );
	is( ask(q(select count(*) from cxsig.dead_letters where destination = 'wrong')
		),
		0,
		'none is dead' );
	drop_destination( $node, 'wrong' );
};

$node->stop;
done_testing();
