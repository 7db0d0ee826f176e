# CxsigRemote: the stand-ins of the remote APIs (test/remote), for one test.
#
#   my $remote = CxsigRemote->start;
#   destination($node, ..., $remote->url('salesforce'));
#   $remote->config('salesforce', { faults => [ { kind => '503', count => 3 } ] });
#   is( $remote->record( 'salesforce', 'T-1' )->{fields}{Sentiment__c}, 'negative' );
#
# It is one process for all APIs, and ends with the test. What the control calls take and answer is
# told in test/remote/lib/control.js and test/remote/README.md.
package CxsigRemote;

use strict;
use warnings;

use FindBin     ();
use HTTP::Tiny  ();
use JSON::PP    ();
use Time::HiRes ();

use PostgreSQL::Test::Utils;

my $json = JSON::PP->new->canonical->allow_nonref->utf8;
my %running;
my $started = 0;

# CxsigRemote->start(tls => [certificate file, key file], port => N): the stand-ins on a free port.
sub start
{
	my ( $class, %options ) = @_;
	my $self = bless { scheme => $options{tls} ? 'https' : 'http' }, $class;
	my $program = "$FindBin::RealBin/../remote/server.js";
	my $file    = PostgreSQL::Test::Utils::tempdir() . '/port' . $started++;
	my @command = ( node(), $program, '--port-file', $file );

	push @command, '--port', $options{port}     if $options{port};
	push @command, '--tls',  @{ $options{tls} } if $options{tls};
	$self->{pid} = open( $self->{stdin}, '|-', @command )
	  or die "could not run $command[0]: $!";
	$self->{owner} = $$;
	$running{ $self->{pid} } = $$;
	( $self->{port}, $self->{control} ) =
	  _wait_for_ports( $self->{pid}, $file );
	$self->{control} = $self->{port} unless defined $self->{control};
	return $self;
}

# stop: connections are refused from here on, and what was kept is gone.
sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;

	delete $running{$pid};
	local $? = 0;
	kill 'TERM', $pid;
	close $self->{stdin};
	return;
}

sub port
{
	return $_[0]->{port};
}

# url('salesforce'): what is the API's host there.
sub url
{
	my ( $self, $api ) = @_;

	return "$self->{scheme}://127.0.0.1:$self->{port}/$api";
}

# config('salesforce', {faults => [...], delay_ms => 100, objects => {...}}): set these keys; without
# them, all there are.
sub config
{
	my ( $self, $api, $config ) = @_;

	return $self->call( 'GET', "/$api/config" ) unless defined $config;
	return $self->call( 'POST', "/$api/config", {}, $config );
}

# reset('salesforce'): as it was at first, or all of them.
sub reset
{
	my ( $self, $api ) = @_;

	return $self->call( 'POST', defined $api ? "/$api/reset" : '/reset' );
}

# expire, revoke, release('salesforce'): access tokens end; no token is good; what a "hold" keeps
# goes on.
sub expire
{
	return $_[0]->call( 'POST', "/$_[1]/expire" );
}

sub revoke
{
	return $_[0]->call( 'POST', "/$_[1]/revoke" );
}

sub release
{
	return $_[0]->call( 'POST', "/$_[1]/release" )->{released};
}

# counters('salesforce'): a hash: requests by kind and status, records, tokens, refused, ...
sub counters
{
	return $_[0]->call( 'GET', "/$_[1]/counters" );
}

# requests('salesforce', 'upsert'): how many of that kind were answered so, or at all.
sub requests
{
	my ( $self, $api, $kind, $status ) = @_;
	my $by_status = $self->counters($api)->{requests}{$kind} || {};
	my $sum       = 0;

	return $by_status->{$status} || 0 if defined $status;
	$sum += $_ for values %{$by_status};
	return $sum;
}

# captured('salesforce', kind => 'upsert'): the last requests: hashes with method, path, headers, body.
sub captured
{
	my ( $self, $api, %which ) = @_;

	return @{ $self->call( 'GET', "/$api/requests", \%which )->{requests} };
}

# records, history('salesforce', object => ..., key => ..., id => ..., limit => ...): lists of hashes.
sub records
{
	my ( $self, $api, %which ) = @_;

	return @{ $self->call( 'GET', "/$api/records", \%which )->{records} };
}

