# Promise: Dataverse holds one row per ticket, equal to its newest revision, whatever befalls the
# requests; a row that is refused is poison alone, also in a batch; where Dataverse says how long to
# wait, nobody sends meanwhile; a key that no URL can carry is named as such.

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

my $remote = CxsigRemote->start;
my $node   = cxsig_node('dynamics');
my %table  = (
	name    => 'cx_signal',
	set     => 'cx_signals',
	columns => {
		cx_key       => { type => 'String', max => 100 },
		cx_source    => { type => 'String' },
		cx_sentiment => { type => 'Picklist', options => [ 1, 2, 3 ] },
		cx_evidence  => { type => 'String',   max     => 200 },
		cx_version   => { type => 'Integer' } },
	keys => [ [ 'cx_key', 'cx_source' ] ] );
my %mapping = (
	cx_sentiment => {
		'$path' => '$.sentiment',
		'$map'  => { negative => 1, neutral => 2, positive => 3 } },
	cx_evidence => '$.evidence_url',
	cx_version  => '$.version' );

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# The stand-in as it was at first, and a destination that writes there.
sub dynamics
{
	my ( $name, %with ) = @_;
	my $url = $remote->url('dynamics');

	crm_destination(
		$node, $remote,
		'dynamics',
		$name,
		remote => {
			auth =>
			  { clients => { $name => 's3cret' }, scope => "$url/.default" },
			tenant => 'acme.example',
			tables => [ \%table ],
			%{ $with{remote} || {} } },
		config => {
			auth => {
				client_id => $name,
				token_url => "$url/acme.example/oauth2/v2.0/token" },
			entity_set  => 'cx_signals',
			external_id => { field     => 'cx_key' },
			keys        => { cx_source => "cx'sig" },
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
		$node, $remote, 'dynamics', $what,
		key       => 'cx_key',
		version   => 'cx_version',
		sentiment => 'cx_sentiment',
		evidence  => 'cx_evidence',
		mood      =>
		  q(case sentiment when 'negative' then 1 when 'neutral' then 2 else 3 end)
	);
	return;
}

subtest 'newest: whatever befalls requests' => sub {
	dynamics(
		'faults',
		options => { batch_size => 10 },
		remote  => {
			seed   => 5,
			faults => [
				{ kind => '500',     probability => 0.05 },
				{ kind => '503',     probability => 0.05, retry_after => 1 },
				{ kind => 'timeout', probability => 0.1,  count       => 5 },
				{ kind => 'reset',   probability => 0.1,  count       => 5 },
				{   kind        => 'row',
					probability => 0.02,
					status      => 503,
					code        => '0x80044a02' },
				{   kind        => 'row',
					probability => 0.02,
					status      => 412,
					count       => 3 },
				{ kind => '401', probability => 0.1, count => 1 } ] } );
	load_revisions( $node, tickets => 80, revisions => 2 ) for 1 .. 4;
	ok( idle( $node, 120 ), 'all has its outcome' );
	newest('after faults');
	is( ask(q(select count(*) from cxsig.dead_letters where destination = 'faults')
		),
		0,
		'nothing is dead' );
	my $faults = $remote->counters('dynamics')->{faults};
	cmp_ok( scalar keys %{$faults}, '>=', 4, 'there were faults' )
	  or diag( to_json($faults) );
	my %ids = map { ( $_->{fields}{cx_key} => $_->{id} ) }
	  $remote->records('dynamics');
	my %receipts = map { split /\|/ } split /\n/, ask(
		q(select ticket_id, max(remote_id) from cxsig.deliveries
		where destination = 'faults' and outcome = 'delivered' group by 1)
	);
	is_deeply( \%receipts, \%ids, 'each receipt has the id of its row' );
	drop_destination( $node, 'faults' );
};

subtest 'batches: as many as they may be, and one by itself' => sub {
	dynamics( 'batches',
		options =>
		  { batch_size => 50, concurrency => 1, paused => JSON::PP::true() }
	);
	load_revisions( $node, tickets => 101 );
	ask(q(select cxsig.resume_destination('batches')));
	ok( idle($node), 'all has its outcome' );
	newest('in batches');
	is( $remote->requests( 'dynamics', 'batch', 200 ),
		2, 'two batches of 50' );
	is( $remote->requests( 'dynamics', 'upsert', 204 ),
		1, 'and one row by itself' );
	drop_destination( $node, 'batches' );
};

subtest 'poison: a row that is refused, alone' => sub {
	dynamics(
		'poison',
		options => { paused => JSON::PP::true() },
		remote  => {
			faults => [
				{   kind    => 'row',
					match   => "T-7/cx'sig",
					count   => 1,
					code    => '0x80040265',
					message => 'A rule says no.' } ] } );
	load_revisions( $node, tickets => 20 );
	ingest( $node, ticket => 'A/1' );
	ingest(
		$node,
		ticket       => 'long',
		evidence_url => 'https://help.example.com/' . 'x' x 300,
		sentiment    => 'neutral' );
	ask(q(select cxsig.resume_destination('poison')));
	ok( idle($node), 'all has its outcome' );
	is( ask(q(select string_agg(ticket_id || ': ' || left(reason, 60), E'\n' order by ticket_id collate "C")
			from cxsig.dead_letters where destination = 'poison')
		),
		"A/1: external_id is \"A/1\": the value of a key cannot have / < > *\n"
		  . "T-7: 0x80040265: A rule says no.\n"
		  . q(long: 0x80044331: A validation error occurred. The length of the '),
		'each with its reason' );
	is( ask(q(select count(*) from cxsig.deliveries where destination = 'poison'
			and outcome = 'delivered' and attempt = 1)
		),
		19,
		'the others were delivered at once' );
	is( $remote->counters('dynamics')->{refused}{'character in key'} || 0,
		0, 'what no URL can carry was not sent' );
	drop_destination( $node, 'poison' );
};

subtest 'keys: quotes and other letters' => sub {
	dynamics('keys');
	ingest( $node, ticket => $_, sentiment => 'neutral' )
	  for ( "O'Hara", "a'' b", 'x#y=(1),z', "\xc3\xa4", 'a"b;c@d' );
	ok( idle($node), 'all has its outcome' );
	is( ask(q(select string_agg(reason, E'\n') from cxsig.dead_letters where destination = 'keys')
		),
		'',
		'none is refused' );
	is( $remote->total('dynamics'), 5, 'there is a row for each' );
	ok( $remote->record( 'dynamics', "O'Hara/cx'sig" ),
		'with a quote in its key' );
	ingest( $node, ticket => "O'Hara", sentiment => 'positive' );
	ok( idle($node), 'a newer revision' );
	is( $remote->record( 'dynamics', "O'Hara/cx'sig" )
		  ->{fields}{cx_sentiment},
		3,
		'finds its row' );
	drop_destination( $node, 'keys' );
};

subtest 'limits: nobody sends while there is to be waited' => sub {
	dynamics(
		'limits',
		options => { batch_size => 2, concurrency => 1 },
		remote  => {
			protection => {
				window_ms  => 60000,
				window_max => 8,
				wait_ms    => 1000,
				longer_ms  => 1000 } } );
	load_revisions( $node, tickets => 40 );
	ok( idle( $node, 120 ), 'all has its outcome' );
	newest('under protection');
	my $refused = $remote->counters('dynamics')->{refused};
	cmp_ok( $refused->{requests}, '>=', 2, 'there was a limit' );
	is( $refused->{'sent during retry-after'} || 0, 0, 'and it was kept to' );
	drop_destination( $node, 'limits' );
};

subtest 'tokens: one that ends loses and repeats nothing' => sub {
	dynamics('tokens');
	for ( 1 .. 3 )
	{
		load_revisions( $node, tickets => 10 );
		ok( idle($node), 'all has its outcome' );
		$remote->expire('dynamics');
	}
	newest('with new tokens');
	is( $remote->repeats( 'dynamics', 'cx_version' ),
		0, 'nothing was written twice' );
	is( ask(q(select max(attempt) from cxsig.deliveries where destination = 'tokens')
		),
		1,
		'no attempt was burned' );
	drop_destination( $node, 'tokens' );
};

subtest 'test_destination asks who it is, and changes nothing' => sub {
	dynamics('ping');
	is( ask(q(select ok from cxsig.test_destination('ping'))),
		't', 'a good one' );
	is( $remote->requests( 'dynamics', 'whoami' ), 1, 'it asked who it is' );
	is( $remote->total('dynamics'),                0, 'there is no row' );
	drop_destination( $node, 'ping' );
};

subtest 'config: what is wrong is named' => sub {
	my %good = (
		url         => 'https://x.crm.dynamics.com',
		tenant      => 'acme',
		auth        => { client_id => 'cx' },
		entity_set  => 'cx_signals',
		external_id => { field => 'cx_key' } );
	my %bad = (
		'"entity_set"' => { entity_set  => 'a/b' },
		'external_id'  => { external_id => { value => '$.ticket_id' } },
		'"tenant"'     => { tenant      => 'a/b' },
		'"api_path"'   => { api_path    => 'api' },
		'cannot have / < >'            => { keys => { cx_source => 'a/b' } },
		'is the column of external_id' => { keys => { cx_key    => 'a' } },
		'mapping key "cx_version" of destination "bad" is a column of the row\'s key'
		  => { external_id => { field => 'cx_version' } } );

	for my $message ( sort keys %bad )
	{
		like(
			error_of(
				$node,
				'select cxsig.create_destination('
				  . join( ', ',
					literal('bad'),
					literal('dynamics'),
					literal( to_json( { %good, %{ $bad{$message} } } ) ),
					literal( to_json( { mapping => \%mapping } ) ) )
				  . ')' ),
			qr/\Q$message\E/,
			$message );
	}
	is( ask(q(select count(*) from cxsig.destination where name = 'bad')),
		0, 'nothing is half-made' );
};

$node->stop;
done_testing();
