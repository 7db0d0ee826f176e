# Promise: never lost. A transaction that is open while a destination is paused, changed, given a
# secret or stopped is not forgotten: its events arrive once it commits and the destination goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'open_while_paused',
	conf => "cxsig.checkpoint_interval = 50ms\nlog_min_messages = debug1\n" );

sub ask { return $node->safe_psql( 'postgres', $_[0] ); }

# Waits until the destination has been unloaded since: the log of the debug level says so.
sub loaded_since
{
	my ($name) = @_;
	my $offset = -s $node->logfile;

	return sub {
		return
		  defined $node->wait_for_log( qr/destination "$name" unloaded/,
			$offset );
	};
}

# A transaction that drew its position and is still open when its destination is paused, changed or
# stopped: the place that is written then must not forget it.
my %interruption = (
	paused => [
		sub { ask("select cxsig.pause_destination('$_[0]')") },
		sub { ask("select cxsig.resume_destination('$_[0]')") } ],
	altered => [
		sub {
			ask("select cxsig.alter_destination('$_[0]', null, '{\"concurrency\": 3}')"
			);
		},
		sub { } ],
	'given a secret' => [
		sub {
			ask("select cxsig.set_secret('$_[0]', 'signing', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')"
			);
		},
		sub { } ],
	refused => [
		sub {
			$sink->behave( $_[0], { status => 401 } );
			ingest( $node, ticket => "refused" );
			wait_for( $node,
				"select state = 'stopped' from cxsig.destination_status where name = '$_[0]'"
			);
		},
		sub {
			$sink->behave( $_[0], { status => 200 } );
			ask("select cxsig.resume_destination('$_[0]')");
		}
	] );
my $n = 0;
for my $how ( sort keys %interruption )
{
	subtest "never lost: open while its destination is $how" => sub {
		my $name = 'interrupted' . ++$n;
		my ( $interrupt, $go_on ) = @{ $interruption{$how} };
		my $open = session($node);

		destination( $node, $name, $sink->url($name) );
		$open->query_safe( 'begin; select cxsig.ingest('
			  . literal( signal( ticket => "open $how" ) )
			  . ')' );
		load_signals( $node, tickets => 5, prefix => "beside $how" );
		ok( $sink->wait_ok( $name, 5 ),
			'what was committed beside it arrives' );
		ok( wait_for(
				$node,
				"select low > high and in_doubt > 0 from cxsig.consumer_lag where destination = '$name'"
			),
			'and is behind the checkpoint; the open one is in doubt' );
		my $loaded = loaded_since($name);
		$interrupt->($name);
		ok( $loaded->(), 'interrupted' );
		$open->query_safe('commit');
		$open->quit;
		$go_on->($name);
		ok( idle($node), 'and gone on' );
		all_arrived( $node, $sink, $name, $how,
			"ticket_id = 'open $how' or ticket_id like 'beside $how%' or (ticket_id = 'refused' and '$how' = 'refused')"
		);
		ask("select cxsig.drop_destination('$name')");
	};
}

$node->stop;
done_testing();
