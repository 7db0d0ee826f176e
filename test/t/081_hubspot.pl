# Promise: HubSpot holds one object per ticket, equal to its newest revision, whatever befalls the
# requests; an object that is refused is poison alone, however HubSpot says so; each receipt has the
# object's id; a property there is not stops the destination and kills no event.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigRemote;
use CxsigTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $remote = CxsigRemote->start;
my $node   = cxsig_node('hubspot');
my $since;
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

	$since = ask('select clock_timestamp()');
	$remote->reset('hubspot');
	$remote->config( 'hubspot',
		{ auth => { static_tokens => ['pat-1'] }, %{ $with{remote} || {} } }
	);
	destination(
		$node, $name,
		$remote->url('hubspot'),
		transport => 'hubspot',
		config    => {
			auth        => { flow => 'bearer' },
			object_type => 'tickets',
			external_id => { field => 'cxsig_ticket_key' },
			%{ $with{config} || {} } },
		options => {
			mapping               => \%mapping,
			retry_initial_ms      => 50,
			retry_max_ms          => 500,
			first_byte_timeout_ms => 1000,
			total_timeout_ms      => 20000,
			%{ $with{options} || {} } },
		secrets => { token => 'pat-1' } );
	return;
}

sub gone
{
	my ($name) = @_;

	ask( 'select cxsig.drop_destination(' . literal($name) . ')' );
	return;
}

# load(tickets => N, revisions => N, prefix => 'T'): a transaction of so many revisions of each ticket.
sub load
{
	my (%load)    = @_;
	my $tickets   = $load{tickets}   || 10;
	my $revisions = $load{revisions} || 1;
	my $prefix    = literal( $load{prefix} || 'T-' );

	return ask(<<"SQL");
select count(*)
from (select clock_timestamp() as base) now,
	cxsig.ingest_batch((
		select jsonb_agg(jsonb_build_object('ticket_id', $prefix || t, 'source_system', 'test',
			'occurred_at', now.base + r * interval '1 microsecond',
			'sentiment', (array['negative', 'neutral', 'positive'])[1 + (t + r) % 3],
			'evidence_url', 'https://help.example.com/' || t || '/' || r) order by r, t)
		from generate_series(1, $tickets) t, generate_series(1, $revisions) r), 'raise') i
SQL
}

# Tests: there is one record for each ticket, with the fields of its newest revision, and it never had
# older ones after.
sub holds_newest
{
	my ($what) = @_;
	my @there = split /\n/,
	  $remote->records_text(
		'hubspot',       'cxsig_ticket_key',
		'cxsig_version', 'cxsig_sentiment',
		'cxsig_evidence_url' );
	my @wanted = split /\n/, ask(<<"SQL");
select distinct on (ticket_id) concat_ws(E'\\t', ticket_id, version, sentiment, evidence_url)
from cxsig.event where recorded_at >= '$since' order by ticket_id, version desc
SQL

	is( join( "\n", sort @there ),
		join( "\n", sort @wanted ),
		"$what: one record each, equal to the newest revision" );
	is( scalar $remote->regressions( 'hubspot', 'cxsig_version' ),
		0, "$what: none ever was older than before" );
	is( scalar $remote->duplicates('hubspot'),
		0, "$what: none is there twice" );
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
	load( tickets => 200, revisions => 2 ) for 1 .. 5;
	ok( idle( $node, 180 ), 'all has its outcome' );
	holds_newest('faults');
	is( ask(q(select count(*) from cxsig.dead_letters)), 0, 'none is dead' );
	is( ask(q(select count(*) from cxsig.deliveries where destination = 'faults'
			and outcome = 'delivered' and remote_id is null)
		),
		0,
		'each receipt has the id of its record' );
	gone('faults');
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
	load( tickets => 30, prefix => "$name-" );
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
	gone($name);
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
	load( tickets => 5, prefix => 'W-' );
	ok( wait_for(
			$node,
			q(select state = 'stopped' from cxsig.destination_status where name = 'wrong')
		),
		'it is stopped' );
	is( ask(q(select count(*) from cxsig.dead_letters where destination = 'wrong')
		),
		0,
		'none is dead' );
	gone('wrong');
};

$node->stop;
done_testing();
