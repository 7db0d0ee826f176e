# Promise: quiet while sending. No transaction, snapshot or lock is held while a request is out.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'quiet',
	conf => "cxsig.checkpoint_interval = 60s\ncxsig.poll_interval = 60s\n" );
destination(
	$node, 'hook',
	$sink->url( 'hook', hang => 1 ),
	options => { total_timeout_ms => 600_000 } );
load_signals( $node, tickets => 40 );
ok( in_flight( $sink, 'hook', 16 ), 'quiet while sending: requests are out' );
my $pid = dispatcher_pid($node);

ok( wait_for(
		$node, "select state = 'idle' from pg_stat_activity where pid = $pid"
	),
	'quiet while sending: idle' );
is( $node->safe_psql(
		'postgres',
		"select usename, xact_start is null, backend_xid is null, backend_xmin is null from pg_stat_activity where pid = $pid"
	),
	'cxsig_worker|t|t|t',
	'quiet while sending: no transaction, no xid, no snapshot' );
is( $node->safe_psql(
		'postgres',
		"select count(*) from pg_locks where pid = $pid and locktype <> 'advisory'"
	),
	0,
	'quiet while sending: no lock but the one that says whose destination it is'
);
is( $node->safe_psql(
		'postgres',
		"select count(*) from pg_locks where pid = $pid and locktype = 'advisory'"
	),
	1,
	'quiet while sending: and that one' );

$node->stop;
done_testing();
