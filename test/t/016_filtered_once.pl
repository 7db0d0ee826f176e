# Promise: what a filter leaves out is counted, once: also where a transaction that was in doubt is read
# above the place a restart begins at.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node =
  cxsig_node( 'filtered_once', conf => "cxsig.poll_interval = 200ms\n" );

destination(
	$node, 'high',
	$sink->url( 'high', hang => 1 ),
	options => {
		filter           => '$.churn_risk == "high"',
		total_timeout_ms => 600_000 } );
ingest( $node, ticket => 'before', churn_risk => 'high' );
ok( in_flight( $sink, 'high', 1 ), 'the first is out, and stays so' );
$node->safe_psql( 'postgres',
		'begin; select cxsig.ingest('
	  . literal( signal( ticket => 'left-out', churn_risk => 'low' ) )
	  . "); prepare transaction 'p'" );
ingest( $node, ticket => 'after', churn_risk => 'high' );
ok( in_flight( $sink, 'high', 2 ), 'one after it too' );
$node->safe_psql( 'postgres', "commit prepared 'p'" );
ok( wait_for( $node, 'select in_doubt = 0 from cxsig.consumer_lag' ),
	'the one between them is seen, and left out' );
$node->stop('immediate');
$sink->behave( 'high', { status => 200 } );
$node->start;
ok( idle($node), 'started again, all is done' );
is( $node->safe_psql(
		'postgres', 'select filtered from cxsig.destination_status' ),
	1,
	'filtered: counted once' );

# The same for what such a transaction wrote later, which is read in the main range.
my $late = session($node);
$sink->reset('high');
$sink->behave( 'high', { fail_key => 'late', hang => 1 } );
$late->query_safe( 'begin; select cxsig.ingest('
	  . literal( signal( ticket => 'late', churn_risk => 'high' ) )
	  . ')' );
ingest( $node, ticket => 'between', churn_risk => 'high' );
ok( $sink->wait_counters( 'high', { ok => 1 } ),
	'one that came between passes' );
$late->query_safe( 'select cxsig.ingest('
	  . literal( signal( ticket => 'left-out', churn_risk => 'low' ) )
	  . '); commit' );
ok( in_flight( $sink, 'high', 1 ), 'the late one is out, and stays so' );
$late->quit;
ingest( $node, ticket => "next-$_", churn_risk => 'high' ) for 1 .. 20;
ok( $sink->wait_counters( 'high', { ok => 21 } ), 'others pass' );
ok( wait_for( $node, 'select high = newest from cxsig.consumer_lag' ),
	'and are in the checkpoint' );
$node->stop('immediate');
$sink->behave( 'high', { status => 200 } );
$node->start;
ok( idle($node), 'started again, all is done' );
is( $node->safe_psql(
		'postgres', 'select filtered from cxsig.destination_status' ),
	2,
	'filtered: each counted once' );

$node->stop;
done_testing();
