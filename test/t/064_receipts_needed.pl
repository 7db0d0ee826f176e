# Promise: a receipt is kept while it keeps an event from being sent again, whatever its age.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node =
  cxsig_node( 'receipts', conf => "cxsig.delivery_retention = 30d\n" );

sub value { return $node->safe_psql( 'postgres', $_[0] ); }

# maintained($sql): whether that comes true of what maintain() leaves, which puts off what would wait.
sub maintained
{
	return wait_for( $node,
		"select (cxsig.maintain()).made >= 0 and ($_[0])" );
}

destination(
	$node,
	'hook',
	$sink->url( 'hook', fail_key => 'T-1', hang => 1 ),
	options =>
	  { total_timeout_ms => 600_000, first_byte_timeout_ms => 600_000 } );
load_signals( $node, tickets => 50 );
ok( $sink->wait_ok( 'hook', 49 ), 'all but one is delivered' );
ok( wait_for( $node, 'select count(*) = 49 from cxsig.delivery' ),
	'with receipts' );
value("select cxsig.pause_destination('hook')");
ok( wait_for(
		$node, 'select destinations = 0 from cxsig.worker_status
	where process = \'dispatcher\'' ),
	'then it is paused' );

# The receipts are of a day long past, as if it had been paused then.
value( <<'SQL');
select cxsig._make_partition('delivery', 'p2020', 'finished_at', '2020-01-01 00:00:00+00', '2020-02-01 00:00:00+00');
insert into cxsig.delivery select (jsonb_populate_record(d, '{"finished_at": "2020-01-15T00:00:00Z"}')).*
	from cxsig.delivery d;
delete from cxsig.delivery where finished_at > '2021-01-01';
SQL
value('select cxsig.maintain()') for 1 .. 3;
is( value('select count(*) from cxsig.delivery'), 49, 'old, they stay' );

$sink->behave( 'hook', { status => 200 } );
my $before = $sink->stats('hook')->{received};
value("select cxsig.resume_destination('hook')");
ok( idle($node), 'resumed, it goes on' );
is( $sink->stats('hook')->{received},
	$before + 1,
	'with what had no receipt, and nothing else' );
ok( maintained("to_regclass('cxsig.delivery_p2020') is null"),
	'once its place is past them, they go' );

$node->stop;
done_testing();
