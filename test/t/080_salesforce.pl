# Promise: Salesforce holds one record per ticket, equal to its newest revision, whatever befalls the
# requests; a record that is refused is poison alone; each receipt has the record's id; a token that
# ends in mid-run loses and repeats nothing; a wrong object stops the destination and kills no event.

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
my $node   = cxsig_node('salesforce');
my $since;
my %mapping = (
	Sentiment__c => '$.sentiment',
	Evidence__c  => '$.evidence_url',
	Driver__c    => '$.driver',
	Version__c   => '$.version',
	Source__c    => 'cxsig' );

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# The stand-in as it was at first, and a destination that writes there.
sub salesforce
{
	my ( $name, %with ) = @_;

	$since = ask('select clock_timestamp()');
	$remote->reset('salesforce');
	$remote->config(
		'salesforce',
		{   auth => {
				clients => { $name => 's3cret' },
				flows   => ['client_credentials'] },
			%{ $with{remote} || {} } } );
	destination(
		$node, $name,
		$remote->url('salesforce'),
		transport => 'salesforce',
		config    => {
			auth        => { client_id => $name },
			object      => 'CX_Signal__c',
			external_id => { field => 'Ticket_Key__c' },
			%{ $with{config} || {} } },
		options => {
			mapping               => \%mapping,
			retry_initial_ms      => 50,
			retry_max_ms          => 500,
			first_byte_timeout_ms => 1000,
			total_timeout_ms      => 20000,
			%{ $with{options} || {} } },
		secrets => { client_secret => 's3cret' } );
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
		'salesforce', 'Ticket_Key__c', 'Version__c', 'Sentiment__c',
		'Evidence__c' );
	my @wanted = split /\n/, ask(<<"SQL");
select distinct on (ticket_id) concat_ws(E'\\t', ticket_id, version, sentiment, evidence_url)
from cxsig.event where recorded_at >= '$since' order by ticket_id, version desc
SQL

	is( join( "\n", sort @there ),
		join( "\n", sort @wanted ),
		"$what: one record each, equal to the newest revision" );
	is( scalar $remote->regressions( 'salesforce', 'Version__c' ),
		0, "$what: none ever was older than before" );
	is( scalar $remote->duplicates('salesforce'),
		0, "$what: none is there twice" );
	return;
}

subtest 'newest: whatever befalls requests' => sub {
	salesforce(
		'faults',
		options => { batch_size => 20 },
		remote  => {
			seed   => 5,
			faults => [
				{ kind => '500',     probability => 0.05 },
				{ kind => '503',     probability => 0.05 },
				{ kind => 'timeout', probability => 0.02 },
				{ kind => 'row',     match       => 'T-7', count => 2 } ] } );
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

subtest 'poison: a bad field poisons only its own record' => sub {
	salesforce( 'poison', options => { paused => JSON::PP::true() } );
	load( tickets => 30, prefix => 'P-' );
	ingest(
		$node,
		ticket       => 'P-bad',
		sentiment    => 'neutral',
		evidence_url => 'https://help.example.com/' . ( 'x' x 300 ) );
	ask(q(select cxsig.resume_destination('poison')));
	ok( idle($node), 'all has its outcome' );
	like(
		ask(q(select string_agg(ticket_id || ' ' || reason, ', ') from cxsig.dead_letters where destination = 'poison')
		),
		qr/^P-bad STRING_TOO_LONG: Evidence__c[^,]*$/,
		'it is dead, with the words of Salesforce' );
	is( $remote->total('salesforce'), 30, 'the others are there' );
	is( $remote->requests( 'salesforce', 'upsert' ),
		1, 'and it took one request' );
	gone('poison');
};

subtest 'token: ends in mid-run' => sub {
	salesforce( 'token', options => { batch_size => 10 } );
	load( tickets => 20, prefix => 'E-' );
	ok( idle($node), 'with the first' );
	$remote->revoke('salesforce');
	load( tickets => 20, prefix => 'F-' );
	ok( idle($node), 'with the next' );
	holds_newest('token');
	is( $remote->repeats( 'salesforce', 'Version__c' ),
		0, 'and nothing was written twice' );
	gone('token');
};

subtest 'setup: a wrong object stops the destination' => sub {
	salesforce( 'wrong', config => { object => 'Nothing__c' } );
	like(
		ask(q(select ok || ' ' || detail from cxsig.test_destination('wrong'))
		),
		qr/^false .*NOT_FOUND/,
		'a ping tells' );
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
	ask(q(select cxsig.alter_destination('wrong', config => jsonb_set(config, '{object}', '"CX_Signal__c"'))
		from cxsig.destination where name = 'wrong')
	);
	ask(q(select cxsig.resume_destination('wrong')));
	ok( idle($node), 'once it is put right, all has its outcome' );
	is( $remote->total('salesforce'), 5, 'and is there' );
	is( ask(q(select ok from cxsig.test_destination('wrong'))),
		't', 'a ping tells' );
	gone('wrong');
};

$node->stop;
done_testing();
