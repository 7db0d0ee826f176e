# Retention is the drop of a partition: receipts and events go when they are old enough, and not
# while something still needs them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('retention');

sub value { return $node->safe_psql( 'postgres', $_[0] ); }

# A partition of days long past, as if it had been made then.
sub old_partition
{
	my ( $table, $key, $year ) = @_;

	value(
		"select cxsig._make_partition('$table', 'p$year', '$key', '$year-01-01 00:00:00+00', '$year-02-01 00:00:00+00')"
	);
	return;
}

sub partition_stands
{
	return value("select to_regclass('cxsig.$_[0]') is not null") eq 't';
}

destination( $node, 'hook', $sink->url('hook') );
ingest( $node, ticket => 'T-1' );
ok( idle($node), 'retention: ready' );
old_partition( 'delivery', 'finished_at', 2020 );
old_partition( 'event', 'recorded_at', $_ ) for 2020, 2021;

# Each event of T-1 was recorded in one of those years; that of 2021 died and nobody has dealt with it.
value( <<'SQL');
insert into cxsig.delivery select (jsonb_populate_record(d, '{"finished_at": "2020-01-15T00:00:00Z"}')).*
	from cxsig.delivery d;
insert into cxsig.event select (jsonb_populate_record(e, jsonb_build_object('event_id', gen_random_uuid(),
	'recorded_at', year || '-01-15T00:00:00Z'))).* from cxsig.event e, unnest(array[2020, 2021]) year;
insert into cxsig.dead_letter (destination_id, position, event_id, recorded_at, ticket_id, attempt, reason, died_at)
	select 1, 0, event_id, recorded_at, ticket_id, 1, 'old', now() from cxsig.event
	where recorded_at between '2021-01-01' and '2021-02-01';
SQL

subtest 'retention: for ever is for ever' => sub {
	$node->append_conf( 'postgresql.conf', "cxsig.delivery_retention = 0\n" );
	$node->reload;
	ok( wait_for(
			$node, "select current_setting('cxsig.delivery_retention') = '0'"
		),
		'set to 0, as event_retention is' );
	value('select cxsig.maintain()');
	ok( partition_stands($_), "$_ stands" )
	  for qw(delivery_p2020 event_p2020 event_p2021);
};

subtest 'retention: what is old goes, what is needed stays' => sub {
	$node->append_conf( 'postgresql.conf',
		"cxsig.delivery_retention = 30d\ncxsig.event_retention = 30d\n" );
	$node->reload;
	ok( wait_for(
			$node, "select current_setting('cxsig.event_retention') = '30d'"
		),
		'set' );
	ok( wait_for(
			$node, "select (cxsig.maintain()).made >= 0
				and to_regclass('cxsig.delivery_p2020') is null
				and to_regclass('cxsig.event_p2020') is null", 30 ),
		'old receipts and events go' );
	ok( partition_stands('event_p2021'), 'not those of an open dead letter' );
	is( value('select count(*) from cxsig.event'),    2, 'nor new events' );
	is( value('select count(*) from cxsig.delivery'), 1, 'nor new receipts' );
	value("select cxsig.discard('hook')");
	ok( wait_for(
			$node, "select (cxsig.maintain()).made >= 0
				and to_regclass('cxsig.event_p2021') is null", 30 ),
		'once it is dealt with, they go too' );
};

ingest( $node, ticket => 'T-1' );
ok( $sink->wait_ok( 'hook', 2 ), 'retention: and all goes on' );

# Keys: those recorded long ago go, and with them what they knew.
value( <<'SQL');
insert into cxsig.processed_key
	select k.source_system, 'old-' || n, k.event_id, '2020-01-15T00:00:00Z', k.version, k.digest
	from (select * from cxsig.processed_key limit 1) k, generate_series(1, 100) n;
SQL
my $keys = value(
	"select count(*) from cxsig.processed_key where idempotency_key not like 'old-%'"
);
value('select cxsig.maintain()');
is( value(
		"select count(*) from cxsig.processed_key where idempotency_key like 'old-%'"
	),
	value("select count(*) from cxsig.processed_key") - $keys,
	'retention: keys stay for ever unless it is set' );
value("alter system set cxsig.key_retention = '30d'");
value('select pg_reload_conf()');
ok( wait_for(
		$node, "select (cxsig.maintain()).made >= 0
			and not exists (select from cxsig.processed_key where idempotency_key like 'old-%')"
	),
	'retention: then old keys go' );
is( value('select count(*) from cxsig.processed_key'),
	$keys, 'retention: and no others' );
is( ingest( $node, ticket => 'T-1', idempotency_key => 'old-1' )->{outcome},
	'inserted', 'retention: and are new ones again' );
is( ingest( $node, ticket => 'T-1', idempotency_key => 'old-1' )->{outcome},
	'conflict', 'retention: which are known' );

$node->stop;
done_testing();
