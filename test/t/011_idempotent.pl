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

# Where the tickets differ, their rows do not put the sessions in order: the keys alone do.
subtest 'idempotent: 32 sessions racing the same keys from other tickets' =>
  sub {
	my $script = $node->basedir . '/claim.sql';
	my $call   = <<'SQL';
insert into claim select :i, r.event_id, r.outcome::text from cxsig.ingest(jsonb_build_object(
  'ticket_id', 'X-' || :client_id, 'occurred_at', '2026-01-01T00:00:00Z'::timestamptz + :i * interval '1 s',
  'source_system', 'claim', 'evidence_url', 'https://e.example/', 'idempotency_key', 'key-' || :i)) r;
SQL
	$node->safe_psql( 'postgres',
		'create table claim (k int, event_id uuid, outcome text)' );
	append_to_file( $script,
		join( '', map { $call =~ s/:i\b/$_/gr } 1 .. 20 ) );
	$node->command_ok(
		[   'pgbench', '-n',        '-c', '32',
			'-j',      '2',         '-t', '1',
			'-f',      $script,     '-h', $node->host,
			'-p',      $node->port, 'postgres' ],
		'raced without an error' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from (select k from claim group by k
			 having count(*) filter (where outcome = 'inserted') = 1
			 and count(*) filter (where outcome = 'conflict') = 31 and count(distinct event_id) = 1) x"
		),
		20,
		'each key: one inserted, 31 conflicts, all with the first id' );
	is( $node->safe_psql(
			'postgres',
			"select (select count(*) from cxsig.event where source_system = 'claim'),
			 (select count(*) from cxsig.contract_violation where source_system = 'claim')"
		),
		'20|620',
		'one event a key, each conflict on record' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from (select from cxsig.event where source_system = 'claim'
			 group by ticket_id having max(version) <> count(*)) x" ),
		0,
		'versions without gaps' );
  };

# The answer of a call that waits for another session's transaction to end, and what ends it.
sub answer_after
{
	my ( $end, $first, $second ) = @_;
	my ( $holder, $waiter ) = map { session($node) } 1 .. 2;
	my ($taken) = $holder->query_safe("begin; $first") =~ /([0-9a-f-]{36})/;

	$waiter->query_until( qr/go/, "\\echo go\n$second;\n" );
	ok( wait_for(
			$node,
			"select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'cxsig.ingest')"
		),
		"$end: the second session waits" );
	$holder->query_safe($end);
	my $answer = $waiter->query_safe('select 1');
	$_->quit for $holder, $waiter;
	return ( $taken, $answer );
}

subtest 'idempotent: a repeat waits for how the first one ends' => sub {
	my $n = 0;
	for my $ticket ( 'same', 'other' )
	{
		for my $form ( 'ingest', 'ingest_batch' )
		{
			for my $end ( 'commit', 'rollback' )
			{
				my $key  = 'wait-' . ++$n;
				my @call = map {
					my $signal = signal(
						ticket          => "$key-$_",
						idempotency_key => $key,
						occurred_at     => '2020-03-01T00:00:00Z' );
					$signal = "[$signal,"
					  . signal(
						ticket       => "$key-$_",
						evidence_url => 'https://e.example/' )
					  . ']'
					  if $form eq 'ingest_batch';
					"select outcome, event_id, version from cxsig.$form("
					  . literal($signal)
					  . ') with ordinality r (event_id, outcome, version, detail, n) where n = 1'
				} 'same', $ticket;
				my ( $first, $answer ) = answer_after( $end, @call );
				my $repeat = $ticket eq 'same' ? 'duplicate' : 'conflict';

				if ( $end eq 'commit' )
				{
					like( $answer, qr/^$repeat\|$first\|1$/m,
						"$form, $ticket ticket, $end: $repeat of the first" );
				}
				else
				{
					like(
						$answer,
						qr/^inserted\|(?!$first)[0-9a-f-]{36}\|1$/m,
						"$form, $ticket ticket, $end: the key is free" );
				}
				is( $node->safe_psql(
						'postgres',
						"select count(*) from cxsig.event where idempotency_key = '$key'"
					),
					1,
					"$form, $ticket ticket, $end: one event" );
			}
		}
	}
	is( $node->safe_psql(
			'postgres',
			"select count(*) from (select from cxsig.event where ticket_id ~ '^wait-'
			 group by ticket_id having max(version) <> count(*)) x" ),
		0,
		'those behind a repeat in its batch move up: versions without gaps' );
	is( $node->safe_psql(
			'postgres',
			'select count(*) from cxsig.event e join cxsig.processed_key k using (event_id)
			 where k.version <> e.version' ),
		0,
		'and the keys tell the same versions' );
};

subtest 'idempotent: repeats in a batch, a transaction, a later one' => sub {
	my @same = map {
		signal(
			ticket          => 'R-1',
			idempotency_key => 'r',
			occurred_at     => '2026-04-01T00:00:00Z',
			sentiment       => $_ )
	} 'negative', 'negative', 'positive';
	my $batch = literal( '[' . join( ',', @same ) . ']' );
	my $one   = literal( $same[0] );

	is( $node->safe_psql(
			'postgres',
			"select string_agg(outcome::text, ' ' order by n), count(distinct event_id)
			 from cxsig.ingest_batch($batch) with ordinality r (event_id, outcome, version, detail, n)"
		),
		'inserted duplicate conflict|1',
		'inside a batch' );
	is( $node->safe_psql(
			'postgres',
			"begin isolation level repeatable read; select outcome from cxsig.ingest($one);
			 select outcome from cxsig.ingest($one); commit" ),
		"duplicate\nduplicate",
		'in a later transaction, twice' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from cxsig.event where idempotency_key = 'r'" ),
		1,
		'one event' );
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
			"select kind, event_id = '$first->{event_id}', input->>'sentiment' from cxsig.contract_violation
			 where idempotency_key = 'c'"
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
