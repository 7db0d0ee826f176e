# CxsigTest: what the TAP tests share: a server that preloads cxsig, the receiver, and short ways to
# make destinations, ingest signals and wait for what follows. Nothing here sleeps: every wait is for
# a state and has a bound.
package CxsigTest;

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use POSIX    ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes ();

our @EXPORT = qw(
  cxsig_node destination dispatcher_pid error_of idle ingest literal psql_json
  session signal to_json wait_for
);

my $json             = JSON::PP->new->canonical->allow_nonref;
my $last_occurred_us = 0;

# cxsig_node('name', conf => "text", extension => 1, init => [...], start => 1, install_path => dir):
# a started server that preloads cxsig and lets it send to this machine only.
sub cxsig_node
{
	my ( $name, %options ) = @_;
	my $node = PostgreSQL::Test::Cluster->new( $name,
		map { ( $_ => $options{$_} ) }
		grep { defined $options{$_} } 'install_path' );

	$node->init(
		extra => [ '-E', 'UTF8', '--locale=C.UTF-8' ],
		@{ $options{init} || [] } );
	$node->append_conf( 'postgresql.conf',
		<<"CONF" . ( $options{conf} || '' ) );
shared_preload_libraries = 'cxsig'
cxsig.allowed_networks = 'loopback'
fsync = on
log_statement = none
max_connections = 100
max_prepared_transactions = 10
max_worker_processes = 16
restart_after_crash = on
timezone = 'UTC'
CONF
	return $node if defined $options{start} && !$options{start};
	$node->start;
	$node->safe_psql( 'postgres', 'create extension cxsig' )
	  unless defined $options{extension} && !$options{extension};
	return $node;
}

# A text as an SQL literal; undef is null.
sub literal
{
	my ($text) = @_;

	return 'null' unless defined $text;
	$text =~ s/'/''/g;
	return $text =~ s/\\/\\\\/g ? "E'$text'" : "'$text'";
}

sub to_json
{
	return $json->encode( $_[0] );
}

# psql_json($node, $sql): the decoded JSON values a query answers, one a row; in scalar context the
# first.
sub psql_json
{
	my ( $node, $sql ) = @_;
	my @rows = map { $json->decode($_) } split /\n/,
	  $node->safe_psql( 'postgres', $sql );

	return wantarray ? @rows : $rows[0];
}

# error_of($node, $sql): the messages of a statement that has to fail; dies where it does not.
sub error_of
{
	my ( $node, $sql ) = @_;
	my ( $status, undef, $messages ) =
	  $node->psql( 'postgres', $sql, on_error_stop => 1 );

	die "no error from: $sql" if $status == 0;
	return $messages;
}

# session($node): a psql of its own, to hold transactions open in.
sub session
{
	my ( $node, %options ) = @_;

	return $node->background_psql( 'postgres', %options );
}

# signal(ticket => 'T-1', %fields): an input to cxsig.ingest() as JSON text. What is not given is
# made up; occurred_at ascends from call to call, so that keys and revisions do.
sub signal
{
	my (%fields) = @_;
	my $ticket   = delete $fields{ticket};
	my $now      = int( Time::HiRes::time() * 1e6 );

	$last_occurred_us =
	  $now > $last_occurred_us ? $now : $last_occurred_us + 1;
	my %signal = (
		ticket_id   => $ticket,
		occurred_at => POSIX::strftime( '%Y-%m-%dT%H:%M:%S',
			gmtime( int( $last_occurred_us / 1e6 ) ) )
		  . sprintf( '.%06dZ', $last_occurred_us % 1_000_000 ),
		source_system => 'test',
		evidence_url  => 'https://help.example.com/evidence',
		%fields );
	return $json->encode( \%signal );
}

# ingest($node, ticket => 'T-1', %fields): the ingest_result as a hash.
sub ingest
{
	my ( $node, %fields ) = @_;

	return psql_json( $node,
			'select pg_catalog.to_jsonb(r) from cxsig.ingest('
		  . literal( signal(%fields) )
		  . ') r' );
}

# destination($node, $name, $url, config => {}, options => {}, secret => 'whsec_...',
#   secrets => {name => value}): a webhook destination with its secrets, in one transaction; its id.
sub destination
{
	my ( $node, $name, $url, %with ) = @_;
	my %secrets = %{ $with{secrets} || {} };
	my $sql     = 'begin; select cxsig.create_destination('
	  . join( ', ',
		literal($name),
		literal( $with{transport} || 'webhook' ),
		literal( to_json( { url => $url, %{ $with{config} || {} } } ) ),
		literal( to_json( $with{options} || {} ) ) )
	  . ');';

	$secrets{signing} = $with{secret} if defined $with{secret};
	$sql .=
		' do $do$ begin perform cxsig.set_secret('
	  . join( ', ', literal($name), literal($_), literal( $secrets{$_} ) )
	  . '); end $do$;'
	  for sort keys %secrets;
	return $node->safe_psql( 'postgres', "$sql commit;" );
}

# idle($node, $seconds): whether all that was committed has its final outcome within that time.
sub idle
{
	my ( $node, $seconds ) = @_;

	$seconds ||= 60;
	return $node->safe_psql( 'postgres',
		"select cxsig.wait_until_idle('$seconds s')" ) eq 't';
}

# wait_for($node, $sql, $seconds, $expected): whether the query answers that (t) within the time.
sub wait_for
{
	my ( $node, $sql, $seconds, $expected ) = @_;
	local $PostgreSQL::Test::Utils::timeout_default = $seconds || 60;

	return $node->poll_query_until( 'postgres', $sql, $expected );
}

