# Promise: nothing silent. A worker that does not run or hangs, a destination that is behind and
# a lane that makes no progress are told by one line in the log, and by worker_status; and by
# another line when it is over.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'watchdog', conf => <<'CONF');
cxsig.watchdog_timeout = 5s
cxsig.behind_after = 1s
cxsig.stall_after = 2s
cxsig.max_dispatchers = 2
CONF
my $dispatcher =
  "from cxsig.worker_status where process = 'dispatcher' and database";

sub state { return $node->safe_psql( 'postgres', $_[0] ); }

# How many lines of the log match.
sub lines
{
	my ($regex) = @_;

	return scalar grep { $_ =~ $regex } split /\n/,
	  slurp_file( $node->logfile );
}

# Whether such a line appears in the log within the time.
sub says
{
	my ( $regex, $seconds ) = @_;
	my $end = time + ( $seconds || 60 );

	while ( time < $end )
	{
		return 1 if lines($regex) > 0;
		select( undef, undef, undef, 0.1 );
	}
	return 0;
}

# Whether worker_status shows that health of this database's dispatcher in time.
sub health
{
	my ( $regex, $database ) = @_;

	$database ||= 'postgres';
	return wait_for( $node,
		"select exists (select $dispatcher = '$database' and health ~ '$regex')"
	);
}

# Until everybody who looks from time to time has looked again, and could have said it twice.
sub looks_again
{
	my $since = state('select clock_timestamp()');

	return wait_for( $node,
		"select clock_timestamp() > timestamptz '$since' + interval '6 s'" );
}

subtest 'a dispatcher that hangs' => sub {
	my $pid   = dispatcher_pid($node);
	my $hangs = qr/WARNING: .*dispatcher 0 of database "postgres" hangs/;
	my $over  = qr/LOG: .*dispatcher 0 of database "postgres" goes on again/;
	ok( health('^ok$'), 'it is well' );
	kill 'STOP', $pid;
	ok( says($hangs),              'the log says so' );
	ok( health('^hanging since '), 'worker_status says so' );
	ok( looks_again(),             'time goes by' );
	kill 'CONT', $pid;
	ok( says($over),    'the log says when it goes on' );
	ok( health('^ok$'), 'and worker_status' );
	is( lines($hangs),                 1,    'one line when it hangs' );
	is( lines($over),                  1,    'one line when it does not' );
	is( dispatcher_pid($node),         $pid, 'it was left alone' );
	is( lines(qr/has (?:had no|its)/), 0,    'and not taken for missing' );
};

subtest 'no room for a dispatcher' => sub {
	my $missing =
	  qr/WARNING: .*database "third" has had no cxsig dispatcher 0 for \d+ s/;
	my $over = qr/LOG: .*database "third" has its cxsig dispatcher 0 again/;
	for my $name (qw(second third))
	{
		state("create database $name");
		$node->safe_psql( $name, 'create extension cxsig' );
		wait_for( $node,
			"select exists (select $dispatcher = 'second' and state = 'running')"
		);
	}
	ok( says($missing),                           'the log says so' );
	ok( health( '^not running since ', 'third' ), 'worker_status says so' );
	is( $node->safe_psql(
			'third', "select state, pid is null $dispatcher = 'third'" ),
		'not running|t',
		'there as well' );
	ok( looks_again(), 'time goes by' );
	state('drop database second');
	ok( says($over),               'the log says when there is' );
	ok( health( '^ok$', 'third' ), 'and worker_status' );
	is( lines($missing), 1, 'one line when it is missing' );
	is( lines($over),    1, 'one line when it is not' );
	state('drop database third');
};

subtest 'a dispatcher that cannot start' => sub {
	my $missing = qr/WARNING: .*database "postgres" has had no cxsig disp/;
	my $over    = qr/LOG: .*database "postgres" has its cxsig dispatcher 0/;
	my $pid     = dispatcher_pid($node);
	$node->append_conf( 'postgresql.conf',
		"cxsig.max_connections = 10000\n" );
	$node->reload;
	wait_for( $node,
		"select current_setting('cxsig.max_connections') = '10000'" );
	state("select pg_terminate_backend($pid)");
	ok( says($missing),                'the log says so' );
	ok( health('^not running since '), 'worker_status says so' );
	ok( looks_again(),                 'time goes by' );
	$node->append_conf( 'postgresql.conf', "cxsig.max_connections = 256\n" );
	$node->reload;
	ok( says( $over, 180 ), 'the log says when it runs' );
	ok( health('^ok$'),     'and worker_status' );
	is( lines($missing), 1, 'one line when it is missing' );
	is( lines($over),    1, 'one line when it is not' );
};

subtest 'a database that is not named has no dispatcher' => sub {
	state('create database quiet');
	$node->safe_psql( 'quiet', 'create extension cxsig' );
	ok( health( '^ok$', 'quiet' ), 'it has one' );
	$node->append_conf( 'postgresql.conf', "cxsig.databases = 'postgres'\n" );
	$node->reload;
	ok( $node->poll_query_until(
			'quiet',
			"select health ~ '^not running: see \"cxsig.databases\"' $dispatcher = 'quiet'"
		),
		'worker_status says so there' );
	state('drop database quiet');
};

