# Promise: never lost. pg_upgrade takes events in every state along; nothing is sent while it runs, nor
# before the new cluster is resumed; then all goes on where it was.
#
# CXSIG_UPGRADE_TO names an installation of a newer PostgreSQL with cxsig in it (the directory above its
# bin; test/lib/prefix makes one); without it the upgrade is to the same version.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigStates;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "cxsig.outbox_partition_rows = 1000\n";
my $sink = CxsigTest::Sink->start;
my $old  = cxsig_node( 'old', conf => $conf );
my $new  = cxsig_node(
	'new',
	start        => 0,
	conf         => $conf,
	install_path => $ENV{CXSIG_UPGRADE_TO} );
my $open = fill_states( $old, $sink );

# pg_upgrade takes no prepared transactions along.
$open->query_safe('rollback');
$open->quit;
$old->safe_psql( 'postgres', "rollback prepared 'open'" );
ok( wait_for(
		$old,
		"select sum(events_in_memory + in_flight) = 0 and bool_and(last_turn_ago < '1 s')
			from cxsig.worker_status where process = 'dispatcher'"
	),
	'nothing is under way' );
my $contents = contents( $old, 'postgres', 'destination' );
my $before   = as_before($sink);
my $next     = $old->safe_psql( 'postgres',
	'select pg_snapshot_xmax(pg_current_snapshot())' );
$old->stop;

chdir $PostgreSQL::Test::Utils::tmp_check or die "tmp_check: $!";
command_ok(
	[   'pg_upgrade', '--no-sync',
		'-d',         $old->data_dir,
		'-D',         $new->data_dir,
		'-b',         $old->config_data('--bindir'),
		'-B',         $new->config_data('--bindir'),
		'-s',         $new->host,
		'-p',         $old->port,
		'-P',         $new->port ],
	'upgraded with cxsig preloaded in both' );
is_deeply( as_before($sink), $before, 'nothing was sent meanwhile' );
$new->start;
is( contents( $new, 'postgres', 'destination' ) =~ s/^checkpoint.*\n//mgr,
	$contents =~ s/^checkpoint.*\n//mgr,
	'every table is as it was' );
cmp_ok(
	$new->safe_psql(
		'postgres', 'select pg_snapshot_xmax(pg_current_snapshot())' ),
	'>=', $next,
	'transaction ids go on, so that none means another one' );
starts_paused( $new, $sink, 'postgres', 'upgraded', 0 );
goes_on_exactly( $new, $sink, 'postgres', 'upgraded', $before );

$new->stop;
done_testing();
