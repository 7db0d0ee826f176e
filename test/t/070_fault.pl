# Every promise under fault: a short run of the harness (test/fault), whose plan is always the same.
# Its own words are kept as notes; each promise it checks is a test here.

use strict;
use warnings;

use FindBin;
use Test::More;

my $seed    = $ENV{CXSIG_FAULT_SEED} || 1;
my $program = "$FindBin::RealBin/../fault/main.py";
my $last    = '';

$ENV{CXSIG_SINK} ||= "$FindBin::RealBin/../sink/sink";
open(
	my $run,   '-|',        'python3', '-B',     $program,
	'--short', '--seconds', 45,        '--seed', $seed
) or die "could not run $program: $!";
while ( my $line = readline($run) )
{
	chomp $line;
	$last = $line if $line =~ /\S/;
	if ( $line =~ /^(not )?ok - (.*)/ )
	{
		ok( !$1, $2 );
	}
	elsif ( $line =~ /^#\s*(.*)/ )
	{
		diag($1);
	}
	else
	{
		note($line);
	}
}
close $run;
is( $?, 0, "seed $seed: the run came to its end and nothing was broken" );
like( $last, qr/^\d+ passed, 0 failed$/, 'and says so' );
done_testing();
