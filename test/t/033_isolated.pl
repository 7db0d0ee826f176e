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
my $node  = cxsig_node( 'isolated', conf => "cxsig.max_connections = 32\n" );
my %hangs = ( options => { concurrency => 24, total_timeout_ms => 600_000 } );

destination( $node, "hang$_", $sink->url( "hang$_", hang => 1 ), %hangs )
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
$node->stop;
done_testing();
