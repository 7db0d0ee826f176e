# Promise: a database that is started again resends nothing that has a receipt, forgets nothing that
# waits, and counts on where it was. Not an event in retry, nor a held lane, nor what a filter left
# out, nor a prepared transaction is lost sight of.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink     = CxsigTest::Sink->start;
my $node     = cxsig_node('reboot');
my $retry_of = "from cxsig.retry join cxsig.destination using (destination_id)
	where name";

sub filtered
{
	return $node->safe_psql( 'postgres',
		"select filtered from cxsig.destination_status where name = 'filtered'"
	);
}

sub doubtful
{
	my ($name) = @_;

	return $node->safe_psql( 'postgres',
		"select in_doubt from cxsig.consumer_lag where destination = '$name'"
	);
}

destination( $node, 'all', $sink->url('all'),
	options => { projection => 'bi' } );
destination(
	$node, 'filtered',
	$sink->url('filtered'),
	options => { filter => '$.churn_risk == "high"' } );
destination(
	$node, 'failing',
	$sink->url( 'failing', status => 503, fail_key => 'T-1' ),
	options => { retry_initial_ms => 4000 } );
destination(
	$node, 'holding',
	$sink->url( 'holding', poison_key => 'T-2' ),
	options => { poison_policy => 'hold' } );

load_signals(
	$node,
	tickets   => 40,
	revisions => 3,
	fields    => { churn_risk => 'low' } );
load_signals( $node, tickets => 40, fields => { churn_risk => 'high' } );
$node->safe_psql( 'postgres',
		'begin; select cxsig.ingest('
	  . literal( signal( ticket => 'prepared', churn_risk => 'high' ) )
	  . "); prepare transaction 'open'" );
load_signals(
	$node,
	tickets => 40,
	prefix  => 'U',
	fields  => { churn_risk => 'low' } );

subtest 'reboot: before it' => sub {
	ok( $sink->wait_ok( 'all',      200 ), 'all: delivered' );
	ok( $sink->wait_ok( 'filtered', 40 ),  'filtered: delivered' );
	ok( $sink->wait_ok( 'failing', 196 ),
		'failing: delivered but for one ticket' );
	ok( $sink->wait_ok( 'holding', 196 ),
		'holding: delivered but for one ticket' );
	ok( wait_for(
			$node,
			'select count(*) = 200 + 40 + 196 + 196 from cxsig.delivery' ),
		'each with its receipt' );
	ok( wait_for(
			$node, "select bool_and(in_doubt = 1) from cxsig.consumer_lag" ),
		'the prepared transaction is in doubt' );
	ok( wait_for(
			$node, 'select filtered = 160 from cxsig.destination_status
			where name = \'filtered\'' ),
		'filtered: the rest is counted' );
	is( $node->safe_psql(
			'postgres', "select count(*) $retry_of = 'failing'" ),
		4,
		'failing: the ticket waits, whole' );
	is( $node->safe_psql(
			'postgres', "select count(*) $retry_of = 'holding' and held" ),
		1,
		'holding: the lane is held' );
};

my %received =
  map { $_ => $sink->stats($_)->{received} } qw(all filtered holding);
my ($low) = $node->safe_psql( 'postgres',
	"select low from cxsig.consumer_lag where destination = 'all'" );
$node->restart;
dispatcher_pid($node);
ingest( $node, ticket => 'after', churn_risk => 'high' );
$sink->wait_ok( 'all', 201 );

subtest 'reboot: nothing with a receipt is sent again' => sub {
	ok( $sink->wait_ok( 'filtered', 41 ),  'filtered: what is new arrives' );
	ok( $sink->wait_ok( 'holding',  197 ), 'holding: what is new arrives' );
	for my $path ( sort keys %received )
	{
		is( $sink->stats($path)->{received},
			$received{$path} + 1,
			"$path: what is new, and nothing else" );
		is( $sink->stats($path)->{repeats}, 0, "$path: no repeat" )
		  unless $path eq 'holding';
	}
	repeats_without_receipt( $node, $sink, 'all', 'all', 'all' );
	repeats_without_receipt( $node, $sink, 'filtered', 'filtered',
		'filtered' );
	ok( wait_for(
			$node, "select low > $low from cxsig.consumer_lag
			where destination = 'all'" ),
		'the place goes on from where it was' );
};

subtest 'reboot: what a filter left out is not counted twice' => sub {
	is( filtered(), 160, 'the count is the same' );
	ingest( $node, ticket => 'left out', churn_risk => 'none' );
	ok( wait_for(
			$node, "select filtered = 161 from cxsig.destination_status
			where name = 'filtered'" ),
		'and goes on' );
};

subtest 'reboot: an event in retry keeps its turn' => sub {
	# Read between two attempts, not while one is out and its row still tells of the last.
	ok( wait_for(
			$node,
			"select min(next_attempt_at) > clock_timestamp() + interval '1 s' $retry_of = 'failing'"
		),
		'it waits for its time' );
	my $due = $node->safe_psql(
		'postgres',
		"select (extract(epoch from min(next_attempt_at)) * 1e6)::bigint
			$retry_of = 'failing'" );
	my $attempts = $node->safe_psql( 'postgres',
		"select max(attempt) $retry_of = 'failing'" );

	$sink->behave( 'failing', { status => 200 } );
	ok( $sink->wait_ok( 'failing', 202 ), 'it is tried again' );
	my @tries =
	  grep { $_->{key} eq 'T-1' && $_->{version} == 1 } $sink->log('failing');
	is( scalar @tries, $attempts + 1, 'as often as it counted' );
	cmp_ok( $tries[-1]{at_us}, '>=', $due, 'not before its time' );
	faithful( $sink, 'failing', 'failing' );
};

subtest 'reboot: a held lane is still held' => sub {
	my $lane = $node->safe_psql( 'postgres',
		"select lane from cxsig.blocked_lanes where destination = 'holding' and held"
	);

	isnt( $lane, '', 'it is seen' );
	$sink->behave( 'holding', { status => 200 } );
	is( $node->safe_psql(
			'postgres', "select cxsig.release_lane('holding', $lane)" ),
		't',
		'and released' );
	ok( $sink->wait_ok( 'holding', 202 ), 'then its events arrive' );
	is( $sink->stats('holding')->{order_violations}, 0, 'in order' );
};

subtest 'reboot: a transaction prepared before it is not lost' => sub {
	$node->restart;
	dispatcher_pid($node);
	is( doubtful('all'), 1, 'it is in doubt after another one' );
	$node->safe_psql( 'postgres', "commit prepared 'open'" );
	ok( idle($node), 'committed, it has its outcome' );
	all_arrived( $node, $sink, 'all', 'all' );
	all_arrived( $node, $sink, 'filtered', 'filtered',
		"churn_risk = 'high'" );
	all_arrived( $node, $sink, $_, $_ ) for qw(failing holding);
	is( $sink->stats('all')->{repeats}, 0,   'no repeat' );
	is( filtered(),                     161, 'the count is the same' );
};

$node->stop;
done_testing();
