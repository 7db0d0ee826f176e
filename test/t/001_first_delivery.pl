# The main job: a signal recorded by SQL arrives as a signed CloudEvent, whole, with what identifies
# it, and leaves a receipt that leads back to the evidence.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_base64);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use IO::Select;
use IO::Socket::INET;
use JSON::PP     ();
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Utils;
use Test::More;

my $key    = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=';
my $node   = cxsig_node('first');
my $listen = IO::Socket::INET->new( Listen => 5, LocalAddr => '127.0.0.1' );
my $url    = 'http://127.0.0.1:' . $listen->sockport . '/hook';

# Take one request as it stands on the wire, answer it, and return its line, headers and body.
sub take_request
{
	my ($status) = @_;
	my ( $head, $body, %header ) = ( '', '' );

	IO::Select->new($listen)->can_read(30) or die 'no request came';
	my $client = $listen->accept;
	$head .= readline($client) until $head =~ /\r\n\r\n\z/;
	$header{ lc $1 } = $2 while $head =~ /^([^:\s]+): *(.*?)\r$/mg;
	read( $client, $body, $header{'content-length'} );
	print $client 'HTTP/1.1 '
	  . ( $status || '200 OK' )
	  . "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	close $client;
	return ( $head =~ /^(.*?)\r/, \%header, $body );
}

sub signature
{
	my ( $header, $body, $secret ) = @_;
	my $text = hmac_sha256_base64(
		"$header->{'webhook-id'}.$header->{'webhook-timestamp'}.$body",
		decode_base64($secret) );

	$text .= '=' while length($text) % 4;
	return "v1,$text";
}

my $trace  = '4bf92f3577b34da6a3ce929d0e0e4736';
my %signal = (
	ticket      => 'T-1',
	account_id  => 'A-7',
	sentiment   => 'Very Negative',
	churn_risk  => '8/10',
	quotes      => ['I will "leave"'],
	traceparent => "00-$trace-00f067aa0ba902b7-01" );

