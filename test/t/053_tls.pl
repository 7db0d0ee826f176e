# Promise: TLS. Nothing is sent to a server that cannot show that it is the one meant; a destination can
# name its authorities, show a certificate of its own and insist on a version; what is wrong is said.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use CxsigTls;
use PostgreSQL::Test::Utils;
use Test::More;

my $tls  = CxsigTls->new;
my $node = cxsig_node( 'tls',
		conf => "cxsig.ca_directory = '"
	  . $tls->directory
	  . "'\nlog_min_messages = debug1\n" );
my %soon = ( options => { retry_initial_ms => 50, retry_max_ms => 50 } );

# made($name, $sink, \%tls, %secrets): a destination that tries again soon
sub made
{
	my ( $name, $sink, $how, %secrets ) = @_;

	destination(
		$node, $name, $sink->url($name), %soon,
		config  => $how ? { tls => $how } : {},
		secrets => \%secrets );
	return;
}

sub alter
{
	my ( $name, $sink, $how ) = @_;

	$node->safe_psql( 'postgres',
			'select cxsig.alter_destination('
		  . literal($name) . ', '
		  . literal( to_json( { url => $sink->url($name), tls => $how } ) )
		  . ')' );
	return;
}

# fails($name, $sink, 'words'): an event for it waits, and says why; so does a ping. Nothing has arrived.
# With TLS 1.3 a server can have gone before the client has read why, so there is another try.
sub fails
{
	my ( $name, $sink, $words ) = @_;

	ingest( $node, ticket => "T-$name" );
	ok( wait_for(
			$node,
			"select last_error ~ "
			  . literal("^could not set up TLS: $words")
			  . " from cxsig.destination_status where name = '$name'" ),
		"$name: says why" );
	my $detail;
	for ( 1 .. 50 )
	{
		$detail = $node->safe_psql( 'postgres',
			"select detail from cxsig.test_destination('$name')" );
		last if $detail !~ /^retry: there was no answer/;
	}
	like(
		$detail,
		qr/^retry: could not set up TLS: $words/,
		"$name: so does a ping" );
	ok( !$sink->stats($name)->{received}, "$name: nothing was sent" );
	return;
}

sub delivers
{
	my ( $name, $sink, $what ) = @_;

	ingest( $node, ticket => "T-$name" );
	ok( wait_for( $node, <<"SQL"), "$name: $what" );
select count(*) > 0 and not exists (select from cxsig.retry r join cxsig.destination d using (destination_id)
		where d.name = '$name')
	from cxsig.deliveries where destination = '$name' and outcome = 'delivered'
SQL
	return;
}

# set_secret($destination, $name, $value): the statement that does it
sub set_secret
{
	my (@arguments) = map { literal($_) } @_;

	return
		'do $do$ begin perform cxsig.set_secret('
	  . join( ', ', @arguments )
	  . '); end $do$;';
}

# gone(@names): so that further events are none of theirs
sub gone
{
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('$_')" )
	  for @_;
	return;
}

subtest 'nothing is sent to a server that is not verified' => sub {
	my %sinks =
	  map { $_ => CxsigTls::Sink->start( tls => $tls, server => $_ ) }
	  qw(good expired wrong_name unknown_ca);
	my %words = (
		expired    => 'certificate has expired',
		wrong_name => ".*name matches target host name 'localhost'",
		unknown_ca => 'unable to get local issuer certificate' );

	made( 'system', $sinks{good}, undef );
	fails( 'system', $sinks{good}, 'unable to get local issuer certificate' );
	alter( 'system', $sinks{good}, { ca_file => 'ca.pem' } );
	delivers( 'system', $sinks{good}, 'delivered once it names the CA' );

	for my $name ( sort keys %words )
	{
		made( $name, $sinks{$name}, { ca_file => 'ca.pem' } );
		fails( $name, $sinks{$name}, $words{$name} );
	}
	alter( 'unknown_ca', $sinks{unknown_ca}, { ca_file => 'other_ca.pem' } );
	delivers( 'unknown_ca', $sinks{unknown_ca},
		'delivered after alter_destination' );
	for my $name (qw(expired wrong_name))
	{
		$sinks{$name}->stop;
		$sinks{$name}->start( server => 'good' );
		delivers( $name, $sinks{$name},
			'delivered once the server has a good certificate' );
	}

	# A connection that one destination has is not for one that trusts another CA.
	made( 'doubting', $sinks{good}, { ca_file => 'other_ca.pem' } );
	fails( 'doubting', $sinks{good},
		'unable to get local issuer certificate' );
	gone( 'system', 'doubting', keys %words );
};

