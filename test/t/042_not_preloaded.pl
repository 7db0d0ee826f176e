# Without preloading: nothing is lost, and each call that needs the worker says what to set.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'bare', conf => "shared_preload_libraries = ''\n" );

is( ingest( $node, ticket => 'T-1' )->{outcome},
	'inserted', 'not preloaded: ingest works' );
my ( $status, undef, $warning ) = $node->psql( 'postgres',
		"select cxsig.create_destination('hook', 'webhook', '"
	  . to_json( { url => $sink->url('hook') } )
	  . "', '{\"start\": \"beginning\"}')" );
is( $status, 0, 'not preloaded: create_destination works' );
like(
	$warning,
	qr/WARNING: .*worker is not loaded.*shared_preload_libraries/s,
	'not preloaded: and warns, with the way out' );
like(
	error_of( $node, 'select cxsig.wait_until_idle()' ),
	qr/wait_until_idle\(\) needs the cxsig worker.*shared_preload_libraries/s,
	'not preloaded: wait_until_idle says what to set' );
like(
	$node->safe_psql( 'postgres', 'select state from cxsig.worker_status' ),
	qr/not loaded.*shared_preload_libraries/,
	'not preloaded: worker_status says so' );
$node->append_conf( 'postgresql.conf',
	"shared_preload_libraries = 'cxsig'\n" );
$node->restart;
ok( $sink->wait_ok( 'hook', 1 ),
	'preloaded: what was recorded before is delivered' );
$node->stop;
done_testing();
