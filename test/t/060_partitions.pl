# Partitions: made ahead, filled from the default one, dropped when every destination is past; and
# all of it comes back from a dump.

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
  cxsig_node( 'partitions', conf => "cxsig.outbox_partition_rows = 1000\n" );
destination( $node, 'hook', $sink->url('hook'),
	options => { concurrency => 64, paused => JSON::PP::true() } );

sub value { return $node->safe_psql( 'postgres', $_[0] ); }
my $count = 'select count(*) from pg_inherits where inhparent = ';

subtest 'made ahead; what the default one caught moves over' => sub {
	ok( wait_for(
			$node,
			"select count(*) > 1 from cxsig._partitions('cxsig.event')" ),
		'the worker makes them' );
	for my $table (qw(event outbox delivery checkpoint))
	{
		cmp_ok( value("$count 'cxsig.$table'::regclass"),
			'>=', 3, "$table: some ahead" );
	}
	load_signals( $node, tickets => 100, revisions => 60 );
	cmp_ok( value('select count(*) from cxsig.outbox_default'),
		'>', 0, 'outrun, the default one catches' );
	value('select cxsig.maintain()') for 1 .. 3;
	is( value('select count(*) from cxsig.outbox_default'),
		0, 'and is emptied' );
	is( value('select count(*) from cxsig.outbox'), 6000, 'nothing is lost' );
};

subtest 'an ingest beside maintenance never fails' => sub {
	my $script = $node->basedir . '/w.sql';
	append_to_file(
		$script,
		"select cxsig.ingest(jsonb_build_object('ticket_id', 'w-' || :client_id, 'occurred_at', clock_timestamp(),
'source_system', 'w', 'evidence_url', 'https://e.example/', 'idempotency_key', gen_random_uuid()));\n"
		  =~ s/\n(?!\z)/ /gr );
	my $maintain = $node->basedir . '/m.sql';
	append_to_file( $maintain, "select cxsig.maintain();\n" );
	$node->command_ok(
		[   'pgbench', '-n',          '-c', '8',
			'-j',      '2',           '-t', '400',
			'-f',      "$script\@20", '-f', "$maintain\@1",
			'-h',      $node->host,   '-p', $node->port,
			'postgres' ],
		'run together' );
};

subtest 'dropped once every destination is past, not before' => sub {
	my $before =
	  value("select count(*) from cxsig._partitions('cxsig.outbox')");
	value('select cxsig.maintain()');
	cmp_ok( value("select count(*) from cxsig._partitions('cxsig.outbox')"),
		'>=', $before, 'none is dropped while the destination is paused' );
	value("select cxsig.resume_destination('hook')");
	ok( idle( $node, 120 ), 'delivered' );
	all_arrived( $node, $sink, 'hook', 'all' );
	value('select cxsig.maintain()');
	cmp_ok(
		value(
			"select min(low::bigint) from cxsig._partitions('cxsig.outbox')"),
		'>', 6000,
		'then they go' );
};

subtest 'pg_dump and restore bring all of it back' => sub {
	my $dump = $node->basedir . '/dump.sql';
	value("select cxsig.pause_destination('hook')");
	load_signals( $node, tickets => 10, prefix => 'dumped' );
	$node->command_ok( [ 'pg_dump', '-f', $dump, $node->connstr('postgres') ],
		'dumped' );
	value('create database restored');
	$node->command_ok(
		[   'psql', '-qXv', 'ON_ERROR_STOP=1', '-f', $dump,
			$node->connstr('restored') ],
		'restored' );
	for my $table (
		qw(event outbox delivery processed_key ticket_revision destination))
	{
		is( $node->safe_psql(
				'restored',
				"select count(*), md5(string_agg(t::text, ',' order by t::text)) from cxsig.$table t"
			),
			value(
				"select count(*), md5(string_agg(t::text, ',' order by t::text)) from cxsig.$table t"
			),
			$table );
	}
	is( $node->safe_psql(
			'restored', 'select last_value from cxsig.outbox_position' ),
		value('select last_value from cxsig.outbox_position'),
		'the next position' );
	$sink->reset('hook');
	$node->safe_psql( 'restored', "select cxsig.resume_destination('hook')" );
	ok( $sink->wait_ok( 'hook', 10 ), 'and goes on from where it was' );
	is( $sink->stats('hook')->{received},
		10, 'with what had no receipt, and nothing else' );
};

$node->stop;
done_testing();
