# A commit wakes the dispatcher: nothing waits for the safety poll, nor for the look at the
# destinations that is due every few seconds and reads the log too. Twenty events, each sent off after
# the one before it has arrived, would take more than a minute without.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'wake', conf => "cxsig.poll_interval = 60s\n" );

destination( $node, 'hook', $sink->url('hook') );
ingest( $node, ticket => 'first' );
ok( $sink->wait_ok( 'hook', 1 ), 'wake: ready' );

my $session = session($node);
my $started = Time::HiRes::time();
my $arrived = 1;
for my $n ( 1 .. 20 )
{
	$session->query_safe( 'select cxsig.ingest('
		  . literal( signal( ticket => "T-$n" ) )
		  . ')' );
	$arrived++ if $sink->wait_ok( 'hook', $n + 1, 20 );
}
is( $arrived, 21, 'wake: each arrives' );
cmp_ok( Time::HiRes::time() - $started,
	'<', 20, 'wake: without waiting for anything but its commit' );
$session->quit;
$node->stop;
done_testing();
