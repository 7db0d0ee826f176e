# Promise: an outage dead-letters nothing and burns no attempts, at a destination that has worked before
# too, and however few its events are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('outage_after_success');

destination(
	$node, 'quiet',
	$sink->url('quiet'),
	options => {
		retry_initial_ms => 50,
		retry_max_ms     => 200,
		max_attempts     => 3 } );
load_signals( $node, tickets => 5 );
ok( $sink->wait_ok( 'quiet', 5 ), 'five pass' );
$sink->stop;
load_signals( $node, tickets => 2, prefix => 'out' );
ok( wait_for(
		$node,
		'select max(attempt) >= 3 or exists (select from cxsig.dead_letter) from cxsig.retry'
	),
	'two fail again and again' );
is( $node->safe_psql( 'postgres', 'select count(*) from cxsig.dead_letter' ),
	0,
	'outage: no dead letters' );
is( $node->safe_psql(
		'postgres', 'select coalesce(max(strikes), 0) from cxsig.retry' ),
	0,
	'outage: no attempt counts' );
$sink->start;
ok( idle($node),                     'back again' );
ok( $sink->wait_ok( 'quiet', 2, 5 ), 'both arrive' );

$node->stop;
done_testing();
