# CxsigTls: certificates made with openssl for one test, and the receiver speaking TLS with them.
#
#   my $tls = CxsigTls->new;
#   my $sink = CxsigTls::Sink->start(tls => $tls, server => 'good', client_ca => 'ca');
#   $node->append_conf(... "cxsig.ca_directory = '" . $tls->directory . "'");
#
# Every certificate is a file NAME.pem with its key in NAME.key:
#   ca, other_ca                 two authorities that do not know each other
#   good, expired, wrong_name, unknown_ca      of servers; all but wrong_name for localhost and 127.0.0.1
#   client, client_unknown_ca    of clients
package CxsigTls;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

my @NEW_KEY =
  ( '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes' );
my $HERE = 'subjectAltName=DNS:localhost,IP:127.0.0.1';

# CxsigTls->new: makes them all, in a directory of the test's own.
sub new
{
	my ($class) = @_;
	my $self = bless { directory => PostgreSQL::Test::Utils::tempdir() },
	  $class;

	$self->_authority($_) for qw(ca other_ca);
	$self->_certificate( 'good', 'ca', names => $HERE );
	$self->_certificate( 'expired', 'ca', names => $HERE, days => -1 );
	$self->_certificate( 'wrong_name', 'ca',
		names => 'subjectAltName=DNS:elsewhere.test' );
	$self->_certificate( 'unknown_ca',        'other_ca', names => $HERE );
	$self->_certificate( 'client',            'ca' );
	$self->_certificate( 'client_unknown_ca', 'other_ca' );
	return $self;
}

# directory: where the files are.
sub directory
{
	return $_[0]->{directory};
}

# certificate('client'), key('client'): the path of the PEM file.
sub certificate
{
	return "$_[0]->{directory}/$_[1].pem";
}

sub key
{
	return "$_[0]->{directory}/$_[1].key";
}

# certificate_pem('client'), key_pem('client'): what is in it.
sub certificate_pem
{
	my ( $self, $name ) = @_;

	return PostgreSQL::Test::Utils::slurp_file( $self->certificate($name) );
}

sub key_pem
{
	my ( $self, $name ) = @_;

	return PostgreSQL::Test::Utils::slurp_file( $self->key($name) );
}

sub _authority
{
	my ( $self, $name ) = @_;

	_openssl(
		'req',                                   '-x509',
		@NEW_KEY,                                '-days',
		'2',                                     '-subj',
		"/CN=$name",                             '-addext',
		'keyUsage=critical,keyCertSign,cRLSign', '-keyout',
		$self->key($name),                       '-out',
		$self->certificate($name) );
	return;
}

sub _certificate
{
	my ( $self, $name, $authority, %with ) = @_;
	my $request    = "$self->{directory}/$name.csr";
	my $extensions = "$self->{directory}/$name.ext";

	PostgreSQL::Test::Utils::append_to_file( $extensions,
		"basicConstraints=CA:FALSE\n" . ( $with{names} || '' ) . "\n" );
	_openssl(
		'req',       '-new',    @NEW_KEY,          '-subj',
		"/CN=$name", '-keyout', $self->key($name), '-out',
		$request );
	_openssl(
		'x509',            '-req',
		'-in',             $request,
		'-CA',             $self->certificate($authority),
		'-CAkey',          $self->key($authority),
		'-CAcreateserial', '-days',
		$with{days} || 2,  '-extfile',
		$extensions,       '-out',
		$self->certificate($name) );
	return;
}

sub _openssl
{
	my (@arguments) = @_;
	my $output = '';

	IPC::Run::run( [ 'openssl', @arguments ], '<', \undef, '>&', \$output )
	  or die "openssl @arguments: $output";
	return;
}

# The receiver behind TLS. It is steered over TLS too, by curl, which is not picky here.
package CxsigTls::Sink;

use strict;
use warnings;

use CxsigTest ();
use IPC::Run  ();

our @ISA = ('CxsigTest::Sink');

# CxsigTls::Sink->start(tls => $tls, server => 'good', client_ca => 'ca', version => '1.2',
#   args => [...]): as CxsigTest::Sink's; client_ca lets in only clients with its certificates. On
# one that was stopped, what is given replaces what was: start(server => 'expired').
sub start
{
	my ( $self, %options ) = @_;

	$self = bless { secrets => {}, port => 0, server => 'good', more => [] },
	  $self
	  unless ref $self;
	$self->{more} = delete $options{args} if $options{args};
	$self->{$_} = $options{$_} for keys %options;

	my $tls  = $self->{tls};
	my @args = (
		'--cert', $tls->certificate( $self->{server} ),
		'--key',  $tls->key( $self->{server} ) );
	push @args, '--client-ca', $tls->certificate( $self->{client_ca} )
	  if defined $self->{client_ca};
	push @args, '--tls-version', $self->{version}
	  if defined $self->{version};
	$self->{args} = [ @args, @{ $self->{more} } ];
	return $self->SUPER::start;
}

sub url
{
	my ( $self, @which ) = @_;
	my $url = $self->SUPER::url(@which);

	$url =~ s{^http://127\.0\.0\.1:}{https://localhost:};
	return $url;
}

sub _request
{
	my ( $self, $method, $path, $query, $body, @allowed ) = @_;
	my $url =
		$self->SUPER::url('/') =~ s{^http:(//[^/]*)/.*}{https:$1}r
	  . $path
	  . CxsigTest::Sink::_query( %{$query} );
	my @command = (
		'curl',      '-sS',
		'-k',        '-m',
		'600',       '--noproxy',
		'*',         '--tlsv1.0',
		'--ciphers', 'DEFAULT@SECLEVEL=0',
		'-X',        $method,
		'-w',        '\n%{http_code}' );
	my ( $answer, $messages ) = ( '', '' );

	$body = '' unless defined $body;
	push @command, '--data-binary', '@-' if $method ne 'GET';
	push @command, '--cert', $self->{tls}->certificate('client'), '--key',
	  $self->{tls}->key('client')
	  if defined $self->{client_ca};
	IPC::Run::run( [ @command, $url ],
		'<', \$body, '>', \$answer, '2>', \$messages )
	  or die "$method $url: $messages";

	my ( $content, $status ) = $answer =~ /^(.*)\n(\d+)$/s;
	die "$method $url: $status $content"
	  unless $status =~ /^2/ || grep { $_ == $status } @allowed;
	return { status => $status, content => $content, success => 1 };
}

1;
