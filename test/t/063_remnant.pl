# Promise: isolated. A destination that is paused or dead for long does not keep the outbox from shrinking:
# what it still needs moves aside, whole, and is there when it goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'remnant', conf => <<'CONF');
cxsig.outbox_partition_rows = 1000
cxsig.remnant_after = 1d
cxsig.poll_interval = 60s
CONF
my $remnants =
  "select count(*) from pg_inherits where inhparent = 'cxsig.remnant'::regclass";
my $lowest = "select min(low::bigint) from cxsig._partitions('cxsig.outbox')";

sub value { return $node->safe_psql( 'postgres', $_[0] ); }

# maintained($sql): whether that comes true of what maintain() leaves, which puts off what would wait.
sub maintained
{
	return wait_for( $node,
		"select (cxsig.maintain()).made >= 0 and ($_[0])" );
}

destination( $node, 'live', $sink->url('live') );
destination( $node, 'dead', $sink->url('dead'),
	options => { paused => JSON::PP::true() } );
load_signals( $node, tickets => 100, revisions => 20 ) for 1 .. 2;
ok( idle( $node, 120 ), 'remnant: the live one has all' );

subtest 'remnant: what is young stays in the outbox' => sub {
	value('select cxsig.maintain()') for 1 .. 3;
	is( value($remnants), 0, 'nothing has moved' );
	is( value($lowest),   1, 'nor gone' );
};

subtest 'remnant: what is old and not needed by all moves aside' => sub {
	$node->append_conf( 'postgresql.conf', "cxsig.remnant_after = 0\n" );
	$node->reload;
	ok( maintained("($remnants) >= 3"), 'it does' );
	cmp_ok( value($lowest), '>', 3000, 'the outbox has shrunk' );
	is( value('select count(*) from cxsig._log'), 4000, 'nothing is lost' );
	is( value(
			"select waiting from cxsig.destination_status where name = 'dead'"
		),
		4000,
		'and all of it is seen to wait' );
	is( value(
			"select count(*) from cxsig.remnant where position < ($lowest)"),
		value('select count(*) from cxsig.remnant'),
		'in order' );
};

# Its destination's place lists it as in doubt; another one, made since, is past its partition, which so
# moves aside before the row was read.
subtest 'remnant: a transaction in doubt is found there' => sub {
	value(  'begin; select cxsig.ingest('
		  . literal( signal( ticket => 'late' ) )
		  . "); prepare transaction 'late'" );
	my $position = value('select last_value from cxsig.outbox_position');
	load_signals( $node, tickets => 100, revisions => 20 );
	ok( $sink->wait_ok( 'live', 6000, 120 ), 'more is delivered' );
	ok( wait_for(
			$node,
			"select in_doubt = 1 from cxsig.consumer_lag where destination = 'live'"
		),
		'it is in doubt' );
	value('select cxsig.maintain()') for 1 .. 2;
	cmp_ok( value($lowest), '<=', $position,
		'an open transaction keeps its partition' );
	destination( $node, 'new', $sink->url('new'),
		options => { paused => JSON::PP::true() } );
	value("commit prepared 'late'");
	ok( maintained("$position < ($lowest)"), 'once it has ended, it moves' );
	ingest( $node, ticket => 'wake' );
	ok( $sink->wait_ok( 'live', 6002 ), 'and its event is found there' );
	all_arrived( $node, $sink, 'live', 'live' );
};

subtest 'remnant: the dead one comes back to life' => sub {
	$node->restart;
	dispatcher_pid($node);
	value("select cxsig.resume_destination('dead')");
	ok( $sink->wait_ok( 'dead', 6002, 180 ), 'it gets what it needs' );
	all_arrived( $node, $sink, 'dead', 'dead' );
	faithful( $sink, 'dead', 'dead' );
	is( $sink->stats('dead')->{repeats}, 0, 'dead: no repeat' );
	is( $sink->stats('live')->{repeats}, 0, 'live: no repeat' );
	ok( maintained("($remnants) = 0"),
		'and the remnant goes once nobody needs it' );
};

subtest 'remnant: it does not move what everybody needs' => sub {
	value("select cxsig.pause_destination('$_')") for qw(live dead);
	value("select cxsig.drop_destination('new')");
	load_signals( $node, tickets => 100, revisions => 20 );
	value('select cxsig.maintain()') for 1 .. 3;
	is( value($remnants), 0, 'nothing has moved' );
	value("select cxsig.resume_destination('live')");
	ok( $sink->wait_ok( 'live', 8002, 120 ), 'one of them goes on' );
	ok( maintained("($remnants) >= 1"),      'then it moves' );
	value("select cxsig.drop_destination('dead')");
	ok( maintained("($remnants) = 0"),
		'and goes with the destination that needed it' );
};

$node->stop;
done_testing();
