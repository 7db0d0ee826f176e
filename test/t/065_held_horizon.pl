# Promise: flat. While some session holds the xmin horizon back, the retries that come and go leave nothing
# behind that grows; and clearing it away loses none, with several dispatchers at work.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'horizon', conf => "cxsig.workers = 2\n" );
my $dead = "pg_stat_get_dead_tuples('cxsig.retry'::regclass)";
my $rows =
  "select md5(string_agg(r::text, ',' order by position)) from cxsig.retry r";

sub value { return $node->safe_psql( 'postgres', $_[0] ); }

my $holder = session($node);
$holder->query_safe(
	'begin isolation level repeatable read; select count(*) from pg_class');
destination(
	$node, 'failing',
	$sink->url( 'failing', fail_key => 'T-1', status => 503 ),
	options => { retry_initial_ms => 600_000 } );
destination(
	$node, 'holding',
	$sink->url( 'holding', poison_key => 'T-2' ),
	options => { poison_policy => 'hold' } );
load_signals( $node, tickets => 20, revisions => 3 );
ok( wait_for( $node, 'select count(*) = 6 from cxsig.retry' ),
	'two lanes wait' );

subtest 'what retries leave behind is cleared away' => sub {
	my $before = value($rows);

	# As many that came and went, and nobody who clears away meanwhile.
	my $guard = session($node);
	$guard->query_safe('select pg_advisory_lock(1668838247, 0)');
	value( <<'SQL');
insert into cxsig.retry select (jsonb_populate_record(r, jsonb_build_object('position', 1000000 + i))).*
	from cxsig.retry r, generate_series(1, 5000) i
	where (r.destination_id, r.position) = (select destination_id, position from cxsig.retry limit 1);
delete from cxsig.retry where position > 1000000;
SQL
	ok( wait_for( $node, "select $dead >= 5000" ), 'there is much of it' );
	value('vacuum cxsig.retry');
	cmp_ok( value("select $dead"), '>=', 5000, 'that vacuum cannot clear' );
	$guard->quit;
	ok( wait_for(
			$node, "select (cxsig.maintain()).made >= 0 and $dead < 100" ),
		'it goes' );
	is( value($rows), $before, 'and what waits is as it was' );
};

subtest 'what waits goes on' => sub {
	value('update cxsig.retry set next_attempt_at = now() where not held');
	$sink->behave( $_, { status => 200 } ) for qw(failing holding);
	is( value(
			"select count(*) from cxsig.blocked_lanes b,
			cxsig.release_lane('holding', b.lane) r where b.held and r" ),
		1,
		'the held lane is released' );
	$node->restart;
	dispatcher_pid($node);
	ok( idle( $node, 120 ), 'all has its outcome' );
	for my $path (qw(failing holding))
	{
		all_arrived( $node, $sink, $path, $path );
		is( $sink->stats($path)->{order_violations}, 0, "$path: in order" );
	}
};

subtest 'clearing beside deliveries loses none' => sub {
	my $script = $node->basedir . '/compact.sql';

	append_to_file( $script, "select cxsig._compact_retry(0, 1000000);\n" );
	destination(
		$node,
		$_,
		$sink->url( $_, fail_rate => 0.3, seed => 7, status => 503 ),
		options =>
		  { concurrency => 32, retry_initial_ms => 5, retry_max_ms => 20 }
	) for qw(one two);
	load_signals( $node, tickets => 100, revisions => 10, prefix => 'L' );
	$node->command_ok(
		[   'pgbench', '-n',        '-T', '5',
			'-f',      $script,     '-h', $node->host,
			'-p',      $node->port, 'postgres' ],
		'it is cleared all the time' );
	ok( idle( $node, 180 ), 'all has its outcome' );
	for my $path (qw(one two))
	{
		all_arrived( $node, $sink, $path, $path, "ticket_id like 'L-%'" );
		is( $sink->stats($path)->{order_violations}, 0, "$path: in order" );
	}
};

$node->stop;
done_testing();
