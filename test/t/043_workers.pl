# The number of dispatchers and the databases that have one follow the settings, by a reload; the
# worker ends within its bound whatever receivers do.

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
my $node = cxsig_node('workers');
my $running =
  "from cxsig.worker_status where process = 'dispatcher' and state = 'running' and database";

sub settings
{
	$node->append_conf( 'postgresql.conf', $_[0] );
	$node->reload;
	return;
}

subtest 'SIGTERM while requests hang: the worker ends in time' => sub {
	destination(
		$node, 'hang',
		$sink->url( 'hang', hang => 1 ),
		options => { total_timeout_ms => 600_000 } );
	load_signals( $node, tickets => 20 );
	ok( in_flight( $sink, 'hang', 16 ), 'requests hang' );
	my $pid     = dispatcher_pid($node);
	my $started = Time::HiRes::time();
	$node->safe_psql( 'postgres', "select pg_terminate_backend($pid)" );
	ok( wait_for(
			$node,
			"select not exists (select from pg_stat_activity where pid = $pid)"
		),
		'it ends' );
	cmp_ok( Time::HiRes::time() - $started, '<', 2.5, 'within 2 s' );
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('hang')" );
};

subtest 'cxsig.workers: more and fewer, by a reload' => sub {
	destination( $node, "d$_", $sink->url("d$_") ) for 1 .. 4;
	settings("cxsig.workers = 3\n");
	ok( wait_for( $node, "select count(*) = 3 $running = 'postgres'" ),
		'three run' );
	load_signals( $node, tickets => 10, prefix => 'three' );
	ok( idle($node), 'all is done' );
	settings("cxsig.workers = 1\n");
	ok( wait_for( $node, "select count(*) = 1 $running = 'postgres'", 30 ),
		'one runs' );
	load_signals( $node, tickets => 10, prefix => 'one' );
	ok( idle($node), 'all is done' );
	all_arrived( $node, $sink, "d$_", "d$_", "ticket_id not like 'T-%'" )
	  for 1 .. 4;
	is( $sink->stats("d$_")->{repeats}, 0, "d$_: no repeat" ) for 1 .. 4;
};

subtest 'cxsig.databases: which have a dispatcher' => sub {
	$node->safe_psql( 'postgres', 'create database "Other"' );
	$node->safe_psql( 'Other',    'create extension cxsig' );
	ok( wait_for( $node, "select count(*) = 1 $running = 'Other'" ),
		'every database that has the extension' );
	settings("cxsig.databases = 'postgres'\n");
	ok( wait_for( $node, "select count(*) = 0 $running = 'Other'", 30 ),
		'one that is not named has none' );
	is( $node->safe_psql(
			'postgres', "select count(*) $running = 'postgres'" ),
		1,
		'one that is named has' );
	settings("cxsig.databases = '\"Other\"'\n");
	ok( wait_for( $node, "select count(*) = 1 $running = 'Other'", 30 ),
		'and the other way round' );
};
$node->stop;
done_testing();
