# Promise: idempotent. The same key, however often and from however many sessions at once, makes one
# event; the same key with other content is a conflict, on record.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('idempotent');
destination( $node, 'hook', $sink->url('hook') );

subtest 'idempotent: 32 sessions racing the same keys' => sub {
	my $script = $node->basedir . '/race.sql';
	$node->safe_psql( 'postgres',
		'create table answer (k int, event_id uuid, outcome text, version bigint)'
	);
	# Client n works through keys 0..49: all clients are at the same keys at the same time.
	append_to_file( $script, <<'SQL');
insert into answer select :i, r.event_id, r.outcome::text, r.version from cxsig.ingest(jsonb_build_object(
  'ticket_id', 'T-' || :i, 'occurred_at', '2026-01-01T00:00:00Z', 'source_system', 'race',
  'evidence_url', 'https://e.example/' || :i, 'idempotency_key', 'key-' || :i)) r;
SQL
	my $all = '';
	for my $i ( 0 .. 49 ) { $all .= slurp_file($script) =~ s/:i/$i/gr; }
	unlink $script;
	append_to_file( $script, $all );
	$node->command_ok(
		[   'pgbench', '-n',        '-c', '32',
			'-j',      '2',         '-t', '1',
			'-f',      $script,     '-h', $node->host,
			'-p',      $node->port, 'postgres' ],
		'raced' );
	is( $node->safe_psql( 'postgres', 'select count(*) from answer' ),
		32 * 50, 'all were answered' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from (select k from answer group by k
			 having count(*) filter (where outcome = 'inserted') = 1
			 and count(*) filter (where outcome = 'duplicate') = 31 and count(distinct event_id) = 1) x"
		),
		50,
		'each key: one inserted, 31 duplicates, all with the first id' );
	is( $node->safe_psql( 'postgres', 'select count(*) from cxsig.event' ),
		50, 'one event a key' );
	ok( idle($node), 'done' );
	is( $sink->stats('hook')->{received}, 50, 'sent once each' );
};

subtest
  'idempotent: batches racing one another neither double nor deadlock' =>
  sub {
	my $script = $node->basedir . '/batch.sql';
	append_to_file( $script, <<'SQL');
\set seed random(1, 1000000)
select count(*) from cxsig.ingest_batch((select jsonb_agg(jsonb_build_object('ticket_id', 'B-' || (i % 20),
  'occurred_at', '2026-01-01T00:00:00Z'::timestamptz + i * interval '1 s', 'source_system', 'batch',
  'evidence_url', 'https://e.example/', 'idempotency_key', 'b-' || i) order by hashint8(i + :seed))
  from generate_series(1, 200) i), 'raise');
SQL
	$node->command_ok(
		[   'pgbench', '-n',        '-c', '16',
			'-j',      '2',         '-t', '3',
			'-f',      $script,     '-h', $node->host,
			'-p',      $node->port, 'postgres' ],
		'raced without an error' );
	is( $node->safe_psql(
			'postgres',
			"select count(*), count(distinct idempotency_key) from cxsig.event where source_system = 'batch'"
		),
		'200|200',
		'one event a key' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from (select ticket_id from cxsig.event where source_system = 'batch'
		group by ticket_id having count(*) = 10 and max(version) = 10 and count(distinct version) = 10) x"
		),
		20,
		'versions without gaps' );
  };

subtest 'conflict: recorded, and the first is kept' => sub {
	my %same = (
		ticket          => 'C-1',
		idempotency_key => 'c',
		occurred_at     => '2026-02-01T00:00:00Z' );
	my $first = ingest( $node, %same, sentiment => 'negative' );
	is( ingest( $node, %same, sentiment => 'Negative' )->{outcome},
		'duplicate', 'the same content in other words is no conflict' );
	my $second = ingest( $node, %same, sentiment => 'positive' );
	is( $second->{outcome}, 'conflict', 'other content under the same key' );
	is( $second->{event_id}, $first->{event_id},
		'answered with the first event' );
	is( $node->safe_psql(
			'postgres',
			"select kind, event_id = '$first->{event_id}', input->>'sentiment' from cxsig.contract_violation"
		),
		'key_conflict|t|positive',
		'on record, with what was not taken' );
	is( $node->safe_psql(
			'postgres',
			"select sentiment from cxsig.event where ticket_id = 'C-1'" ),
		'negative',
		'the first is kept' );
};

$node->stop;
done_testing();
