# ALTER EXTENSION UPDATE while events flow: nothing is lost and nothing deadlocks; a version that the
# library in memory does not fit is waited out, with one line in the log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigPrefix;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $prefix =
  private_prefix( PostgreSQL::Test::Utils::tempdir_short() . '/prefix' );

# script($from, $to, $sql): an upgrade script of that text.
sub script
{
	my ( $from, $to, $sql ) = @_;

	append_to_file( "$prefix->{extension}/cxsig--$from--$to.sql", $sql );
	return;
}

my @tables = map { "cxsig.$_" }
  qw(checkpoint dead_letter delivery retry outbox event destination);
script( '0.1.0', '0.1.1',
	"comment on table cxsig.retry is 'what waits for another attempt';\n" );
script( '0.1.1', '0.1.0', "select 1;\n" );
# Changes of tables, one after the other, each way round: what a task holds and wants meets them.
script(
	'0.1.1', '0.1.2',
	join "select pg_catalog.pg_sleep(0.05);\n",
	map { "lock table $_ in access exclusive mode;\n" } @tables );
script(
	'0.1.2', '0.1.1',
	join "select pg_catalog.pg_sleep(0.05);\n",
	map { "lock table $_ in access exclusive mode;\n" } reverse @tables );
script( '0.1.1', '0.2.0',
	"alter table cxsig.retry rename column attempt to attempts_made;\n" );
script( '0.2.0', '0.1.1',
	"alter table cxsig.retry rename column attempts_made to attempt;\n" );

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node(
	'update',
	install_path => $prefix->{install_path},
	conf         => "cxsig.receipt_delay = 0\n" );

sub update
{
	my ($version) = @_;

	return $node->safe_psql( 'postgres',
		"alter extension cxsig update to '$version'" );
}

# How many lines of the log match.
sub lines
{
	my ($regex) = @_;

	return scalar grep { $_ =~ $regex } split /\n/,
	  slurp_file( $node->logfile );
}

my $health =
  "select health from cxsig.worker_status where process = 'dispatcher'";
my $waits = qr/cxsig dispatcher waits: the extension has version 0\.2\.0/;

destination(
	$node, 'hook',
	$sink->url( 'hook', fail_rate => 0.1 ),
	options => { retry_initial_ms => 10, retry_max_ms => 50 } );
my $pid = dispatcher_pid($node);

subtest 'an update that fits: delivery goes on' => sub {
	load_signals( $node, tickets => 100 );
	update('0.1.1');
	load_signals( $node, tickets => 100, prefix => 'fits' );
	ok( idle($node), 'all is delivered' );
	all_arrived( $node, $sink, 'hook', 'all' );
	is( dispatcher_pid($node), $pid, 'by the same dispatcher' );
	is( $node->safe_psql( 'postgres', $health ), 'ok', 'which is well' );
};

subtest 'an update that changes tables does not deadlock with the worker' =>
  sub {
	for my $round ( 1 .. 5 )
	{
		load_signals( $node, tickets => 300, prefix => "round $round" );
		update('0.1.2');
		load_signals( $node, tickets => 300, prefix => "back $round" );
		update('0.1.1');
	}
	ok( idle( $node, 120 ), 'all is delivered' );
	all_arrived( $node, $sink, 'hook', 'all' );
	is( lines(qr/deadlock detected/), 0, 'no deadlock' );
	is( lines(qr/lock timeout/),      0, 'and nobody waited for a table' );
  };

subtest 'an update that does not fit: the worker waits, and says so' => sub {
	load_signals( $node, tickets => 200, prefix => 'during' );
	update('0.2.0');
	ok( wait_for(
			$node,
			"select ($health) ~ '^waiting: the extension has version 0\\.2\\.0, the library 0\\.1\\.0: Restart'"
		),
		'worker_status says so' );
	ok( wait_for(
			$node,
			"select in_flight = 0 from cxsig.worker_status where process = 'dispatcher'"
		),
		'what was out has come back' );
	my $received = $sink->stats('hook')->{received};
	ingest( $node, ticket => 'waits' );
	like(
		error_of( $node, 'select cxsig.wait_until_idle()' ),
		qr/extension cxsig has version 0\.2\.0, the library 0\.1\.0.*Restart the server/s,
		'wait_until_idle() says what to do' );
	my ( $status, undef, $warning ) =
	  $node->psql( 'postgres', "select cxsig.pause_destination('hook')" );
	is( $status, 0, 'other functions work' );
	like( $warning, qr/WARNING: .*nothing is sent.*Restart the server/s,
		'and warn' );
	$node->safe_psql( 'postgres', "select cxsig.resume_destination('hook')" );

	# Long enough for several looks, each of which could have said it again.
	my $turns =
	  "select turns from cxsig._worker_slots() where process = 'dispatcher'";
	my $turn = $node->safe_psql( 'postgres', $turns );
	ok( wait_for( $node, "select ($turns) > $turn + 20" ), 'turns go by' );
	is( lines($waits), 1, 'one line in the log' );
	is( lines(qr/ERROR: .*attempt/),
		0, 'no statement was tried on tables that have changed' );
	is( $sink->stats('hook')->{received}, $received, 'nothing was sent' );
	is( dispatcher_pid($node), $pid, 'and the dispatcher has not ended' );
};

subtest 'the version fits again: delivery goes on' => sub {
	update('0.1.1');
	ok( idle( $node, 120 ), 'all is delivered' );
	all_arrived( $node, $sink, 'hook', 'all' );
	faithful( $sink, 'hook', 'all' );
	is( dispatcher_pid($node),               $pid, 'by the same dispatcher' );
	is( lines(qr/cxsig dispatcher goes on/), 1,    'one line in the log' );
	is( lines($waits),                       1, 'and none before it again' );
	is( $node->safe_psql( 'postgres', $health ), 'ok', 'it is well' );
};

subtest 'a session that keeps the extension to itself' => sub {
	my $session = session($node);
	$session->query_safe("begin; alter extension cxsig update to '0.1.0';");
	ok( wait_for(
			$node, "select ($health) ~ '^waiting since .*alters or drops'" ),
		'worker_status says so' );
	$session->query_safe('rollback;');
	$session->quit;
	ingest( $node, ticket => 'after' );
	ok( idle($node), 'delivery goes on' );
	is( lines(qr/lock timeout/), 0, 'nothing ran into a timeout' );
};

is( lines(qr/PANIC|terminated by signal/), 0, 'nothing crashed' );
$node->stop;
done_testing();
