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

subtest 'cxsig.databases: a list that cannot be read is refused' => sub {
	settings("cxsig.databases = 'postgres, \"Other'\n");
	ok( $node->wait_for_log(
			qr/invalid value for parameter "cxsig.databases"/),
		'it is said' );
	is( $node->safe_psql( 'postgres', 'show cxsig.databases' ),
		'"Other"', 'and the last good one stands' );
	settings("cxsig.databases = ''\n");
};

subtest
  'no room: each database has its first dispatcher before any has more' =>
  sub {
	my $full = cxsig_node( 'full',
		conf =>
		  "max_worker_processes = 5\ncxsig.workers = 3\ncxsig.poll_interval = 100ms\n"
	);
	my $of = "from cxsig.worker_status where state = 'running' and database";

	destination( $full, "d$_", $sink->url("full$_") ) for 1 .. 3;
	ok( wait_for( $full, "select count(*) = 3 $of = 'postgres'" ),
		'one database takes all there is' );
	for my $database (qw(second third))
	{
		$full->safe_psql( 'postgres', "create database $database" );
		$full->safe_psql( $database,  'create extension cxsig' );
		$full->safe_psql( $database,
				"select cxsig.create_destination('hook', 'webhook', '"
			  . to_json( { url => $sink->url($database) } )
			  . "')" );
		load_signals( $full, tickets => 10, database => $database );
		ok( $sink->wait_ok( $database, 10 ), "$database: delivers too" );
	}
	ok( wait_for( $full, "select count(*) = 1 $of = 'postgres'" ),
		'the first keeps one' );
	load_signals( $full, tickets => 10 );
	ok( $sink->wait_ok( "full$_", 10 ), "which serves d$_" ) for 1 .. 3;
	faithful( $sink, "full$_", "d$_" ) for 1 .. 3;
	$full->stop;
  };

subtest 'a database whose dispatcher cannot start concerns no other' => sub {
	$node->safe_psql( 'Other',
		'revoke connect on database "Other" from public, cxsig_worker' );
	my $pid = $node->safe_psql( 'postgres',
		"select pid from cxsig.worker_status where database = 'Other' and pg_terminate_backend(pid)"
	);
	ok( $node->wait_for_log(qr/permission denied for database "Other"/),
		'one cannot connect' );
	load_signals( $node, tickets => 10, prefix => 'fine' );
	ok( $sink->wait_counters( "d$_", { distinct => 30 } ), "d$_ goes on" )
	  for 1 .. 4;
};
$node->stop;
done_testing();