sub history
{
	my ( $self, $api, %which ) = @_;

	return @{ $self->call( 'GET', "/$api/history", \%which )->{history} };
}

# record('salesforce', 'T-1'): the one record known by that external id; undef where there is none.
sub record
{
	my ( $self, $api, $key, %which ) = @_;
	my @records = $self->records( $api, key => $key, %which );

	die scalar(@records) . " records of $api are $key" if @records > 1;
	return $records[0];
}

# total('salesforce'): how many records there are.
sub total
{
	my ( $self, $api, %which ) = @_;

	return $self->call( 'GET', "/$api/records", { %which, limit => 0 } )
	  ->{total};
}

# records_text, history_text('salesforce', 'Ticket_Key__c', 'Version__c'): of all, as COPY reads it.
sub records_text
{
	my ( $self, $api, @columns ) = @_;

	return $self->_request( 'GET', "/$api/records",
		{ columns => join( ',', @columns ) } );
}

sub history_text
{
	my ( $self, $api, @columns ) = @_;

	return $self->_request( 'GET', "/$api/history",
		{ columns => join( ',', @columns ) } );
}

# regressions, repeats('salesforce', 'Version__c'): writes older than, or as new as, what was there.
sub regressions
{
	my ( $self, $api, $field ) = @_;

	return
	  @{ $self->call( 'GET', "/$api/regressions", { field => $field } )
		  ->{regressions} };
}

sub repeats
{
	my ( $self, $api, $field ) = @_;

	return $self->call( 'GET', "/$api/repeats", { field => $field } )
	  ->{total};
}

# duplicates('salesforce', $field): values that more than one record has where one should.
sub duplicates
{
	my ( $self, $api, $field ) = @_;

	return @{
		$self->call(
			'GET', "/$api/duplicates",
			defined $field ? { field => $field } : {} )->{duplicates} };
}

# wait_counters('salesforce', sub { $_[0]->{held} >= 1 }, $seconds): whether it holds within the time.
sub wait_counters
{
	my ( $self, $api, $holds, $seconds ) = @_;
	my $end = Time::HiRes::time() + ( $seconds || 60 );

	while ( Time::HiRes::time() < $end )
	{
		return 1 if $holds->( $self->counters($api) );
		Time::HiRes::usleep(20_000);
	}
	return 0;
}

# call('POST', '/salesforce/config', {query}, body): a control call; its answer.
sub call
{
	my ( $self, $method, $path, $query, $body ) = @_;

	return $json->decode(
		$self->_request(
			$method,      $path,
			$query || {}, defined $body ? $json->encode($body) : undef ) );
}

sub _request
{
	my ( $self, $method, $path, $query, $body ) = @_;
	my $http = HTTP::Tiny->new(
		timeout    => 120,
		proxy      => undef,
		http_proxy => undef );
	my $parameters = $http->www_form_urlencode($query);
	my $response   = $http->request(
		$method,
		"http://127.0.0.1:$self->{control}/_control$path?$parameters",
		defined $body ? { content => $body } : {} );

	die "$method $path: $response->{status} $response->{content}"
	  unless $response->{success};
	return $response->{content};
}

# CxsigRemote::node(): the node to use: CXSIG_NODE, or the first in the path.
sub node
{
	return $ENV{CXSIG_NODE} if $ENV{CXSIG_NODE};
	for my $directory ( split /:/, $ENV{PATH} )
	{
		for my $name (qw(node nodejs))
		{
			return "$directory/$name" if -x "$directory/$name";
		}
	}
	die
	  'the stand-ins need node 18 or newer: run "make deps", or set CXSIG_NODE';
}

sub _wait_for_ports
{
	my ( $pid, $file ) = @_;
	my $end = Time::HiRes::time() + 60;

	while ( !-e $file )
	{
		die 'the stand-ins did not start'
		  if Time::HiRes::time() > $end || waitpid( $pid, 1 ) == $pid;
		Time::HiRes::usleep(10_000);
	}
	return split /\n/, PostgreSQL::Test::Utils::slurp_file($file);
}

sub DESTROY
{
	my ($self) = @_;

	$self->stop if defined $self->{owner} && $self->{owner} == $$;
	return;
}

END
{
	for my $pid ( keys %running )
	{
		kill 'TERM', $pid if $running{$pid} == $$;
	}
}

1;
