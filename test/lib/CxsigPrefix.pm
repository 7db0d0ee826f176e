# CxsigPrefix: an installation of a test's own, to write extension scripts into: PostgreSQL's
# programs and cxsig are copied, everything else is linked to.
package CxsigPrefix;

use strict;
use warnings;

use Cwd ();
use Exporter 'import';
use File::Basename qw(basename dirname);
use File::Path     qw(make_path);

our @EXPORT = qw(private_prefix);

# private_prefix($directory): where its programs lie and where extension scripts go. PostgreSQL finds
# both relative to its programs, so the directories keep their places to each other.
sub private_prefix
{
	my ($root) = @_;
	my %dir = map { $_ => _pg_config($_) } qw(bindir sharedir pkglibdir);

	_fill( $dir{bindir},    "$root$dir{bindir}",    qr/./ );
	_fill( $dir{pkglibdir}, "$root$dir{pkglibdir}", qr/^cxsig/ );
	_fill( $dir{sharedir},  "$root$dir{sharedir}",  qr/^$/ );
	unlink "$root$dir{sharedir}/extension";
	_fill( "$dir{sharedir}/extension", "$root$dir{sharedir}/extension",
		qr/^cxsig/ );
	return {
		install_path => dirname("$root$dir{bindir}"),
		extension    => "$root$dir{sharedir}/extension" };
}

sub _pg_config
{
	my ($what) = @_;
	my $dir = qx(pg_config --$what);

	chomp $dir;
	return $dir;
}

# Copy the entries whose names match, link to the others.
sub _fill
{
	my ( $from, $to, $copied ) = @_;

	make_path($to);
	for my $entry ( glob("$from/*") )
	{
		if ( basename($entry) =~ $copied && !-d $entry )
		{
			system( 'cp', '-pL', $entry, $to ) == 0
			  or die "could not copy $entry";
		}
		else
		{
			symlink Cwd::abs_path($entry), "$to/" . basename($entry)
			  or die "could not link $entry: $!";
		}
	}
	return;
}

1;
