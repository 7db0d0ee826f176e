# However the worker is told to end, and whatever its receivers do, it ends in time; answers that had
# come have their receipts, and nothing is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

# A worker ends within 2 s, as seen by a busy machine's psql; what else a shutdown does is
# PostgreSQL's: a checkpoint, say.
my $bound      = 3;
my $stop_bound = 30;

my $library = "$PostgreSQL::Test::Utils::tmp_check/hang_dns.so";
system_or_bail( 'cc', '-shared', '-fPIC', '-o', $library,
	"$FindBin::RealBin/../lib/hang_dns.c", '-ldl' );

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'terminate', start => 0 );
{
	local $ENV{LD_PRELOAD} = $library;
	$node->start;
}
$node->safe_psql( 'postgres', 'create extension cxsig' );

my @trouble = qw(hang drip lookup);
my %patient = ( total_timeout_ms => 600_000, connect_timeout_ms => 600_000 );
destination(
	$node, 'hang',
	$sink->url( 'hang', hang => 1 ),
	options => { %patient, first_byte_timeout_ms => 600_000 } );
destination(
	$node, 'drip',
	$sink->url( 'drip', slow_bytes => 1000, body_bytes => 1000 ),
	options => {%patient} );
destination(
	$node, 'lookup',
	'http://receiver.hang.example:' . $sink->port . '/in/lookup',
	options => {%patient} );
destination( $node, 'good', $sink->url('good') );

# Requests hang in each way, and a good receiver has answered $n events in all.
sub in_trouble
{
	my ( $prefix, $n ) = @_;

	load_signals( $node, tickets => 8, prefix => $prefix );
	ok( $sink->wait_ok( 'good', $n ), 'the good receiver has all' );
	ok( in_flight( $sink, $_, 4 ), "$_: requests are out" ) for qw(hang drip);
	ok( wait_for(
			$node,
			"select in_flight >= 20 from cxsig.worker_status where process = 'dispatcher'"
		),
		'and to a name that is being looked up' );
	return;
}

# What the good receiver has answered has its receipt, once, and nothing goes there again.
sub good_is_done
{
	my ($n) = @_;

	is( $node->safe_psql(
			'postgres',
			"select count(*), count(distinct event_id) from cxsig.deliveries where destination = 'good' and outcome = 'delivered'"
		),
		"$n|$n",
		'what was answered has its receipt' );
	is( $sink->stats('good')->{repeats}, 0, 'and is not sent again' );
	return;
}

subtest 'pg_terminate_backend: it ends within 2 s, and comes back' => sub {
	in_trouble( 'a', 8 );
	my $pid     = dispatcher_pid($node);
	my $started = Time::HiRes::time();
	$node->safe_psql( 'postgres', "select pg_terminate_backend($pid)" );
	ok( wait_for(
			$node,
			"select not exists (select from pg_stat_activity where pid = $pid)"
		),
		'it ends' );
	cmp_ok( Time::HiRes::time() - $started, '<', $bound, 'in time' );
	good_is_done(8);
	isnt( dispatcher_pid($node), $pid, 'another one starts' );
};

subtest 'pg_terminate_backend while a session holds its tables' => sub {
	in_trouble( 'b', 16 );
	my $pid = dispatcher_pid($node);
	ok( wait_for(
			$node,
			"select count(*) = 16 from cxsig.deliveries where destination = 'good'"
		),
		'receipts so far are written' );
	my $holder = session($node);
	$holder->query_safe(
		'begin; lock table cxsig.delivery in access exclusive mode;');
	ingest( $node, ticket => 'b-9' );
	ok( $sink->wait_ok( 'good', 17 ), 'the good receiver has one more' );
	ok( wait_for(
			$node,
			"select wait_event_type = 'Lock' from pg_stat_activity where pid = $pid"
		),
		'its receipt waits for the table' );
	my $started = Time::HiRes::time();
	$node->safe_psql( 'postgres', "select pg_terminate_backend($pid)" );
	ok( wait_for(
			$node,
			"select not exists (select from pg_stat_activity where pid = $pid)"
		),
		'it ends' );
	cmp_ok( Time::HiRes::time() - $started, '<', $bound, 'in time' );
	$holder->query_safe('commit;');
	$holder->quit;
	ok( wait_for(
			$node,
			"select count(distinct event_id) = 17 from cxsig.deliveries where destination = 'good' and outcome = 'delivered'"
		),
		'every event has its receipt' );
	is( $sink->stats('good')->{repeats},
		1, 'the one without a receipt was sent again, with the same id' );
};

for my $mode (qw(fast smart))
{
	subtest "pg_ctl stop -m $mode" => sub {
		my $repeats = $sink->stats('good')->{repeats};
		my $n       = $sink->stats('good')->{distinct_ok};
		in_trouble( $mode, $n + 8 );
		my $started = Time::HiRes::time();
		$node->stop($mode);
		cmp_ok( Time::HiRes::time() - $started,
			'<', $stop_bound, 'it ends in time' );
		unlike(
			slurp_file( $node->logfile ),
			qr/was terminated by signal|PANIC/,
			'in order' );
		{
			local $ENV{LD_PRELOAD} = $library;
			$node->start;
		}
		is( $node->safe_psql(
				'postgres',
				"select count(distinct event_id) from cxsig.deliveries where destination = 'good' and outcome = 'delivered'"
			),
			$n + 8,
			'what was answered has its receipt' );
		is( $sink->stats('good')->{repeats},
			$repeats, 'and is not sent again' );
	};
}

subtest 'nothing is lost' => sub {
	$sink->behave( $_, { status => 200 } ) for qw(hang drip);
	$node->safe_psql( 'postgres',
			"select cxsig.alter_destination('lookup', '"
		  . to_json( { url => $sink->url('lookup') } )
		  . "')" );
	my $pid = dispatcher_pid($node);
	$node->safe_psql( 'postgres', "select pg_terminate_backend($pid)" );
	wait_for( $node,
		"select exists (select from cxsig.worker_status where state = 'running' and process = 'dispatcher' and pid <> $pid)"
	);
	ok( idle( $node, 120 ), 'all receivers are well' );
	for my $name ( 'good', @trouble )
	{
		all_arrived( $node, $sink, $name, $name );
		faithful( $sink, $name, $name );
	}
};

$node->stop;
done_testing();
