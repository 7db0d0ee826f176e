# Promise: no surprise after restore, and never lost. A database that is dumped and restored, or copied,
# sends nothing until a person resumes it; then it sends exactly what had no final outcome in the dump.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigStates;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node =
  cxsig_node( 'restored', conf => "cxsig.outbox_partition_rows = 1000\n" );
my $there = cxsig_node(
	'elsewhere',
	extension => 0,
	conf      => "cxsig.outbox_partition_rows = 1000\n" );
my $dir  = $node->basedir;
my $open = fill_states( $node, $sink );

cmp_ok(
	$node->safe_psql(
		'postgres', "select count(*) from cxsig._partitions('cxsig.outbox')"
	),
	'>', 2,
	'there are partitions made at run time' );
my $contents = contents( $node, 'postgres' );
$node->command_ok(
	[ 'pg_dump', '-Fp', '-f', "$dir/plain", $node->connstr('postgres') ],
	'dumped as text' );
$node->command_ok(
	[ 'pg_dump', '-Fc', '-f', "$dir/custom", $node->connstr('postgres') ],
	'dumped in custom format' );
$node->command_ok(
	[ 'pg_dump', '-Fd', '-f', "$dir/directory", $node->connstr('postgres') ],
	'dumped as a directory' );

# Each way: where to, and how.
my @ways = (
	[   'text, same cluster',
		$node, 'plain',
		sub {
			[ 'psql', '-qXv', 'ON_ERROR_STOP=1', '-f', "$dir/plain", $_[0] ]
		}
	],
	[   'custom, same cluster',
		$node, 'custom',
		sub { [ 'pg_restore', '-1', '-d', $_[0], "$dir/custom" ] } ],
	[   'custom, another cluster',
		$there, 'custom',
		sub { [ 'pg_restore', '-1', '-d', $_[0], "$dir/custom" ] } ],
	[   'directory, another cluster, in parallel',
		$there,
		'directory',
		sub {
			[ 'pg_restore', '-e', '-j', '2', '-d', $_[0], "$dir/directory" ]
		}
	] );

for my $way (@ways)
{
	my ( $what, $to, $database, $command ) = @{$way};

	subtest $what => sub {
		my $before = as_before($sink);
		my $offset = -s $to->logfile;

		$to->safe_psql( 'template1',
			"create database $database template template0" );
		$to->command_ok( $command->( $to->connstr($database) ),
			'restored without an error' );
		is( contents( $to, $database, 'destination', 'checkpoint_default' )
			  =~ s/^checkpoint.*\n//mgr,
			contents(
				$node, 'postgres', 'destination', 'checkpoint_default'
			) =~ s/^checkpoint.*\n//mgr,
			'every table is as it was' );
		starts_paused( $to, $sink, $database, $what, $offset );
		goes_on_exactly( $to, $sink, $database, $what, $before );
		$to->safe_psql( 'template1', "drop database $database" );
	};
}

subtest 'a copy in the same cluster' => sub {
	$open->query_safe('rollback');
	$open->quit;
	$node->safe_psql( 'postgres', "rollback prepared 'open'" );
	my $before = as_before($sink);
	my $offset = -s $node->logfile;

	$node->safe_psql( 'template1',
		'create database copied template postgres' );
	starts_paused( $node, $sink, 'copied', 'copy', $offset );
	goes_on_exactly( $node, $sink, 'copied', 'copy', $before );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from cxsig.destination where state = 'active'" ),
		5,
		'the database it was made from goes on as it was' );
};

$node->stop;
$there->stop;
done_testing();
