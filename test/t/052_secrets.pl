# Promise: a secret cannot be read back. Not from views, tables, the activity view, the log or a dump.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $secret = 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=';
my $other  = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
my $needle = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';
my $sink   = CxsigTest::Sink->start;
my $node   = cxsig_node( 'secrets',
	conf =>
	  "cxsig.allowed_networks = 'loopback'\nlog_min_messages = debug1\n" );
my $files = $node->basedir . '/keys';
mkdir $files or die $!;
append_to_file( "$files/hook.key",               "$other\n" );
append_to_file( $node->basedir . '/outside.key', "$other\n" );
$node->append_conf( 'postgresql.conf',
	"cxsig.secret_directory = '$files'\n" );
$node->reload;

destination( $node, 'hook', $sink->url('hook') );
$sink->secret( 'hook', $secret );

my $session = session($node);
$session->query_safe("select cxsig.set_secret('hook', 'signing', '$secret')");
is( $node->safe_psql(
		'postgres',
		"select count(*) from pg_stat_activity where pid <> pg_backend_pid() and query ~ 'whsec'"
	),
	0,
	'a secret is nowhere: pg_stat_activity' );
$session->quit;
my ( $status, undef, $error ) = $node->psql( 'postgres',
	"select cxsig.set_secret('hook', 'signing', 'whsec_$needle!bad')" );
isnt( $status, 0, 'a secret is nowhere: a bad one is refused' );
unlike( $error, qr/$needle/, 'a secret is nowhere: and not shown' );
( $status, undef, $error ) = $node->psql( 'postgres',
	"select cxsig.set_secret('nobody', 'signing', '$secret')" );
isnt( $status, 0, 'a secret is nowhere: nor with a wrong name' );

for my $name ( 'nobody', 'hook' )
{
	my $value = $name eq 'hook' ? "whsec_$needle!bad" : $secret;
	($status) = $node->psql( 'postgres',
		"do \$\$ begin perform cxsig.set_secret('$name', 'signing', '$value'); end \$\$"
	);
	isnt( $status, 0, "a secret is nowhere: refused in a DO block, $name" );
}
ingest( $node, ticket => 'T-1' );
ok( idle($node), 'delivered' );
is( $sink->stats('hook')->{signature_ok}, 1, 'signed with it' );
unlike( slurp_file( $node->logfile ),
	qr/$needle/,
	'a secret is nowhere: the server log, errors and debug included' );
for my $view (
	split /\n/,
	$node->safe_psql(
		'postgres',
		"select oid::regclass from pg_class where relnamespace = 'cxsig'::regnamespace and relkind in ('v', 'r', 'p') and relname not in ('secret', 'signal_import')"
	) )
{
	unlike( $node->safe_psql( 'postgres', "select * from $view" ),
		qr/$needle/, "a secret is nowhere: $view" );
}
my $dump = $node->basedir . '/dump.sql';
$node->command_ok( [ 'pg_dump', '-f', $dump, $node->connstr('postgres') ],
	'pg_dump' );
unlike( slurp_file($dump), qr/$needle/, 'a secret is nowhere: the dump' );

subtest 'a restored destination says which secret it misses' => sub {
	$node->safe_psql( 'postgres', 'create database restored' );
	$node->command_ok(
		[   'psql', '-qXv', 'ON_ERROR_STOP=1', '-f', $dump,
			$node->connstr('restored') ],
		'restored' );
	local $PostgreSQL::Test::Utils::timeout_default = 60;
	ok( $node->poll_query_until(
			'restored',
			"select state = 'paused' and state_reason ~ 'restored' from cxsig.destination_status"
		),
		'no surprise after restore: paused, and says why' );
	$node->safe_psql( 'restored', 'select cxsig.resume_all()' );
	ok( $node->poll_query_until(
			'restored',
			"select state = 'stopped' and state_reason ~ 'signing' from cxsig.destination_status"
		),
		'stopped, with the reason' );
	$node->safe_psql( 'postgres', 'drop database restored' );
};

subtest 'rotation: signs with both while both are valid' => sub {
	$node->safe_psql( 'postgres',
		"select cxsig.set_secret('hook', 'signing', '$other', keep_previous => '1 hour')"
	);
	for my $checked ( $secret, $other )
	{
		$sink->secret( 'hook', $checked );
		ingest( $node, ticket => 'rotate' );
		ok( idle($node), 'delivered' );
	}
	is( $sink->stats('hook')->{signature_failures},
		0, 'each receiver is content' );
	$node->safe_psql( 'postgres',
		"select cxsig.set_secret('hook', 'signing', '$other')" );
	$sink->secret( 'hook', $secret );
	ingest( $node, ticket => 'rotate' );
	ok( wait_for(
			$node, "select state = 'stopped' from cxsig.destination_status" ),
		'without keep_previous the old one is gone' );
};

subtest 'rotation: the old one goes when its time is up' => sub {
	my $pid = dispatcher_pid($node);

	destination( $node, 'turn', $sink->url('turn'), secret => $secret );
	$node->safe_psql( 'postgres',
		"select cxsig.set_secret('turn', 'signing', '$other', keep_previous => '15 seconds')"
	);
	my $left =
	  "from cxsig.secret s join cxsig.destination d using (destination_id)
		where d.name = 'turn' and s.expires_at > clock_timestamp()";
	for my $checked ( $other, $secret )
	{
		$sink->secret( 'turn', $checked );
		ingest( $node, ticket => 'turn' );
		ok( idle($node), 'delivered' );
	}
	is( $node->safe_psql( 'postgres', "select count(*) $left" ),
		1, 'still in the overlap' );
	is( $sink->stats('turn')->{signature_ok},
		2, 'a receiver of either is content' );

	ok( wait_for( $node, "select not exists (select $left)" ),
		'the overlap is over' );
	ingest( $node, ticket => 'turn' );
	ok( wait_for(
			$node,
			"select state = 'stopped' and state_reason ~ '401' from cxsig.destination_status where name = 'turn'"
		),
		'a receiver of the old one refuses' );
	$sink->secret( 'turn', $other );
	$node->safe_psql( 'postgres', "select cxsig.resume_destination('turn')" );
	ok( $sink->wait_counters( 'turn', { ok => 3 } ),
		'one of the new one is content' );
	is( dispatcher_pid($node), $pid, 'all without a restart' );
};

subtest 'a secret from a file' => sub {
	destination( $node, 'file', $sink->url('file') );
	$sink->secret( 'file', $other );
	$node->safe_psql( 'postgres',
		"select cxsig.set_secret('file', 'signing', file => 'hook.key')" );
	ingest( $node, ticket => 'F-1' );
	ok( $sink->wait_ok( 'file', 1 ), 'delivered' );
	is( $sink->stats('file')->{signature_failures}, 0, 'signed' );
	like(
		error_of(
			$node,
			"select cxsig.set_secret('file', 'signing', file => '../outside.key')"
		),
		qr/secret_directory/,
		'not outside the directory' );
	$node->safe_psql( 'postgres',
		"select cxsig.set_secret('file', 'signing', file => 'missing.key')" );
	ok( wait_for(
			$node,
			"select state = 'stopped' and state_reason ~ 'signing' from cxsig.destination_status where name = 'file'"
		),
		'a missing file stops the destination, with the reason' );
};

$node->stop;
done_testing();
