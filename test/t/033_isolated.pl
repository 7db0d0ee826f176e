# Promise: isolated. Receivers that hang take their own share of the connections only: they delay no
# other destination, however many requests they hold.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink  = CxsigTest::Sink->start;
my $apart = CxsigTest::Sink->start;
my $node  = cxsig_node( 'isolated', conf => "cxsig.max_connections = 32\n" );
my %hangs = ( options => { concurrency => 24, total_timeout_ms => 600_000 } );

destination( $node, "hang$_", $apart->url( "hang$_", hang => 1 ), %hangs )
  for 1 .. 2;
load_signals( $node, tickets => 100 );
ok( wait_for(
		$node,
		"select in_flight >= 32 from cxsig.worker_status where process = 'dispatcher'"
	),
	'isolated: hanging receivers hold as many requests as they may' );
destination( $node, 'other', $sink->url('other') );
load_signals( $node, tickets => 50, prefix => 'other' );
ok( $sink->wait_ok( 'other', 50, 20 ),
	'isolated: another destination gets its events at once' );

for my $round ( 1 .. 10 )
{
	load_signals( $node, tickets => 20, prefix => "round$round" );
	$sink->wait_ok( 'other', 50 + 20 * $round, 20 )
	  or die "round $round did not arrive";
}
cmp_ok( $sink->stats('other')->{connections},
	'<=', 16, 'isolated: on connections that it keeps' );
$node->safe_psql( 'postgres',
	'select count(cxsig.drop_destination(name)) from cxsig.destination' );

# Both are at the end of the log, and share its feed.
destination( $node, $_, $sink->url($_),
	options =>
	  { window => 10, concurrency => 5, total_timeout_ms => 600_000 } )
  for qw(full free);
load_signals( $node, tickets => 5, prefix => 'both' );
ok( $sink->wait_ok( $_, 5 ), "isolated: $_ gets its events" )
  for qw(full free);
$sink->behave( 'full', { hang => 1 } );
load_signals( $node, tickets => 50, prefix => "more$_" ) for 1 .. 3;
ok( $sink->wait_ok( 'free', 155, 20 ),
	'isolated: one with a full window keeps no other from reading' );
$node->stop;
done_testing();
