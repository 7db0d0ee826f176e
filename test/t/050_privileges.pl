# Promise: least privilege. PUBLIC can do nothing; each role can do its part and no more; the worker
# is no superuser and no session can be it; what a caller puts in its search_path changes nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node('privileges');
destination( $node, 'hook', $sink->url('hook') );
ingest( $node, ticket => 'T-1' );
ok( idle($node), 'ready, with partitions made at run time' );
$node->safe_psql( 'postgres', <<'SQL');
create role nobody login;
create role w login in role cxsig_writer;
create role r login in role cxsig_reader;
create role a login in role cxsig_admin;
SQL

sub as
{
	my ( $role, $sql ) = @_;
	my ( $status, $out, $error ) =
	  $node->psql( 'postgres', $sql, extra_params => [ '-U', $role ] );
	return $status == 0 ? $out : "ERROR $error";
}

sub objects
{
	return split /\n/, $node->safe_psql( 'postgres', $_[0] );
}

subtest 'PUBLIC can do nothing' => sub {
	is( $node->safe_psql(
			'postgres',
			"select has_schema_privilege('nobody', 'cxsig', 'usage, create')"
		),
		'f',
		'not even the schema' );
	is( $node->safe_psql(
			'postgres',
			"select string_agg(p.oid::regprocedure::text, ' ') from pg_proc p
		where pronamespace = 'cxsig'::regnamespace and has_function_privilege('nobody', p.oid, 'execute')"
		),
		'',
		'no function' );
	is( $node->safe_psql(
			'postgres',
			"select string_agg(c.oid::regclass::text, ' ') from pg_class c
		where relnamespace = 'cxsig'::regnamespace and relkind in ('r', 'p', 'v') and
		has_table_privilege('nobody', c.oid, 'select, insert, update, delete, truncate, references, trigger')"
		),
		'',
		'no table, view or partition' );
	is( $node->safe_psql(
			'postgres',
			"select string_agg(c.oid::regclass::text, ' ') from pg_class c
		where relnamespace = 'cxsig'::regnamespace and case when relkind = 'S' then has_sequence_privilege('nobody', c.oid, 'usage, select, update') else false end"
		),
		'',
		'no sequence' );
	like(
		as( 'nobody', q{select cxsig.ingest('{}')} ),
		qr/permission denied/,
		'tried: ingest' );
	like(
		as( 'nobody', 'select * from cxsig.destination_status' ),
		qr/permission denied/,
		'tried: a view' );
};

subtest 'cxsig_writer records, and nothing else' => sub {
	like(
		as( 'w',
			'select outcome from cxsig.ingest('
			  . literal( signal( ticket => 'W-1' ) ) . ')' ),
		qr/inserted/,
		'ingest' );
	like(
		as( 'w',
			"select outcome from cxsig.upsert_signal('W-2', now(), 'test', 'https://e.example/')"
		),
		qr/inserted/,
		'upsert_signal' );
	unlike(
		as( 'w',
			"copy cxsig.signal_import (ticket_id, occurred_at, source_system, evidence_url) from stdin csv;\nW-3,2026-01-01T00:00:00Z,test,https://e.example/\n\\.\n"
		),
		qr/ERROR/,
		'COPY' );
	like( as( 'w', "select outcome from cxsig.retract_signal('W-1')" ),
		qr/inserted/, 'retract_signal' );
	for my $sql (
		'select * from cxsig.event',
		'select * from cxsig.deliveries',
		"select cxsig.pause_destination('hook')",
		'insert into cxsig.outbox (event_id) values (null)',
		'select cxsig.next_position()',
		"select cxsig.set_secret('hook', 'signing', 'x')" )
	{
		like( as( 'w', $sql ), qr/permission denied/, "not: $sql" );
	}
};

