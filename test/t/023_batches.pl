# Promise: a batch is as good as its events sent alone. Nothing is lost and each lane keeps its order
# whatever befalls the batches; one bad event poisons none of its neighbours; where the receiver
# tells events apart, each has its own outcome; size, bytes and linger are kept to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use HTTP::Tiny;
use IPC::Open2;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $secret = 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=';
my $sink   = CxsigTest::Sink->start;
my $node   = cxsig_node('batches');

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# A destination whose requests carry several events; what is given overrides.
sub batching
{
	my ( $name, $url, %with ) = @_;

	$sink->secret( $name, $secret );
	return destination(
		$node, $name, $url,
		secret => $secret,
		config => { format => 'cloudevents_batch', %{ $with{config} || {} } },
		options => {
			batch_size       => 100,
			retry_initial_ms => 20,
			retry_max_ms     => 100,
			%{ $with{options} || {} } } );
}

sub gone
{
	ask( 'select cxsig.drop_destination(' . literal($_) . ')' ) for @_;
	return;
}

subtest 'settings: a format that carries one event has no batch size' => sub {
	like(
		error_of(
			$node,
			q(select cxsig.create_destination('one', 'webhook', '{"url": "http://127.0.0.1:9/", "format": "binary"}', '{"batch_size": 50}'))
		),
		qr/"batch_size".*50.*format "binary".*at most 1 event.*cloudevents_batch/s,
		'both are named, and the way out' );
	ask(q(select cxsig.create_destination('one', 'webhook', '{"url": "http://127.0.0.1:9/", "format": "json_array"}', '{"batch_size": 1000, "paused": true}'))
	);
	like(
		error_of(
			$node,
			q(select cxsig.alter_destination('one', config => '{"url": "http://127.0.0.1:9/"}'))
		),
		qr/"batch_size".*1000.*format "structured"/s,
		'nor can it get such a format later' );
	gone('one');
};

subtest 'batches: another reader of the standards takes them' => sub {
	my $pid = open2( my $out, my $in, 'python3',
		"$FindBin::RealBin/../lib/batch_peer.py", $secret );
	my ($port) = readline($out) =~ /^port (\d+)$/;
	my %format =
	  ( cloudevents => 'cloudevents_batch', array => 'json_array' );

	for my $name ( sort keys %format )
	{
		batching(
			$name,
			"http://127.0.0.1:$port/$name",
			config  => { format          => $format{$name} },
			options => { batch_linger_ms => 500 } );
	}
	load_signals( $node, tickets => 30, prefix => "T \"\x{e9}\"" );
	ingest( $node, ticket => 'T-alone' );
	ok( idle($node), 'all has its outcome' );
	my $report =
	  JSON::PP::decode_json(
		HTTP::Tiny->new->get("http://127.0.0.1:$port/report")->{content} );
	is( "@{$report->{wrong}}", '', 'nothing is wrong with any' );

	for my $name ( sort keys %format )
	{
		my @requests =
		  grep { $_->{path} eq "/$name" } @{ $report->{requests} };
		is( join( ' ', sort map { @{ $_->{ids} } } @requests ),
			join( ' ', sort( event_ids($node) ) ),
			"$name: each event once" );
		cmp_ok( scalar @requests, '<', 31, "$name: some in batches" );
		ok( ask("select ok from cxsig.test_destination('$name')") eq 'f',
			"$name: and it sees what is no event" );
	}
	close $in;
	waitpid $pid, 0;
	gone( sort keys %format );
};

subtest 'batches: nothing lost, in order, whatever befalls them' => sub {
	my %fault = (
		refused => { status => 503 },
		closed  => { close  => 1 },
		apart   => { status => 503, results => 1 } );
	my $since = ask('select coalesce(max(position), 0) from cxsig.outbox');

	for my $name ( sort keys %fault )
	{
		# of 20 events in a batch one or two fail
		batching(
			$name,
			$sink->url(
				$name,
				fail_rate => $name eq 'apart' ? 0.1 : 0.01,
				seed      => 5,
				%{ $fault{$name} } ),
			options =>
			  { batch_size => 20, concurrency => 4, projection => 'bi' } );
	}
	load_signals(
		$node,
		tickets   => 150,
		revisions => 2,
		prefix    => "L$_" ) for 1 .. 4;
	load_signals( $node, tickets => 150, revisions => 3, prefix => 'L1' );
	ok( idle( $node, 180 ), 'all has its outcome' );
	my $these =
	  "event_id in (select event_id from cxsig.outbox where position > $since)";

	for my $name ( sort keys %fault )
	{
		all_arrived( $node, $sink, $name, $name, $these );
		my $stats = faithful( $sink, $name, $name );
		cmp_ok( $stats->{received}, '>', $stats->{distinct_ok},
			"$name: there were failures" );
		cmp_ok( $stats->{max_batch}, '<=', 20, "$name: none was too large" );
		cmp_ok( $stats->{max_batch}, '>',  1,  "$name: there were batches" );
		cmp_ok(
			$stats->{requests}, '<',
			$stats->{received} / 2,
			"$name: and many of them" );
		repeats_without_receipt( $node, $sink, $name, $name, $name );
	}
	is( ask('select count(*) from cxsig.dead_letters'), 0, 'none is dead' );
	gone( sort keys %fault );
};