subtest 'a destination that is behind' => sub {
	my $behind = qr/LOG: .*destination "slow" is behind: its oldest event/;
	my $over   = qr/LOG: .*destination "slow" has caught up/;
	destination(
		$node, 'slow',
		$sink->url( 'slow', delay_ms => 1000 ),
		options => { concurrency => 1, sla_target_ms => 500 } );
	destination(
		$node, 'paused',
		$sink->url('paused'),
		options => { sla_target_ms => 500 } );
	state("select cxsig.pause_destination('paused')");
	load_signals( $node, tickets => 300, prefix => 'slow' );
	ok( says($behind),                     'the log says so' );
	ok( health('^behind: 1 destination$'), 'worker_status says so' );
	is( state("select behind $dispatcher = 'postgres'"), 1, 'and counts it' );
	ok( looks_again(), 'time goes by' );
	$sink->behave( 'slow', { delay_ms => 0 } );
	ok( says($over),    'the log says when it has caught up' );
	ok( health('^ok$'), 'and worker_status' );
	is( lines($behind),                1, 'one line when it is behind' );
	is( lines($over),                  1, 'one line when it is not' );
	is( lines(qr/"paused" is behind/), 0, 'one that is paused says nothing' );
	state("select cxsig.drop_destination('$_')") for qw(slow paused);
};

subtest 'backfill never counts' => sub {
	destination(
		$node, 'old',
		$sink->url( 'old', delay_ms => 1000 ),
		options => { concurrency => 1, sla_target_ms => 500 } );
	load_signals(
		$node,
		tickets => 100,
		prefix  => 'old',
		fields  => { backfill => JSON::PP::true() } );
	ok( in_flight( $sink, 'old', 1 ), 'it is being sent' );
	ok( looks_again(),                'time goes by' );
	is( lines(qr/"old" is behind/), 0, 'and nothing is said' );
	ok( health('^ok$'), 'the worker is well' );
	$sink->behave( 'old', { delay_ms => 0 } );
	ok( idle($node), 'all is delivered' );
	state("select cxsig.drop_destination('old')");
};

subtest 'a lane that is held makes no progress' => sub {
	my $stands = qr/LOG: .*destination "held": no progress in 1 lane$/;
	my $over   = qr/LOG: .*destination "held": all lanes make progress again/;
	destination(
		$node, 'held',
		$sink->url( 'held', poison_key => 'held-1' ),
		options => { poison_policy => 'hold' } );
	load_signals( $node, tickets => 3, prefix => 'held' );
	ok( says($stands),                  'the log says so' );
	ok( health('no progress: 1 lane$'), 'worker_status says so' );
	is( state("select stalled_lanes $dispatcher = 'postgres'"),
		1, 'and counts it' );
	ok( looks_again(), 'time goes by' );
	$sink->behave( 'held', { status => 200 } );
	state("select cxsig.release_lane('held', lane) from cxsig.blocked_lanes");
	ok( says($over),    'the log says when it goes on' );
	ok( health('^ok$'), 'and worker_status' );
	is( lines($stands), 1, 'one line when it stands' );
	is( lines($over),   1, 'one line when it does not' );
	state("select cxsig.drop_destination('held')");
};

subtest 'a request that hangs: its lane makes no progress' => sub {
	my $stands = qr/LOG: .*destination "hang": no progress in 1 lane$/;
	my $over   = qr/LOG: .*destination "hang": all lanes make progress again/;
	destination(
		$node, 'hang',
		$sink->url( 'hang', hang => 1, fail_key => 'hang-1' ),
		options => {
			total_timeout_ms      => 15_000,
			first_byte_timeout_ms => 15_000,
			retry_initial_ms      => 10 } );
	load_signals( $node, tickets => 3, prefix => 'hang' );
	ok( says($stands), 'the log says so' );
	$sink->behave( 'hang', { status => 200 } );
	ok( says($over),    'the log says when it goes on' );
	ok( health('^ok$'), 'worker_status too' );
	is( lines($stands), 1, 'one line when it stands' );
	is( lines($over),   1, 'one line when it does not' );
	state("select cxsig.drop_destination('hang')");
};

subtest 'a destination that is down says that it fails, and no more' => sub {
	destination(
		$node, 'down',
		$sink->url( 'down', status => 503 ),
		options => { retry_initial_ms => 10, sla_target_ms => 500 } );
	load_signals( $node, tickets => 50, prefix => 'down' );
	ok( says(qr/destination "down" fails/), 'the log says so' );
	ok( health('^failing: 1 destination, behind: 1 destination$'),
		'worker_status says so' );
	ok( looks_again(), 'time goes by' );
	is( lines(qr/destination "down" fails/), 1, 'one line' );
	is( lines(qr/destination "down"(?: is behind|: no progress)/),
		0, 'and no other' );
};

$node->stop;
done_testing();
