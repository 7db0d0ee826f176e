# Promise: Salesforce holds one record per ticket, equal to its newest revision, whatever befalls the
# requests; a record that is refused is poison alone; each receipt has the record's id; a token that
# ends in mid-run loses and repeats nothing; a wrong object stops the destination and kills no event.

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
my $node    = cxsig_node('salesforce');
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

	crm_destination(
		$node, $remote,
		'salesforce',
		$name,
		remote => {
			auth => {
				clients => { $name => 's3cret' },
				flows   => ['client_credentials'] },
			%{ $with{remote} || {} } },
		config => {
			auth        => { client_id => $name },
			object      => 'CX_Signal__c',
			external_id => { field => 'Ticket_Key__c' },
			%{ $with{config} || {} } },
		options => {
			mapping => \%mapping,
			%{ $with{options} || {} } },
		secrets => { client_secret => 's3cret' } );
	return;
}

# holds_newest() of this CRM's fields.
sub newest
{
	my ($what) = @_;

	holds_newest(
		$node, $remote, 'salesforce', $what,
		key       => 'Ticket_Key__c',
		version   => 'Version__c',
		sentiment => 'Sentiment__c',
		evidence  => 'Evidence__c' );
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

subtest 'poison: a bad field poisons only its own record' => sub {
	salesforce( 'poison', options => { paused => JSON::PP::true() } );
	load_revisions( $node, tickets => 30, prefix => 'P-' );
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
	drop_destination( $node, 'poison' );
};

subtest 'race: one that is lost after a batch was refused as a whole' => sub {
	salesforce(
		'race',
		options => { paused => JSON::PP::true() },
		remote  => {
			faults => [
				{ kind => '400', count => 1, code => 'JSON_PARSER_ERROR' },
				{   kind  => 'row',
					match => 'R-7',
					count => 1,
					code  => 'DUPLICATE_VALUE' } ] } );
	load_revisions( $node, tickets => 8, prefix => 'R-' );
	ask(q(select cxsig.resume_destination('race')));
	ok( idle($node), 'all has its outcome' );
	is( ask(q(select string_agg(ticket_id || ' ' || reason, ', ') from cxsig.dead_letters where destination = 'race')
		),
		'',
		'it is tried once more' );
	newest('race');
	drop_destination( $node, 'race' );
};

subtest 'token: ends in mid-run' => sub {
	salesforce( 'token', options => { batch_size => 10 } );
	load_revisions( $node, tickets => 20, prefix => 'E-' );
	ok( idle($node), 'with the first' );
	$remote->revoke('salesforce');
	load_revisions( $node, tickets => 20, prefix => 'F-' );
	ok( idle($node), 'with the next' );
	newest('token');
	is( $remote->repeats( 'salesforce', 'Version__c' ),
		0, 'and nothing was written twice' );
	drop_destination( $node, 'token' );
};

subtest 'setup: a wrong object stops the destination' => sub {
	salesforce( 'wrong', config => { object => 'Nothing__c' } );
	like(
		ask(q(select ok || ' ' || detail from cxsig.test_destination('wrong'))
		),
		qr/^false .*NOT_FOUND/,
		'a ping tells' );
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
	ask(q(select cxsig.alter_destination('wrong', config => jsonb_set(config, '{object}', '"CX_Signal__c"'))
		from cxsig.destination where name = 'wrong')
	);
	ask(q(select cxsig.resume_destination('wrong')));
	ok( idle($node), 'once it is put right, all has its outcome' );
	is( $remote->total('salesforce'), 5, 'and is there' );
	is( ask(q(select ok from cxsig.test_destination('wrong'))),
		't', 'a ping tells' );
	drop_destination( $node, 'wrong' );
};

$node->stop;
done_testing();
