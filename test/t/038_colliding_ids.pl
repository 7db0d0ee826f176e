# Promise: no surprise after restore. In another cluster the transaction ids of a dump mean other
# transactions: what those wrote, or did not, brings no old event back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink  = CxsigTest::Sink->start;
my $node  = cxsig_node('ids');
my $there = cxsig_node( 'elsewhere', extension => 0 );
my $next  = 'select pg_snapshot_xmax(pg_current_snapshot())::text::bigint';

# burn($node, $xid): transactions, until that is the next one's id.
sub burn
{
	my ( $where, $xid ) = @_;

	$where->safe_psql( 'postgres',
		"do \$\$ begin while ($next) < $xid loop perform pg_current_xact_id(); commit; end loop; end \$\$"
	);
	return;
}

# The ids of the dump lie well ahead of what restoring it takes over there.
destination( $node, 'hook', $sink->url('hook') );
burn( $node, $there->safe_psql( 'postgres', $next ) + 3000 );
$node->safe_psql( 'postgres', <<'SQL');
do $$
begin
	for i in 1 .. 500 loop
		perform cxsig.ingest(jsonb_build_object('ticket_id', 'T-' || i, 'occurred_at', clock_timestamp(),
			'source_system', 'test', 'evidence_url', 'https://help.example.com/' || i));
		commit;
	end loop;
end
$$;
SQL
ok( idle($node), 'delivered' );
all_arrived( $node, $sink, 'hook', 'before' );
my ( $first, $last ) = split /\|/,
  $node->safe_psql( 'postgres',
	'select min(txid::text::bigint), max(txid::text::bigint) from cxsig.outbox'
  );

my $dump = $node->basedir . '/dump';
$node->command_ok(
	[ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'dumped' );
$node->stop;
$there->command_ok(
	[ 'pg_restore', '-1', '-d', $there->connstr('postgres'), $dump ],
	'restored' );
# A destination without its place, as while a restore goes on, is not begun from the beginning.
my $error = error_of( $there,
	'begin; delete from cxsig.checkpoint; select cxsig.resume_all()' );
like(
	$error,
	qr/ERROR:  destination "hook" has no place.*HINT:  Let the restore end first/s,
	'not to be resumed without its place' );

# The clock over there may have been ahead.
$there->safe_psql( 'postgres',
	"update cxsig.checkpoint set written_at = written_at + interval '1 hour'"
);

my $early = session($there);
$early->query_safe( 'begin; select cxsig.ingest('
	  . literal( signal( ticket => 'early' ) )
	  . ')' );
ingest( $there, ticket => 'before it is resumed' );
$there->safe_psql( 'postgres', 'select cxsig.resume_all()' );
ok( $sink->wait_ok( 'hook', 501 ), 'it goes on' );
$early->query_safe('commit');
$early->quit;
ok( $sink->wait_ok( 'hook', 502 ),
	'with what was open when it was resumed, too' );
cmp_ok( $there->safe_psql( 'postgres', $next ),
	'<', $first, 'the ids of the dump lie ahead' );

# A transaction with the id of one in the dump is open while the feed reads on, and then ends.
for my $end ( 'rollback', 'commit' )
{
	burn( $there, $end eq 'rollback' ? $first + 100 : $first + 200 );
	my $open = session($there);
	my $xid  = $open->query_safe('begin; select pg_current_xact_id()');

	ok( $xid > $first && $xid < $last, "$end: an id of the dump again" );
	$open->query_safe( 'select cxsig.ingest('
		  . literal( signal( ticket => 'new in it' ) )
		  . ')' )
	  if $end eq 'commit';
	ingest( $there, ticket => "during $end" );
	ok( $sink->wait_ok( 'hook', $end eq 'rollback' ? 503 : 505 ),
		"$end: what comes meanwhile is delivered" );
	ok( wait_for( $there, 'select in_doubt > 0 from cxsig.consumer_lag' ),
		"$end: it is in doubt" );
	$open->query_safe($end);
	$open->quit;
	ingest( $there, ticket => "after $end" );
	ok( $sink->wait_ok( 'hook', $end eq 'rollback' ? 504 : 507 ),
		"$end: what comes later, and what it wrote" );
	ok( idle($there), "$end: all has its outcome" );
	is( $sink->stats('hook')->{repeats},
		0, "$end: nothing of the dump is sent again" );
}

# One that is made now does not look at them either.
burn( $there, $first + 300 );
my $open = session($there);
$open->query_safe('begin; select pg_current_xact_id()');
destination( $there, 'new', $sink->url('new') );
ingest( $there, ticket => 'for both' );
ok( $sink->wait_ok( 'new', 1 ), 'a new destination gets what is new' );
ok( wait_for(
		$there,
		"select in_doubt > 0 from cxsig.consumer_lag where destination = 'new'"
	),
	'while one is open' );
$open->query_safe('rollback');
$open->quit;
ingest( $there, ticket => 'for both' );
ok( $sink->wait_ok( 'new', 2 ), 'and goes on' );
ok( idle($there),               'to the end' );
is( $sink->stats('new')->{received}, 2, 'with nothing old' );
is( $sink->stats('hook')->{repeats}, 0, 'nor is any sent again' );

$there->stop;
done_testing();