subtest 'delivery: a signed CloudEvent in structured mode' => sub {
	destination(
		$node, 'hook', $url,
		config => {
			headers =>
			  { 'X-Team' => 'cx', Authorization => { secret => 'token' } } },
		secret  => "whsec_$key",
		secrets => { token => 'Bearer t0ken' } );
	my $result = ingest( $node, %signal );
	my ( $line, $header, $body ) = take_request('500 Oops');
	my $event = JSON::PP::decode_json($body);

	is( $line, 'POST /hook HTTP/1.1', 'a POST to the path' );
	like(
		$header->{'content-type'},
		qr{^application/cloudevents\+json},
		'content type' );
	is( $header->{'webhook-id'},
		$result->{event_id}, 'webhook-id is the event id' );
	cmp_ok( abs( $header->{'webhook-timestamp'} - time ),
		'<', 60, 'webhook-timestamp is now' );
	is( $header->{'webhook-signature'},
		signature( $header, $body, $key ),
		'the signature, computed independently' );
	is( $header->{'idempotency-key'}, $result->{event_id},
		'Idempotency-Key' );
	like(
		$header->{traceparent},
		qr/^00-$trace-[0-9a-f]{16}-01$/,
		'traceparent: same trace' );
	unlike( $header->{traceparent},
		qr/00f067aa0ba902b7/, 'traceparent: a parent of its own' );
	is( $header->{'x-team'},      'cx',           'a header of the config' );
	is( $header->{authorization}, 'Bearer t0ken', 'a header from a secret' );
	is( $event->{specversion},    '1.0',          'CloudEvents 1.0' );
	is( $event->{id},             $result->{event_id}, 'its id' );
	is( $event->{type},           'cx.signal.created', 'its type' );
	is( $event->{subject},        'T-1',               'its subject' );
	is( $event->{data}{sentiment},
		'very_negative', 'data: canonical sentiment' );
	is( $event->{data}{churn_risk},  'high', 'data: churn level of 8/10' );
	is( $event->{data}{churn_score}, 0.8,    'data: churn score of 8/10' );
	like( $event->{data}{evidence_url},
		qr{^https://}, 'data: the link to the evidence' );

	my ( undef, $again, $same ) = take_request();
	is( $again->{'webhook-id'},
		$header->{'webhook-id'},
		'the second attempt has the same id' );
	is( $same, $body, 'and the same bytes' );
	isnt(
		$again->{traceparent},
		$header->{traceparent},
		'and a parent id of its own' );
	ok( idle($node), 'then all is done' );
	is( $node->safe_psql(
			'postgres',
			"select outcome, attempt, http_status from cxsig.deliveries" ),
		'delivered|2|200',
		'the receipt: outcome, attempt, answer' );
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('hook')" );
};

subtest 'delivery: binary mode and plain JSON' => sub {
	destination( $node, 'binary', $url, config => { format => 'binary' } );
	my $result = ingest( $node, %signal, ticket => "T 2\x{e9}" );
	my ( undef, $header, $body ) = take_request();

	is( $header->{'ce-id'},          $result->{event_id}, 'ce-id' );
	is( $header->{'ce-specversion'}, '1.0',               'ce-specversion' );
	is( $header->{'ce-subject'},
		'T%202%C3%A9', 'ce-subject, percent-encoded' );
	is( $header->{'content-type'},
		'application/json', 'content type of the data' );
	is( JSON::PP::decode_json($body)->{event_id},
		$result->{event_id}, 'the body is the data' );
	ok( !exists $header->{'webhook-signature'},
		'without a secret, no signature' );
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('binary')" );

	destination( $node, 'plain', $url,
		config => { format => 'plain', idempotency_key => 'quoted' } );
	$result = ingest( $node, %signal, ticket => 'T-3' );
	( undef, $header, $body ) = take_request();
	is_deeply( [ sort keys %{ JSON::PP::decode_json($body) } ],
		[qw(data timestamp type)], 'plain: type, timestamp, data' );
	is( $header->{'idempotency-key'},
		"\"$result->{event_id}\"", 'Idempotency-Key, quoted' );
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('plain')" );
};

subtest 'delivery: what each projection sends' => sub {
	my @all = qw(account account_id churn_risk churn_score event_id event_type
	  evidence_url occurred_at sentiment ticket_id version);
	my %members = (
		crm => \@all,
		ops => [ sort grep( !/^(account|churn_score)$/, @all ), 'quotes' ],
		bi  => [
			sort @all,
			qw(backfill idempotency_key quotes recorded_at schema_version
			  source_system stale traceparent) ] );
	my %data;

	$node->safe_psql( 'postgres',
		q(select cxsig.upsert_account('A-7', 'Acme', plan => 'pro', crm_ids => '{"hubspot": "77"}'))
	);
	for my $projection ( sort keys %members )
	{
		destination(
			$node, $projection, $url,
			config  => { format     => 'plain' },
			options => { projection => $projection } );
		ingest(
			$node, %signal,
			ticket => "P-$projection",
			quotes => [ 'first', 'second' ] );
		my ( undef, undef, $body ) = take_request();
		$data{$projection} = JSON::PP::decode_json($body)->{data};
		is_deeply( [ sort keys %{ $data{$projection} } ],
			$members{$projection}, "$projection: its members and no others" );
		ok( idle($node), "$projection: done" );
		$node->safe_psql( 'postgres',
			"select cxsig.drop_destination('$projection')" );
	}
	is_deeply(
		$data{crm}{account},
		{ name => 'Acme', crm_ids => { hubspot => '77' } },
		'crm: of the account what finds its record' );
	is( $data{bi}{account}{plan}, 'pro', 'bi: the whole account' );
	is_deeply( $data{ops}{quotes}, ['first'], 'ops: the first quote' );
};

subtest 'delivery: the receiver finds every signature right' => sub {
	my $sink = CxsigTest::Sink->start;

	$sink->secret( 'signed', "whsec_$key" );
	destination(
		$node, 'signed',
		$sink->url('signed'),
		secret => "whsec_$key" );
	ingest( $node, ticket => "S-$_" ) for 1 .. 5;
	ok( idle($node), 'done' );
	my $stats = $sink->stats('signed');
	is( $stats->{signature_ok},       5, 'five right' );
	is( $stats->{signature_failures}, 0, 'none wrong' );
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('signed')" );
};

subtest 'delivery: mapping and filter' => sub {
	destination(
		$node, 'mapped', $url,
		config  => { format => 'plain' },
		options => {
			mapping => {
				Ticket__c => '$.ticket_id',
				Risk__c   => '$.churn_risk',
				Source    => 'cxsig',
				None      => '$.corrects' },
			filter => '$.churn_risk == "high"' } );
	ingest( $node, ticket => 'F-1', churn_risk => 'low' );
	ingest( $node, ticket => 'F-2', churn_risk => 'high' );
	my ( undef, undef, $body ) = take_request();
	is_deeply(
		JSON::PP::decode_json($body)->{data},
		{ Ticket__c => 'F-2', Risk__c => 'high', Source => 'cxsig' },
		'only what matches, mapped, without what is not there' );
	ok( idle($node), 'done' );
	is( $node->safe_psql(
			'postgres',
			"select filtered from cxsig.destination_status where name = 'mapped'"
		),
		1,
		'what the filter left out is counted' );
};

subtest 'delivery: test_destination shows the answer' => sub {
	my $session = session($node);
	$session->query_until( qr/go/,
		"\\echo go\nselect 'answer', ok, http_status from cxsig.test_destination('mapped');\n"
	);
	my ( undef, $header, $body ) = take_request('202 Accepted');
	like( $body, qr/ping/, 'a ping' );
	like( $session->query_safe('select 1'),
		qr/answer\|t\|202/, 'and its answer' );
	$session->quit;
};

$node->stop;
done_testing();
