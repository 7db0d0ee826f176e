# Promises: isolated, flat - with many: 200 destinations of which 100 are dead, 100,000 lanes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('many');
my $worker =
  "from cxsig.worker_status where process = 'dispatcher' and state = 'running'";
my $clock;

sub sql { return $node->safe_psql( 'postgres', $_[0] ); }

sub took
{
	my ($what) = @_;
	my $now = Time::HiRes::time();
	note(
		sprintf '%s: %.1f s; memory %s',
		$what,
		$now - ( $clock || $now ),
		sql("select string_agg(memory, ', ') $worker") );
	$clock = $now;
	return;
}

# make_destinations($first, $last, $prefix, $url, $options): destinations in one transaction.
sub make_destinations
{
	my ( $first, $last, $prefix, $url, $options ) = @_;
	my ( $before, $after ) = split /NAME/, $url;

	$options = literal( to_json($options) );
	$before  = literal($before);
	$after   = literal($after);
	return sql(<<"SQL");
select count(cxsig.create_destination('$prefix' || i, 'webhook',
	jsonb_build_object('url', $before || '$prefix' || i || $after), $options))
from generate_series($first, $last) i
SQL
}

subtest 'isolated: 200 destinations, 100 of them dead' => sub {
	my $down    = CxsigTest::Sink->start;
	my %options = ( projection => 'ops' );

	took('start');
	$down->stop;
	make_destinations( 1, 50, 'refuses', $down->url('NAME'), \%options );
	make_destinations(
		1, 50, 'hangs',
		$sink->url( 'NAME', hang => 1 ),
		{ %options, total_timeout_ms => 600_000 } );
	make_destinations( 1, 100, 'lives', $sink->url( 'NAME', delay_ms => 5 ),
		\%options );
	ok( wait_for( $node, "select sum(destinations) = 200 $worker" ),
		'all are loaded' );
	took('200 destinations loaded');
	load_signals( $node, tickets => 100 );
	ok( $sink->wait_ok( "lives$_", 100 ), "lives$_ gets its events" )
	  for 1 .. 100;
	took('100 events at 100 destinations, 100 dead');
	load_signals( $node, tickets => 20, prefix => 'more' );
	ok( $sink->wait_ok( "lives$_", 120 ), "lives$_ gets more" ) for 1 .. 100;
	took('20 events more');
	$down->start;
	ok( $down->wait_ok( "refuses$_", 120 ), "refuses$_ is back" ) for 1 .. 50;
	took('50 are back');
	faithful( $sink, "lives$_", "lives$_" ) for 1, 100;
	is( sql('select count(*) from cxsig.dead_letter'), 0, 'no dead letters' );
	sql("select count(cxsig.drop_destination(name)) from cxsig.destination");
};

subtest 'flat: 100,000 lanes at a destination that is down, then up' => sub {
	my $down = CxsigTest::Sink->start;

	ok( wait_for( $node, "select sum(destinations) = 0 $worker" ),
		'none is left' );
	took('dropped');
	$down->stop;
	destination(
		$node, 'down',
		$down->url('down'),
		options => {
			projection       => 'ops',
			concurrency      => 64,
			window           => 100_000,
			retry_initial_ms => 10 } );
	load_signals( $node, tickets => 10_000, prefix => "b$_" ) for 1 .. 10;
	took('100,000 tickets recorded');
	ok( wait_for( $node, "select sum(lanes) >= 99000 $worker", 120 ),
		'all of them in memory' );
	ok( $node->wait_for_log(qr/destination "down" fails/), 'it is down' );
	$down->start;
	ok( $down->wait_ok( 'down', 100_000, 300 ), 'it is up: all arrive' );
	took('100,000 lanes delivered');
	ok( idle($node), 'and all have their outcome' );
	faithful( $down, 'down', 'down' );
};

$node->stop;
done_testing();
