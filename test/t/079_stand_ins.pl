# The stand-ins of the remote APIs are as strict as they say, and those who know the real APIs - their
# official or best known clients - find nothing wrong with them. A stand-in that is wrong about its
# API would make our transports agree with its mistake.
#
# The clients come from a registry of npm, once (test/remote/clients/install): without one this fails.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";

use CxsigRemote;
use CxsigTls;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $LIMIT = 240;    # seconds for the checks of one API

my $remote = "$FindBin::RealBin/../remote";
my $node   = CxsigRemote::node();

# passes($title, $file): whether all tests of the file pass, and there are some.
sub passes
{
	my ( $title, $file ) = @_;
	my $output = '';
	my $done   = eval {
		IPC::Run::run( [ $node, '--test', '--test-reporter=tap', $file ],
			'<', \undef, '>&', \$output, IPC::Run::timeout($LIMIT) );
	};
	my ($n) = $output =~ /^# pass (\d+)$/m;

	return pass("$title: $n checks") if $done && $n;
	fail($title);
	diag( defined $done ? $output : "no end within $LIMIT s\n$output" );
	return;
}

# names('selfcheck'): the programs there, without directory and suffix.
sub names
{
	my ($directory) = @_;

	return sort map { m{([^/]+)\.mjs$} } glob "$remote/$directory/*.mjs";
}

# What is to be installed says exactly what, and not from where.
my $lock =
  JSON::PP::decode_json( slurp_file("$remote/clients/package-lock.json") );
my $wanted =
  JSON::PP::decode_json( slurp_file("$remote/clients/package.json") )
  ->{dependencies};
is_deeply( [ grep { !/^\d+\.\d+\.\d+$/ } values %{$wanted} ],
	[], 'versions are exact' );
is_deeply( $lock->{packages}{''}{dependencies},
	$wanted, 'and those of the lock file' );
is( scalar( grep { exists $_->{resolved} } values %{ $lock->{packages} } ),
	0, 'which names no registry' );

# As tests use them.
my $stand_ins = CxsigRemote->start;
like(
	$stand_ins->url('salesforce'),
	qr{^http://127\.0\.0\.1:\d+/salesforce$},
	'they have a URL' );
$stand_ins->config( 'salesforce', { delay_ms => 1 } );
is( $stand_ins->config('salesforce')->{delay_ms},
	1, 'and a config that is set' );
ok( !eval { $stand_ins->config( 'salesforce', { nonsense => 1 } ) },
	'but to what is not known' );
$stand_ins->reset;
is( $stand_ins->config('salesforce')->{delay_ms},  0, 'until it is reset' );
is( $stand_ins->total('salesforce'),               0, 'they hold nothing' );
is( $stand_ins->requests( 'salesforce', 'query' ), 0, 'nobody asked' );
is( $stand_ins->record( 'salesforce', 'T-1' ), undef, 'there is no record' );
is_deeply( [ $stand_ins->regressions( 'salesforce', 'Version__c' ) ],
	[], 'nor a history' );
is( $stand_ins->records_text( 'salesforce', 'id' ), '', 'nor rows' );
$stand_ins->stop;
ok( !eval { $stand_ins->counters('salesforce') }, 'and no more, stopped' );

my $tls  = CxsigTls->new;
my $safe = CxsigRemote->start(
	tls => [ $tls->certificate('good'), $tls->key('good') ] );
is( $safe->total('salesforce'), 0, 'they can be steered behind TLS' );
my ( $answer, $messages ) = ( '', '' );
IPC::Run::run(
	[   'curl', '-sS', '--noproxy', '*', '--cacert',
		$tls->certificate('ca'),
		$safe->url('salesforce') . '/services/data/' ],
	'<',
	\undef,
	'>',
	\$answer,
	'2>',
	\$messages );
like( $answer, qr/"version":"60\.0"/, 'and answer so' ) or diag($messages);
$safe->stop;

# None is left behind by a test that was killed: its end of the pipe closes.
my $orphan = CxsigRemote->start;
my $ended  = eval {
	local $SIG{ALRM} = sub { die "still there\n" };
	alarm 20;
	close $orphan->{stdin};
	alarm 0;
	1;
};
ok( $ended, 'they end with the test' );
$orphan->stop;

passes( "selfcheck $_", "$remote/selfcheck/$_.mjs" ) for names('selfcheck');

# The clients' programs, beside what they need.
my $installed = $ENV{CXSIG_CLIENTS};
my $reason    = '';
if ( defined $installed )
{
	$reason = slurp_file( $ENV{CXSIG_CLIENTS_LOG} )
	  if $ENV{CXSIG_CLIENTS_LOG};
}
else
{
	IPC::Run::run( ["$remote/clients/install"],
		'<', \undef, '>', \$installed, '2>', \$reason );
	chomp $installed;
}
if ( !ok( -d "$installed/node_modules", 'the clients are installed' ) )
{
	diag($reason);
	done_testing();
	exit;
}

my $place = PostgreSQL::Test::Utils::tempdir();
IPC::Run::run(
	[   'cp', '-r',
		map( { "$remote/$_" } qw(api lib clients server.js package.json) ),
		$place ] ) or die 'could not copy the stand-ins';
symlink "$installed/node_modules", "$place/clients/node_modules"
  or die "could not link to $installed: $!";
passes( "client $_", "$place/clients/$_.mjs" ) for names('clients');

done_testing();
