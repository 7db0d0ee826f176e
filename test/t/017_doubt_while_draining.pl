# Promise: never lost. A transaction that was in doubt and ends while another one is being delivered,
# page by page, is not forgotten when that one is through.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('draining');

destination( $node, 'hook', $sink->url('hook'),
	options => { window => 10, total_timeout_ms => 600_000 } );
my ( $large, $small ) = map { session($node) } 1 .. 2;
$large->query_safe(
	'begin; select cxsig.ingest(s::jsonb) from (values '
	  . join( ', ',
		map { '(' . literal( signal( ticket => "large-$_" ) ) . ')' }
		  1 .. 30 )
	  . ') v (s)' );
$small->query_safe( 'begin; select cxsig.ingest('
	  . literal( signal( ticket => 'small' ) )
	  . ')' );
ingest( $node, ticket => 'after' );
ok( $sink->wait_ok( 'hook', 1 ),
	'what was committed after them is delivered' );

$sink->behave( 'hook', { hang => 1 } );
$large->query_safe('commit');
ok( in_flight( $sink, 'hook', 10 ), 'a first page of the large one is out' );
$small->query_safe('commit');
ingest( $node, ticket => 'last' );
$sink->behave( 'hook', { status => 200 } );
# The answers that hang never come: the connections go.
$sink->stop;
$sink->start;
ok( $sink->wait_ok( 'hook', 32 ), 'all that were left arrive' );
ok( idle($node),                  'and have their outcome' );
is( $node->safe_psql(
		'postgres',
		"select count(*) from cxsig.deliveries where outcome = 'delivered'" ),
	33,
	'never lost: each of them' );
$_->quit for $large, $small;

$node->stop;
done_testing();