# dispatcher_pid($node): process id of the dispatcher of this database, once there is one.
sub dispatcher_pid
{
	my ($node) = @_;
	my $which = "from cxsig.worker_status where process = 'dispatcher'
		and database = current_database() and pid is not null";

	wait_for( $node, "select exists (select $which)" )
	  or die 'no dispatcher has started';
	return $node->safe_psql( 'postgres', "select pid $which limit 1" );
}

# The receiver (test/sink). Paths are given as 'name' or '/in/name'.
package CxsigTest::Sink;

use strict;
use warnings;

use FindBin    ();
use HTTP::Tiny ();

my %running;

# CxsigTest::Sink->start(args => [...]): a receiver on a free port, ended with the test; or, on one
# that was stopped, the same port again with the same secrets, and empty counters.
sub start
{
	my ( $self, %options ) = @_;

	$self = bless { args => $options{args} || [], secrets => {}, port => 0 },
	  $self
	  unless ref $self;
	return $self if $self->{pid};

	my $program = $ENV{CXSIG_SINK} || "$FindBin::RealBin/../sink/sink";
	local $SIG{ALRM} = sub { die "the receiver did not start\n" };
	alarm 20;
	$self->{pid} =
	  open( $self->{out}, '-|', $program, '--with-parent',
		'--port', $self->{port}, @{ $self->{args} } )
	  or die "could not run $program: $!";
	my $line = readline( $self->{out} );
	alarm 0;
	die "the receiver did not start on port $self->{port}"
	  unless defined $line && $line =~ /^port (\d+)$/;
	$self->{port}            = $1;
	$self->{owner}           = $$;
	$running{ $self->{pid} } = $$;
	$self->secret( $_, @{ $self->{secrets}{$_} } )
	  for sort keys %{ $self->{secrets} };
	return $self;
}

# stop: from here on connections are refused, as in an outage; what it had counted is gone.
sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;

	delete $running{$pid};
	local $? = 0;
	kill 'TERM', $pid;
	close $self->{out};
	return;
}

sub port
{
	return $_[0]->{port};
}

# url('crm', fail_first => 3): where a destination sends to, and how it is answered (behave.h).
sub url
{
	my ( $self, $path, %query ) = @_;

	return "http://127.0.0.1:$self->{port}" . _path($path) . _query(%query);
}

# stats('crm'): its counters (a hash).
sub stats
{
	my ( $self, $path ) = @_;

	return $self->_call( 'GET', '/stats', { path => _path($path) } );
}

# log('crm', after => N, limit => N): the attempts, a hash each, in order of arrival.
sub log
{
	my ( $self, $path, %which ) = @_;
	my $text =
	  $self->_request( 'GET', '/log', { path => _path($path), %which } )
	  ->{content};

	return map { JSON::PP::decode_json($_) } split /\n/, $text;
}

# wait_ok('crm', $n, $seconds): whether so many different events have been taken within the time.
sub wait_ok
{
	my ( $self, $path, $n, $seconds ) = @_;

	return $self->wait_counters( $path, { distinct => $n }, $seconds );
}

# wait_counters('crm', {ok => N, distinct => N, received => N}, $seconds): the same for any of them.
sub wait_counters
{
	my ( $self, $path, $counters, $seconds ) = @_;
	my $response = $self->_request(
		'GET', '/wait',
		{   path => _path($path),
			%{$counters},
			timeout_ms => 1000 * ( $seconds || 60 ) },
		undef, 408 );

	return $response->{status} == 200;
}

# behave('crm', {status => 503}): answer so from now on; {from_url => 1} ends that.
sub behave
{
	my ( $self, $path, $behaviour ) = @_;
	my %body = ( %{$behaviour}, path => _path($path) );

	$body{from_url} = JSON::PP::true() if $body{from_url};
	return $self->_call( 'POST', '/behave', {},
		JSON::PP::encode_json( \%body ) );
}

# secret('crm', 'whsec_...', ...): check signatures with these.
sub secret
{
	my ( $self, $path, @secrets ) = @_;

	$self->{secrets}{$path} = [@secrets];
	return $self->_call(
		'POST',
		'/secret',
		{},
		JSON::PP::encode_json(
			{ path => _path($path), secrets => \@secrets } ) );
}

# missing('crm', @event_ids): {asked, missing, others, examples}: which of them never got a 2xx.
sub missing
{
	my ( $self, $path, @ids ) = @_;

	return $self->_call(
		'POST', '/missing',
		{ path => _path($path) },
		join( "\n", @ids ) );
}

# reset('crm'): forget what arrived there, or everywhere.
sub reset
{
	my ( $self, $path ) = @_;

	return $self->_call( 'POST', '/reset',
		defined $path ? { path => _path($path) } : {}, '' );
}

sub _path
{
	my ($path) = @_;

	return $path =~ m{^/} ? $path : "/in/$path";
}

sub _query
{
	my (%query) = @_;
	my @pairs;

	for my $name ( sort keys %query )
	{
		my $value = $query{$name};
		$value =~ s/([^A-Za-z0-9_.~-])/sprintf('%%%02X', ord($1))/ge;
		push @pairs, "$name=$value";
	}
	return @pairs ? '?' . join( '&', @pairs ) : '';
}

sub _request
{
	my ( $self, $method, $url, $query, $body, @allowed ) = @_;
	my $http = HTTP::Tiny->new(
		timeout    => 600,
		proxy      => undef,
		http_proxy => undef );
	my $response = $http->request(
		$method,
		"http://127.0.0.1:$self->{port}$url" . _query( %{$query} ),
		defined $body ? { content => $body } : {} );

	die "$method $url: $response->{status} $response->{content}"
	  unless $response->{success}
	  || grep { $_ == $response->{status} } @allowed;
	return $response;
}

sub _call
{
	my ( $self, @request ) = @_;

	return JSON::PP::decode_json( $self->_request(@request)->{content} );
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