subtest 'client certificates' => sub {
	my $sink = CxsigTls::Sink->start( tls => $tls, client_ca => 'ca' );
	my %how  = (
		ca_file            => 'ca.pem',
		client_certificate => { secret => 'certificate' },
		client_key         => { secret => 'key' } );
	my %good = (
		certificate => $tls->certificate_pem('client'),
		key         => $tls->key_pem('client') );

	made( 'none', $sink, { ca_file => 'ca.pem' } );
	fails( 'none', $sink, '.*alert certificate required' );
	made(
		'stranger', $sink, \%how,
		certificate => $tls->certificate_pem('client_unknown_ca'),
		key         => $tls->key_pem('client_unknown_ca') );
	fails( 'stranger', $sink, '.*alert unknown ca' );

	made( 'client', $sink, \%how, %good );
	delivers( 'client', $sink, 'delivered with its certificate' );
	ok( !$sink->stats('none')->{received}
		  && !$sink->stats('stranger')->{received},
		'its connection is not for those that have none, or another' );

	my $pair = $good{certificate} . $good{key};
	made(
		'pair', $sink,
		{   %how,
			client_certificate => { secret => 'pair' },
			client_key         => { secret => 'pair' } },
		pair => $pair );
	delivers( 'pair', $sink, 'one secret can hold the two' );

	$node->safe_psql(
		'postgres',
		join(
			' ', 'begin;',
			(   map { set_secret( 'stranger', $_, $good{$_} ) }
				sort keys %good ),
			'commit' ) );
	delivers( 'stranger', $sink, 'delivered once it has the right one' );
	gone(qw(none stranger client pair));
};

subtest 'versions' => sub {
	my $v12 = CxsigTls::Sink->start( tls => $tls, version => '1.2' );
	my $v13 = CxsigTls::Sink->start( tls => $tls, version => '1.3' );
	my $v11 = CxsigTls::Sink->start( tls => $tls, version => '1.1' );
	my $refused =
	  '.*(protocol version|unsupported protocol|server closed the connection)';

	made( 'too_old', $v12, { ca_file => 'ca.pem', min_version => '1.3' } );
	fails( 'too_old', $v12, $refused );
	alter( 'too_old', $v12, { ca_file => 'ca.pem', min_version => '1.2' } );
	delivers( 'too_old', $v12, 'delivered where 1.2 will do' );

	# The other way round: a connection of version 1.2 is not for one that insists on 1.3.
	made( 'newest', $v12, { ca_file => 'ca.pem', min_version => '1.3' } );
	fails( 'newest', $v12, $refused );

	made( 'new', $v13, { ca_file => 'ca.pem', min_version => '1.3' } );
	delivers( 'new', $v13, 'delivered with 1.3' );
	made( 'ancient', $v11, { ca_file => 'ca.pem' } );
	fails( 'ancient', $v11, $refused );
	gone(qw(too_old newest new ancient));
};