subtest 'poison: one bad event of a hundred is the only dead letter' => sub {
	batching(
		'split',
		$sink->url( 'split', poison_key => 'S-37' ),
		options => { paused => JSON::PP::true(), batch_linger_ms => 2000 } );
	load_signals( $node, tickets => 100, prefix => 'S' );
	ask(q(select cxsig.resume_destination('split')));
	ok( idle($node), 'all has its outcome' );
	is( ask(q(select string_agg(ticket_id || ' ' || http_status, ', ') from cxsig.dead_letters)
		),
		'S-37 422',
		'it is dead, and what was refused with it is not' );
	is( ask(q(select count(*) from cxsig.deliveries where destination = 'split' and outcome = 'delivered')
		),
		99,
		'the others were delivered' );
	my $stats = faithful( $sink, 'split', 'split' );
	is( $stats->{distinct_ok}, 99, 'once they were sent without it' );
	is( $stats->{repeats},     0,  'and not again' );

	# 100 in one go: 1 + 2 for each time that what is left is halved, 7 times
	is( $stats->{max_batch}, 100, 'they were one batch' );
	cmp_ok( $stats->{requests}, '<=', 15, 'halves: not one by one' );
	gone('split');
};

subtest 'outcomes: each event has what the receiver says of it' => sub {
	batching(
		'apart2',
		$sink->url(
			'apart2',
			results    => 1,
			poison_key => 'A-3',
			fail_key   => 'A-5',
			fail_first => 2,
			status     => 503 ),
		config  => { format => 'json_array' },
		options => { paused => JSON::PP::true() } );
	load_signals( $node, tickets => 10, prefix => 'A' );
	ask(q(select cxsig.resume_destination('apart2')));
	ok( idle($node), 'all has its outcome' );
	my %sent;
	$sent{ $_->{key} } .= "$_->{status} " for $sink->log('apart2');
	is_deeply(
		\%sent,
		{   ( map { ( "A-$_" => '200 ' ) } 1 .. 10 ),
			'A-3' => '422 ',
			'A-5' => '503 503 200 ' },
		'only what was not taken is sent again' );
	is( ask(q(select count(*) from cxsig.deliveries where destination = 'apart2'
			and outcome = 'delivered' and remote_id = 'r-' || event_id and http_status = 200)
		),
		9,
		'each receipt has the id that the receiver gave it' );
	is( ask(q(select ticket_id || ': ' || http_status || ' ' || reason from cxsig.dead_letters d
			where destination = 'apart2')
		),
		'A-3: 422 status 422, as set for this path',
		'the dead letter has the words said of it' );
	gone('apart2');
};

subtest 'outcomes: 401 for a batch stops the destination, not its events' =>
  sub {
	batching( 'key', $sink->url( 'key', status => 401 ) );
	load_signals( $node, tickets => 50, prefix => 'K' );
	ok( wait_for(
			$node,
			q(select state = 'stopped' from cxsig.destination_status where name = 'key')
		),
		'it is stopped' );
	$sink->behave( 'key', { status => 200 } );
	ask(q(select cxsig.resume_destination('key')));
	ok( idle($node), 'and once it is resumed, all has its outcome' );
	is( ask(q(select count(*) from cxsig.deliveries where destination = 'key' and outcome = 'delivered')
		),
		50,
		'all were delivered' );
	gone('key');
  };

subtest 'limits: a body is no longer than batch_bytes' => sub {
	batching(
		'bytes',
		$sink->url('bytes'),
		options => {
			paused          => JSON::PP::true(),
			batch_bytes     => 4096,
			batch_size      => 20,
			batch_linger_ms => 60_000,
			projection      => 'bi' } );
	load_signals( $node, tickets => 40, prefix => 'B' );
	ingest(
		$node,
		ticket => 'B-long',
		quotes => [ map { $_ x 500 } 'a' .. 'j' ] );
	ask(q(select cxsig.resume_destination('bytes')));
	ok( idle($node), 'all has its outcome' );
	my %events;
	$events{"$_->{idempotency_key} $_->{at_us}"}{ $_->{key} } = 1
	  for $sink->log('bytes');
	my @with_long = grep { $_->{'B-long'} } values %events;
	is_deeply(
		\@with_long,
		[ { 'B-long' => 1 } ],
		'what is longer alone is sent alone' );
	cmp_ok( $sink->stats('bytes')->{max_batch},
		'>', 1, 'the others several at a time' );
	$sink->reset('bytes');
	load_signals( $node, tickets => 40, prefix => 'B' );
	ok( idle($node), 'without it' );
	cmp_ok( $sink->stats('bytes')->{max_body_bytes},
		'<=', 4096, 'no body is longer' );
	cmp_ok( $sink->stats('bytes')->{max_body_bytes},
		'>', 2048, 'and they are filled' );
	gone('bytes');
};

subtest 'limits: an event waits for others as long as batch_linger_ms' =>
  sub {
	batching(
		'linger',
		$sink->url('linger'),
		options => { batch_linger_ms => 4000 } );
	ask(join '',
		map {
			'select cxsig.ingest('
			  . literal( signal( ticket => "W-$_" ) ) . ');'
		} 1 .. 5 );
	ok( $sink->wait_ok( 'linger', 5 ), 'they arrive' );
	my ($at) = sort map { $_->{at_us} } $sink->log('linger');
	cmp_ok(
		$at, '>=',
		ask(q(select (extract(epoch from min(recorded_at) + interval '4 s') * 1000000)::bigint
			from cxsig.event where ticket_id like 'W-%')
		),
		'not before the first has waited' );
	is( $sink->stats('linger')->{requests},
		1, 'in one request, of five transactions' );
	$sink->reset('linger');
	ask(q(select cxsig.alter_destination('linger', options => '{"batch_size": 5, "batch_linger_ms": 60000}'))
	);
	load_signals( $node, tickets => 10, prefix => 'X' );
	ok( $sink->wait_ok( 'linger', 10, 50 ),
		'a batch that is full does not wait' );
	is( $sink->stats('linger')->{requests}, 2, 'two of five' );
	gone('linger');
  };

$node->stop;
done_testing();
