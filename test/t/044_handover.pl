# Promises: ordered, never lost - while destinations move between dispatchers: because one ends, cannot
# be started, dies again and again, or because cxsig.workers changes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;

# Room for three dispatchers: the launchers of cxsig and of logical replication take two.
my $node = cxsig_node( 'handover',
	conf => "max_worker_processes = 5\ncxsig.workers = 3\n" );
my @names  = map { "d$_" } 1 .. 6;
my $worker = "from cxsig.worker_status where process = 'dispatcher'";

sub workers
{
	my ($n) = @_;

	$node->append_conf( 'postgresql.conf', "cxsig.workers = $n\n" );
	$node->reload;
	return;
}

sub running
{
	my ( $n, $what ) = @_;

	return ok(
		wait_for(
			$node, "select count(*) = $n $worker and state = 'running'" ),
		$what );
}

sub terminate
{
	my ($which) = @_;

	return $node->safe_psql( 'postgres',
		"select count(pg_terminate_backend(pid)) from cxsig.worker_status where pid is not null and $which"
	);
}

# Every destination gets the events of a new load, whoever serves it.
sub all_served
{
	my ( $prefix, $what ) = @_;

	$sink->reset;
	load_signals( $node, tickets => 5, prefix => $prefix );
	ok( $sink->wait_ok( $_, 5 ), "$what: $_" ) for @names;
	return;
}

my %options = (
	concurrency      => 8,
	retry_initial_ms => 10,
	retry_max_ms     => 100,
	projection       => 'bi' );
my %fault = ( fail_rate => 0.05, status => 503, delay_ms => 3 );

destination(
	$node, $_,
	$sink->url( $_, %fault, seed => length ),
	options => \%options ) for @names[ 0 .. 4 ];
destination(
	$node, 'd6',
	$sink->url( 'd6', %fault, seed => 9 ),
	options => { %options, history => 'latest' } );

subtest 'ordered, never lost: dispatchers come and go under load' => sub {
	running( 3, 'three dispatchers' );
	my @faults = (
		sub { terminate('number = 1') },
		sub { workers(1) },
		sub { workers(4) },
		sub { terminate('number = 0') },
		sub { workers(2) },
		sub { terminate("process = 'launcher' or number = 1") },
		sub { terminate('number is not null') },
		sub { workers(3) } );
	for my $round ( 0 .. $#faults )
	{
		load_signals( $node, tickets => 60, revisions => 4, prefix => 'T' );
		load_signals( $node, tickets => 100, prefix => "r$round" );
		ok( in_flight( $sink, 'd1', 1 ), "round $round: requests are out" );
		$faults[$round]->();
	}
	running( 3, 'three again' );
	ok( idle( $node, 120 ), 'all has its outcome' );
	all_arrived( $node, $sink, $_, $_ )                 for @names[ 0 .. 4 ];
	faithful( $sink, $_, $_ )                           for @names;
	repeats_without_receipt( $node, $sink, $_, $_, $_ ) for @names[ 0 .. 1 ];
	is( $node->safe_psql( 'postgres', <<'SQL' ),
select count(*) from cxsig.event e
where not exists (select from cxsig.deliveries r where r.event_id = e.event_id and r.destination = 'd6')
SQL
		0,
		'd6: every event is delivered or superseded' );
	is( $node->safe_psql(
			'postgres', 'select count(*) from cxsig.dead_letter' ),
		0,
		'no dead letters' );
};

subtest 'a dispatcher for which there is no room: the others serve' => sub {
	workers(4);
	ok( $node->wait_for_log(qr/could not start a cxsig dispatcher/),
		'the fourth cannot start, and it is said' );
	all_served( 'room', 'served' );
	workers(3);
};

subtest 'one that dies and cannot come back: the others take over' => sub {
	running( 3, 'three dispatchers' );
	$node->safe_psql( 'postgres',
		'revoke connect on database postgres from public, cxsig_worker' );
	terminate('number = 2');
	ok( wait_for(
			$node,
			"select count(*) = 6 from pg_locks where locktype = 'advisory' and pid in (select pid $worker and number < 2)"
		),
		'its destinations have moved' );
	all_served( 'gone', 'served' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) $worker and number = 2 and state = 'running'" ),
		0,
		'while it is not there' );
	$node->safe_psql( 'postgres',
		'grant connect on database postgres to public, cxsig_worker' );
	ok( wait_for( $node, "select destinations > 0 $worker and number = 2" ),
		'back again, it has its own' );
	all_served( 'back', 'served' );
	faithful( $sink, $_, $_ ) for @names;
};

subtest 'a restart moves nothing' => sub {
	my $serves = sub {
		return $node->safe_psql( 'postgres', <<'SQL' );
select string_agg(l.objid::text, ' ' order by l.objid), w.pid
from cxsig.worker_status w join pg_locks l on l.pid = w.pid and l.locktype = 'advisory'
where w.number = 1 group by w.pid
SQL
	};
	ok( wait_for(
			$node,
			"select count(*) = 6 from pg_locks where locktype = 'advisory'" ),
		'all are served' );
	my ( $ids, $pid ) = split /\|/, $serves->();
	terminate('number = 1');
	ok( wait_for(
			$node,
			"select count(*) = 6 and count(*) filter (where pid = $pid) = 0 from pg_locks where locktype = 'advisory'"
		),
		'and again by others than the one that ended' );
	like( $serves->(), qr/^$ids\|/, 'by the one that came instead' );
};

$node->stop;
done_testing();
