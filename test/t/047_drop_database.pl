# DDL on databases is not held up by receivers that hang, be it a database with a dispatcher of its
# own or another one; and where the command fails, delivery goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

# The receivers hang for ten minutes; copying and syncing files takes what it takes.
my $bound = 30;
my $sink  = CxsigTest::Sink->start;
my $node  = cxsig_node('drop_database');

# Test: a statement is done within the bound.
sub soon
{
	my ( $sql, $what ) = @_;
	my $started = Time::HiRes::time();

	$node->safe_psql( 'postgres', $sql );
	cmp_ok( Time::HiRes::time() - $started, '<', $bound, "$what: done" );
	return;
}

# Process id of the dispatcher of a database, once it runs and is not $not.
sub dispatcher_of
{
	my ( $database, $not ) = @_;
	my $which =
	  "from cxsig.worker_status where process = 'dispatcher' and state = 'running'
		and database = '$database' and pid <> " . ( $not || 0 );

	ok( wait_for( $node, "select exists (select $which)" ),
		"$database has a dispatcher" );
	return $node->safe_psql( 'postgres', "select pid $which" );
}

# A database with a receiver that hangs and one that answers a byte a second.
sub app
{
	my ($name) = @_;

	$node->safe_psql( 'postgres', "create database $name" )
	  if $name ne 'postgres';
	$node->safe_psql( $name, 'create extension cxsig' )
	  if $name ne 'postgres';
	my %receivers = (
		hang => $sink->url( "hang_$name", hang => 1 ),
		drip =>
		  $sink->url( "drip_$name", slow_bytes => 1000, body_bytes => 1000 ),
		good => $sink->url("good_$name") );
	my $patient = literal(
		to_json(
			{   total_timeout_ms      => 600_000,
				first_byte_timeout_ms => 600_000 } ) );
	for my $receiver ( sort keys %receivers )
	{
		my $config = literal( to_json( { url => $receivers{$receiver} } ) );
		$node->safe_psql( $name,
			"select cxsig.create_destination('$receiver', 'webhook', $config, $patient)"
		);
	}
	load_signals( $node, tickets => 8, database => $name );
	ok( in_flight( $sink, "hang_$name", 8 ), "$name: requests hang" );
	ok( in_flight( $sink, "drip_$name", 8 ), "$name: and answers drip" );
	return;
}

app('postgres');
app('app');
my $here = dispatcher_of('postgres');

subtest 'another database, without the extension' => sub {
	soon( 'create database other strategy file_copy', 'CREATE DATABASE' );
	soon( 'alter database other rename to another',   'RENAME' );
	soon( 'drop database another',                    'DROP DATABASE' );
	is( dispatcher_of('postgres'), $here, 'the dispatcher went on' );
};

subtest 'a database with a dispatcher of its own' => sub {
	my $pid = dispatcher_of('app');
	my $dir = PostgreSQL::Test::Utils::tempdir();
	soon( "create tablespace elsewhere location '$dir'",
		'CREATE TABLESPACE' );
	soon( 'alter database app set tablespace elsewhere', 'SET TABLESPACE' );
	$pid = dispatcher_of( 'app', $pid );
	load_signals( $node, tickets => 1, database => 'app', prefix => 'moved' );
	ok( $sink->wait_ok( 'good_app', 9 ), 'and delivers' );
	soon( 'alter database app set tablespace pg_default', 'and back' );
	dispatcher_of( 'app', $pid );
	is( dispatcher_of('postgres'),
		$here, 'the other dispatcher went on all the while' );
};

subtest 'a command that fails: delivery goes on' => sub {
	my $pid = dispatcher_of('app');
	my $user =
	  $node->background_psql( 'app', on_error_stop => 0, timeout => 120 );
	$user->query_safe('select 1');
	like(
		error_of( $node, 'drop database app' ),
		qr/being accessed by other users/,
		'DROP DATABASE is refused: somebody is there' );
	$pid = dispatcher_of( 'app', $pid );
	load_signals( $node, tickets => 1, database => 'app', prefix => 'back' );
	ok( $sink->wait_ok( 'good_app', 10 ), 'and delivers' );

	$node->safe_psql( 'postgres', 'create role stranger login' );
	like(
		error_of( $node, 'set role stranger; drop database app' ),
		qr/must be owner/,
		'DROP DATABASE is refused: not the owner' );
	is( dispatcher_of('app'), $pid, 'and did not disturb the dispatcher' );
	soon( 'drop database app with (force)', 'DROP DATABASE WITH (FORCE)' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from pg_stat_activity where backend_type = 'cxsig dispatcher' and datname is distinct from 'postgres'"
		),
		0,
		'nothing is left running in it' );
	eval { $user->quit };
};

subtest 'two at once, while a third is made from a fourth' => sub {
	app($_) for qw(a b c);
	my @sessions = map { session($node) } 1 .. 3;
	my $started  = Time::HiRes::time();
	$sessions[0]
	  ->query_until( qr/begun/, "\\echo begun\ndrop database a;\n" );
	$sessions[1]
	  ->query_until( qr/begun/, "\\echo begun\ndrop database b;\n" );
	$sessions[2]->query_until( qr/begun/,
		"\\echo begun\ncreate database d template c;\n" );
	ok( wait_for(
			$node,
			"select string_agg(datname, ' ' order by datname) = 'c d postgres' from pg_database where not datistemplate"
		),
		'all are done' );
	cmp_ok( Time::HiRes::time() - $started, '<', $bound, 'in time' );
	$_->quit for @sessions;
	dispatcher_of($_) for qw(c d);
	is( dispatcher_of('postgres'), $here, 'and this one went on' );
};

$node->stop;
done_testing();