subtest 'what is wrong is named' => sub {
	my $secrets = $node->basedir . '/outside';
	my %wrong   = (
		'{"ca_file": "../ca.pem"}' => qr/"tls.ca_file".*does not name a file/,
		'{"ca_file": "/etc/passwd"}' => qr/"tls.ca_file".*does not name/,
		'{"ca_file": "missing.pem"}' => qr/"tls.ca_file".*No such file/,
		'{"ca_file": "ca.key"}'      => qr/"tls.ca_file".*no PEM certificate/,
		'{"ca_file": "empty.pem"}'   => qr/"tls.ca_file".*is empty/,
		'{"ca_file": "damaged.pem"}' => qr/"tls.ca_file".*damaged/,
		'{"ca_file": "elsewhere.pem"}' => qr/"tls.ca_file".*symbolic link/,
		'{"ca_file": 1}'               => qr/"tls.ca_file".*not a string/,
		'{"min_version": "1.1"}'       => qr/"tls.min_version".*"1.3"/s,
		'{"verify": false}'            => qr/"tls.verify".*verified always/s,
		'{"client_key": {"secret": "key"}}' =>
		  qr/"tls.client_certificate".*missing/,
		'{"client_certificate": {"secret": "key"}}' =>
		  qr/"tls.client_key".*missing/,
		'{"client_certificate": "key", "client_key": {"secret": "key"}}' =>
		  qr/"tls.client_certificate".*\{"secret": "name"\}/,
		'true' => qr/"tls".*not an object/ );

	append_to_file( $tls->directory . '/empty.pem', "\n" );
	append_to_file(
		$tls->directory . '/damaged.pem',
		$tls->certificate_pem('ca') =~ s/M/!/r );
	append_to_file( $secrets, $tls->certificate_pem('ca') );
	symlink( $secrets, $tls->directory . '/elsewhere.pem' ) or die $!;
	for my $how ( sort keys %wrong )
	{
		like(
			error_of(
				$node,
				qq(select cxsig.create_destination('wrong', 'webhook', '{"url": "https://localhost/", "tls": $how}'))
			),
			$wrong{$how},
			$how );
	}
	like(
		error_of(
			$node,
			q(select cxsig.create_destination('wrong', 'webhook', '{"url": "http://localhost/", "tls": {}}'))
		),
		qr/"tls".*not https/s,
		'of no use without https' );
	like(
		error_of( $node, "select cxsig.set_secret('none', 'key', 'x')" ),
		qr/does not exist/,
		'and no destination either' );
};

subtest 'a certificate and key that do not work stop the destination' => sub {
	my $sink = CxsigTls::Sink->start( tls => $tls );
	my %how  = (
		ca_file            => 'ca.pem',
		client_certificate => { secret => 'certificate' },
		client_key         => { secret => 'key' } );
	my $key = $tls->key_pem('client');

	made( 'bad', $sink, \%how,
		certificate => $tls->certificate_pem('client') );
	ok( wait_for( $node, <<'SQL'), 'the key is missing' );
select state = 'stopped' and state_reason ~ 'tls.client_key.*secret "key" is not set'
	from cxsig.destination_status where name = 'bad'
SQL
	like(
		error_of( $node, "select * from cxsig.test_destination('bad')" ),
		qr/"tls.client_key".*"key" is not set/,
		'a ping says so too' );
	$node->safe_psql( 'postgres',
		set_secret( 'bad', 'key', $tls->key_pem('client_unknown_ca') )
		  . q(select cxsig.resume_destination('bad')) );
	ok( wait_for( $node, <<'SQL'), 'the key is another one\'s' );
select state = 'stopped' and state_reason ~ 'tls.client_key.*not the key of the client certificate'
	from cxsig.destination_status where name = 'bad'
SQL

	for my $broken ( $key =~ s/(?<=\n)M/!/r,
		$tls->certificate_pem('client') =~ s/(?<=\n)M/!/r )
	{
		my $error = error_of( $node, set_secret( 'bad', 'key', $broken ) );
		like( $error, qr/secret "key" cannot be used: .* damaged/,
			'damaged' );
		unlike( $error, qr/BEGIN/, 'and not shown' );
	}
	$node->safe_psql( 'postgres',
		set_secret( 'bad', 'key', $key )
		  . q(select cxsig.resume_destination('bad')) );
	delivers( 'bad', $sink, 'delivered with the right one' );

	my ($needle) = $key =~ /\n(\S{40})/;
	unlike( slurp_file( $node->logfile ),
		qr/\Q$needle\E/, 'the key is nowhere: the log' );
	unlike(
		$node->safe_psql(
			'postgres',
			'select d::text from cxsig.destination d union all select s::text from cxsig.destination_status s'
		),
		qr/\Q$needle\E/,
		'the key is nowhere: the destination' );
	gone('bad');
};

$node->stop('fast');
done_testing();
