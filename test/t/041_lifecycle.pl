# The worker through all that happens to a server: reload, terminate, alter, drop, rename, copy.

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
my $node = cxsig_node('lifecycle');

sub state { return $node->safe_psql( 'postgres', $_[0] ); }

# A new dispatcher in the database, whatever became of the one with this pid.
sub comes_back
{
	my ( $pid, $database ) = @_;
	return wait_for(
		$node,
		"select exists (select from cxsig.worker_status where process = 'dispatcher'
		and state = 'running' and database = '"
		  . ( $database || 'postgres' ) . "' and pid <> $pid)" );
}

destination(
	$node, 'hook',
	$sink->url( 'hook', delay_ms => 20 ),
	options => { projection => 'bi' } );

subtest
  'pg_terminate_backend: the dispatcher comes back and delivers, within its bound'
  => sub {
	load_signals( $node, tickets => 200 );
	ok( in_flight( $sink, 'hook', 4 ), 'requests are out' );
	my $pid     = dispatcher_pid($node);
	my $started = Time::HiRes::time();
	state("select pg_terminate_backend($pid)");
	ok( wait_for(
			$node,
			"select not exists (select from pg_stat_activity where pid = $pid)",
			20 ),
		'it ends' );
	cmp_ok( Time::HiRes::time() - $started, '<', 5, 'soon' );
	ok( comes_back($pid), 'another one starts' );
	ok( idle($node),      'and goes on' );
	all_arrived( $node, $sink, 'hook', 'all' );
	is( $sink->stats('hook')->{repeats},
		0, 'in order: what was out was awaited' );
  };

subtest 'the launcher comes back, and takes the dispatcher over' => sub {
	my $dispatcher = dispatcher_pid($node);
	my $launcher =
	  state("select pid from cxsig.worker_status where process = 'launcher'");
	state("select pg_terminate_backend($launcher)");
	ok( wait_for(
			$node,
			"select pid <> $launcher from cxsig.worker_status where process = 'launcher' and pid is not null"
		),
		'it does' );
	is( dispatcher_pid($node), $dispatcher, 'the dispatcher went on' );
};

subtest 'reload: settings are read again' => sub {
	destination(
		$node, 'reload',
		$sink->url('reload'),
		options => { retry_initial_ms => 10, retry_max_ms => 50 } );
	$node->append_conf( 'postgresql.conf',
		"cxsig.allowed_networks = '10.0.0.0/8'\n" );
	$node->reload;
	ok( wait_for(
			$node,
			"select current_setting('cxsig.allowed_networks') = '10.0.0.0/8'"
		),
		'changed' );
	ingest( $node, ticket => 'R-1' );
	ok( wait_for(
			$node,
			"select last_error ~ 'allowed_networks' from cxsig.destination_status where name = 'reload'"
		),
		'it holds' );
	$node->append_conf( 'postgresql.conf',
		"cxsig.allowed_networks = 'loopback'\n" );
	$node->reload;
	ok( $sink->wait_ok( 'reload', 1 ), 'and back' );
	state("select cxsig.drop_destination('reload')");
};

subtest 'pause, alter, resume, drop while it runs' => sub {
	ok( idle($node), 'idle' );
	$sink->reset('hook');
	load_signals( $node, tickets => 100, prefix => 'p' );
	is( state("select cxsig.pause_destination('hook')"), 't', 'paused' );
	ok( wait_for(
			$node,
			"select count(*) = 0 from pg_locks where locktype = 'advisory'" ),
		'unloaded' );
	my $received = $sink->stats('hook')->{received};
	cmp_ok( $received, '<', 100, 'before all was sent' );
	ingest( $node, ticket => 'while paused' );
	state(
		"select cxsig.alter_destination('hook', null, '{\"concurrency\": 32}')"
	);
	is( $sink->stats('hook')->{received}, $received, 'nothing is sent' );
	state("select cxsig.resume_destination('hook')");
	ok( idle($node), 'resumed' );
	all_arrived( $node, $sink, 'hook', 'all',
		"ticket_id like 'p-%' or ticket_id = 'while paused'" );
	is( $sink->stats('hook')->{repeats}, 0, 'from where it was' );
	state("select cxsig.drop_destination('hook')");
	ok( wait_for(
			$node,
			"select count(*) = 0 from pg_locks where locktype = 'advisory'" ),
		'dropped' );
};

subtest
  'DROP EXTENSION while a receiver hangs, and CREATE EXTENSION again' => sub {
	destination(
		$node, 'hang',
		$sink->url( 'hang', hang => 1 ),
		options => { total_timeout_ms => 600_000 } );
	load_signals( $node, tickets => 20, prefix => 'd' );
	ok( in_flight( $sink, 'hang', 16 ), 'requests hang' );
	state("set lock_timeout = '10s'; drop extension cxsig");
	ok( wait_for(
			$node,
			"select count(*) = 0 from pg_stat_activity where backend_type = 'cxsig dispatcher'"
		),
		'the dispatcher ends' );
	state('create extension cxsig');
	destination( $node, 'new', $sink->url('new') );
	ingest( $node, ticket => 'N-1' );
	ok( $sink->wait_ok( 'new', 1 ), 'and works again' );
  };

subtest 'DDL on a database whose receiver hangs' => sub {
	state('create database app');
	$node->safe_psql( 'app', 'create extension cxsig' );
	$node->safe_psql( 'app',
			"select cxsig.create_destination('hang', 'webhook', '"
		  . to_json( { url => $sink->url( 'hang2', hang => 1 ) } )
		  . "', '{\"total_timeout_ms\": 600000}')" );
	load_signals( $node, tickets => 20, database => 'app' );
	ok( in_flight( $sink, 'hang2', 16 ),
		'two databases with dispatchers of their own; requests hang' );
	my ($pid) =
	  state("select pid from cxsig.worker_status where database = 'app'");
	state("alter database app rename to app2");
	ok( comes_back( $pid, 'app2' ),
		'ALTER DATABASE RENAME: done, and the dispatcher is back' );
	state('create database copy template app2');
	ok( wait_for(
			$node,
			"select count(*) = 2 from cxsig.worker_status where database in ('app2', 'copy') and state = 'running'"
		),
		'CREATE DATABASE TEMPLATE: done; original and copy have a dispatcher'
	);
	my $started = Time::HiRes::time();
	state('drop database app2');
	state('drop database copy');
	cmp_ok( Time::HiRes::time() - $started, '<', 10, 'DROP DATABASE: done' );
	is( state(
			"select count(*) from cxsig.worker_status where database is null and process = 'dispatcher' and state = 'running'"
		),
		0,
		'nothing is left running in them' );
	ingest( $node, ticket => 'N-2' );
	ok( $sink->wait_ok( 'new', 2 ), 'and the other database went on' );
};

subtest 'several dispatchers share the destinations' => sub {
	$node->append_conf( 'postgresql.conf', "cxsig.workers = 2\n" );
	$node->reload;
	destination( $node, "d$_", $sink->url("d$_") ) for 1 .. 4;
	ok( wait_for(
			$node,
			"select count(*) = 2 from cxsig.worker_status where state = 'running' and process = 'dispatcher' and destinations > 0"
		),
		'both have some' );
	load_signals( $node, tickets => 20, prefix => 's' );
	ok( idle($node), 'done' );
	is( $sink->stats("d$_")->{distinct_ok}, 20, "d$_ has all" ) for 1 .. 4;
	is( $sink->stats("d$_")->{repeats},     0,  "d$_ once" )    for 1 .. 4;
};

$node->stop;
done_testing();