subtest 'cxsig_reader looks at views, and at no secret' => sub {
	for my $view (
		qw(destination_status worker_status consumer_lag latency deliveries dead_letters blocked_lanes quarantined unmapped_tags repairs)
	  )
	{
		unlike( as( 'r', "select * from cxsig.$view" ), qr/ERROR/, $view );
	}
	unlike( as( 'r', "select * from cxsig.history('T-1')" ),
		qr/ERROR/, 'history' );
	for my $sql (
		'select * from cxsig.secret',
		'select * from cxsig.destination',
		"select cxsig.pause_destination('hook')",
		"select cxsig.redrive('hook')",
		"select cxsig.replay('hook', now())",
		"select cxsig.discard('hook')",
		"select cxsig.release_lane('hook', 1)",
		'select cxsig.maintain()',
		q{select cxsig.ingest('{}')} )
	{
		like( as( 'r', $sql ), qr/permission denied/, "not: $sql" );
	}
};

subtest 'cxsig_admin manages, and cannot read a secret back' => sub {
	my $url = $sink->url('admin');
	unlike(
		as( 'a',
			"select cxsig.create_destination('admin', 'webhook', '{\"url\": \"$url\"}')"
		),
		qr/ERROR/,
		'create_destination' );
	unlike(
		as( 'a',
			"select cxsig.set_secret('admin', 'signing', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')"
		),
		qr/ERROR/,
		'set_secret' );
	like( as( 'a', "select ok from cxsig.test_destination('admin')" ),
		qr/^t/, 'test_destination' );
	unlike( as( 'a', "select cxsig.$_" ), qr/ERROR/, $_ )
	  for "redrive('admin')", "replay('admin', now())", "discard('admin')",
	  "release_lane('admin', 1)", 'maintain()';
	like( as( 'a', "select cxsig.drop_destination('admin')" ),
		qr/^$/, 'drop_destination' );
	like(
		as( 'a', 'select * from cxsig.secret' ),
		qr/permission denied/,
		'not: read a secret' );
	like(
		as( 'a', "update cxsig.destination set config = '{}'" ),
		qr/permission denied/,
		'not: go around the functions' );
};

subtest 'the worker is no superuser, and no session can be it' => sub {
	is( $node->safe_psql(
			'postgres',
			"select usename, usesuper from pg_stat_activity join pg_user using (usename) where backend_type = 'cxsig dispatcher'"
		),
		'cxsig_worker|f',
		'what the dispatcher runs as' );
	like(
		as( 'cxsig_worker', 'select 1' ),
		qr/too many connections for role/,
		'an ordinary connection is refused' );
	is( $node->safe_psql(
			'postgres',
			"select has_table_privilege('cxsig_worker', 'cxsig.event', 'insert, update, delete'),
		has_table_privilege('cxsig_worker', 'cxsig.secret', 'insert, update, delete')"
		),
		'f|f',
		'it cannot write the log or a secret' );
};

subtest 'hostile objects in the search_path change nothing' => sub {
	$node->safe_psql( 'postgres',
		'create schema evil; grant all on schema evil to w' );
	my $out = as(
		'w', 'set search_path = evil, pg_temp, pg_catalog;
		create function evil.now() returns timestamptz language plpgsql as $$ begin raise exception $x$ran$x$; end $$;
		create function evil.lower(text) returns text language plpgsql as $$ begin raise exception $x$ran$x$; end $$;
		create function evil.eq(text, text) returns boolean language plpgsql as $$ begin raise exception $x$ran$x$; end $$;
		create operator evil.= (leftarg = text, rightarg = text, function = evil.eq);
		create temp table event (x int); create temp table outbox (x int); create temp table ticket (ticket_id text);
		create temp table staged (x int); create temp table tickets (n int); create temp table keys (n int); create temp table events (n int);
		select outcome from cxsig.ingest('
		  . literal(
			signal(
				ticket    => 'E-1',
				raw_tags  => ['Some Tag'],
				sentiment => 'Very Negative' ) )
		  . ');' );
	like( $out, qr/inserted/, 'ingest is itself' );
	ok( idle($node), 'and what it wrote' );
	is( scalar( grep { $_->{key} eq 'E-1' } $sink->log('hook') ),
		1, 'arrives' );
};

$node->stop;
done_testing();
