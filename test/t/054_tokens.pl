# Promise: a token is got once for all who have the same credential, and renewed before it ends; where it
# ends early, nothing is lost or repeated. A refresh token that is given anew is never used twice, whoever
# dies. What is refused stops the destination with the reason. Tokens and secrets are nowhere to be read.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigLoad;
use CxsigTest;
use HTTP::Tiny;
use IPC::Open2;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $peer = open2( my $from_peer,
	my $to_peer, 'python3', "$FindBin::RealBin/../lib/token_peer.py" );
my ($port) = readline($from_peer) =~ /^port (\d+)$/;
my $base   = "http://127.0.0.1:$port";
my $http   = HTTP::Tiny->new( proxy => undef, http_proxy => undef );
my $node   = cxsig_node( 'tokens',
	conf => "log_min_messages = debug2\ncxsig.workers = 2\n" );

# client($name, %settings): what the peer knows of a client.
sub client
{
	my ( $name, %settings ) = @_;
	my $response = $http->post( "$base/control/$name",
		{ content => JSON::PP::encode_json( \%settings ) } );

	die $response->{content} unless $response->{success};
	return;
}

sub report
{
	return JSON::PP::decode_json(
		$http->get("$base/report/$_[0]")->{content} );
}

# wait_report($client, $field => $least): whether it gets there in time.
sub wait_report
{
	my ( $client, $field, $least ) = @_;

	for ( 1 .. 600 )
	{
		return 1 if report($client)->{$field} >= $least;
		select undef, undef, undef, 0.05;
	}
	return 0;
}

# A destination of a client: its own, or another's too.
sub with_token
{
	my ( $name, $client, $flow, %with ) = @_;

	return destination(
		$node, $name,
		"$base/hook/$client",
		config => {
			auth => {
				flow => $flow,
				$flow eq 'bearer'
				? ()
				: ( client_id => $client, token_url => "$base/token" ),
				%{ $with{auth} || {} } } },
		options => {
			retry_initial_ms => 20,
			retry_max_ms     => 100,
			filter           => qq(\$.account_id == "$client"),
			%{ $with{options} || {} } },
		secrets => $with{secrets} );
}

sub state_of
{
	my ( $name, $condition ) = @_;

	return wait_for( $node,
		"select $condition from cxsig.destination_status where name = '$name'"
	);
}

sub gone
{
	$node->safe_psql( 'postgres', "select cxsig.drop_destination('$_')" )
	  for @_;
	return;
}

my %secret = ( client_secret => 'n33dle &=%+secret' );

subtest 'settings: what is wrong is named' => sub {
	my %wrong = (
		'"auth"'    => '{"auth": 1}',
		'flow'      => '{"auth": {"flow": "magic"}}',
		'client_id' =>
		  qq({"auth": {"flow": "client_credentials", "token_url": "$base"}}),
		'token_url' =>
		  '{"auth": {"flow": "client_credentials", "client_id": "c"}}',
		'username' =>
		  qq({"auth": {"flow": "jwt_bearer", "client_id": "c", "token_url": "$base"}}),
		'audience' =>
		  qq({"auth": {"flow": "refresh_token", "client_id": "c", "token_url": "$base", "audience": "a"}}),
		'password' => qq({"auth": {"flow": "bearer", "password": "secret"}}),
		'Authorization' =>
		  '{"auth": {"flow": "bearer"}, "headers": {"Authorization": {"secret": "x"}}}'
	);
	for my $key ( sort keys %wrong )
	{
		like(
			error_of(
				$node,
				"select cxsig.create_destination('wrong', 'webhook', '{\"url\": \"$base/hook/x\"}'::jsonb || '$wrong{$key}')"
			),
			qr/$key/, $key );
	}
	with_token( 'unset', 'unset', 'client_credentials' );
	ok( state_of(
			'unset',
			"state = 'stopped' and state_reason ~ 'needs the secret \"client_secret\"'"
		),
		'a secret that is not set stops the destination, and is named' );
	gone('unset');
};

subtest 'one credential is asked for once, whoever needs it' => sub {
	client(
		'shared',
		secret     => $secret{client_secret},
		hold_ms    => 300,
		expires_in => 3600 );
	with_token( "shared$_", 'shared', 'client_credentials',
		secrets => \%secret )
	  for 1 .. 4;
	load_signals(
		$node,
		tickets => 20,
		prefix  => 'shared',
		fields  => { account_id => 'shared' } );
	ok( idle($node), 'delivered' );
	my $report = report('shared');
	is( $report->{asked}, 1,
		'four destinations, two dispatchers, one request' );
	is( $report->{refused},  0,  'nothing went out without it' );
	is( $report->{distinct}, 20, 'all arrived' );
	is( $report->{taken},    80, 'at each of the four' );
	is( $node->safe_psql(
			'postgres', "select ok from cxsig.test_destination('shared1')" ),
		't',
		'a ping carries it too' );
	is( report('shared')->{asked}, 1, 'and asks for none' );
	gone( map { "shared$_" } 1 .. 4 );
};

for my $case (
	[ 'told',   expires_in => 2 ],
	[ 'untold', life       => 0.4 ],
	[ 'early',  expires_in => 3600, life => 0.4 ],
	[   'rotating',
		expires_in => 2,
		rotate     => JSON::PP::true(),
		refresh    => 'n33dle-refresh-first' ] )
{
	my ( $name, %settings ) = @{$case};

	subtest "$name: expiry in mid-run loses and repeats nothing" => sub {
		my $flow = $settings{rotate} ? 'refresh_token' : 'client_credentials';

		client( $name, secret => $secret{client_secret}, %settings );
		with_token(
			$name, $name, $flow,
			secrets => {
				%secret,
				$settings{rotate}
				? ( refresh_token => $settings{refresh} )
				: () } );
		my $rounds = 0;
		while ( report($name)->{granted} < 4 && $rounds++ < 200 )
		{
			load_signals(
				$node,
				tickets => 100,
				prefix  => "$name-$rounds",
				fields  => { account_id => $name } );
			ok( idle($node), 'delivered' ) or return;
		}
		my $report = report($name);
		cmp_ok( $report->{granted}, '>=', 4, 'it ended several times' );
		is( $report->{distinct}, 100 * $rounds, 'nothing is lost' );
		is( $report->{taken},    100 * $rounds, 'nothing is repeated' );
		is( $report->{refused},  0,             'renewed before it ended' )
		  if $name eq 'told';
		is( $report->{overlapped}, 0, 'one request for a token at a time' );
		is( $report->{reused},     0, 'no refresh token was used twice' );
		is( $node->safe_psql(
				'postgres',
				"select max(attempt) || ' ' || count(*) from cxsig.deliveries where destination = '$name'"
			),
			'1 ' . 100 * $rounds,
			'and no attempt burned' );
		gone($name);
	};
}

subtest 'a refresh token given anew survives kill -9' => sub {
	client(
		'killed',
		secret     => $secret{client_secret},
		expires_in => 2,
		rotate     => JSON::PP::true(),
		refresh    => 'n33dle-refresh-killed' );
	with_token( 'killed', 'killed', 'refresh_token',
		secrets => { %secret, refresh_token => 'n33dle-refresh-killed' } );
	for my $round ( 1 .. 2 )
	{
		my $before = report('killed')->{granted};
		ok( wait_report( 'killed', granted => $before + 2 ), 'renewed' );
		ok( wait_for(
				$node,
				"select count(*) = 1 from cxsig.token where refresh_token = "
				  . literal( report('killed')->{refresh} ) ),
			'the newest is kept' );
		my $pid = dispatcher_pid($node);
		kill 'KILL', $pid;
		ok( wait_for(
				$node,
				"select bool_and(pid <> $pid) from cxsig.worker_status
					where process = 'dispatcher'"
			),
			'the server is back' );
		ingest( $node, ticket => "killed-$round", account_id => 'killed' );
		ok( idle($node), 'delivered' );
	}
	is( report('killed')->{reused}, 0, 'none was used twice' );
	is( $node->safe_psql(
			'postgres',
			"select state from cxsig.destination_status where name = 'killed'"
		),
		'active',
		'it goes on' );
	gone('killed');
};

# A token ends when the next one is given, which is before the next one is here: what arrives in between
# is refused, and may be so twice.
subtest 'what a renewal makes void stops nothing' => sub {
	my $refresh = 'n33dle-refresh-void';

	client(
		'void',
		secret     => $secret{client_secret},
		expires_in => 2,
		answer_ms  => 600,
		hook_ms    => 1300,
		rotate     => JSON::PP::true(),
		refresh    => $refresh );
	with_token(
		'void',          'void',
		'refresh_token', secrets => { %secret, refresh_token => $refresh } );
	ingest( $node, ticket => 'void', account_id => 'void' );
	ok( wait_report( 'void', refused => 3 ), 'refused again and again' );
	client( 'void', hook_ms => 0 );
	ok( idle($node), 'nothing waits any more' );
	is( report('void')->{taken}, 1, 'it was delivered' );
	is( $node->safe_psql(
			'postgres',
			"select max(attempt) from cxsig.deliveries where destination = 'void'"
		),
		1,
		'with no attempt burned' );
	gone('void');
};

subtest 'a dispatcher that is ended waits for a refresh token' => sub {
	my $refresh = 'n33dle-refresh-ended';

	client(
		'ended',
		secret  => $secret{client_secret},
		hold_ms => 800,
		rotate  => JSON::PP::true(),
		refresh => $refresh );
	with_token(
		'ended',         'ended',
		'refresh_token', secrets => { %secret, refresh_token => $refresh } );
	ok( wait_report( 'ended', asked => 1 ), 'a request is out' );
	$node->safe_psql( 'postgres',
		"select pg_terminate_backend(pid) from cxsig.worker_status where process = 'dispatcher' and pid is not null"
	);
	ingest( $node, ticket => 'ended', account_id => 'ended' );
	ok( idle($node), 'delivered by the next one' );
	is( report('ended')->{asked},  1, 'with what the first one got' );
	is( report('ended')->{reused}, 0, 'nothing was used twice' );
	gone('ended');
};

subtest 'a token is not used before it is committed' => sub {
	my $refresh = 'n33dle-refresh-locked';
	my $session = session($node);
	my $from    = -s $node->logfile;

	client(
		'locked',
		secret  => $secret{client_secret},
		rotate  => JSON::PP::true(),
		refresh => $refresh );
	$session->query_safe('begin; lock cxsig.token in share mode');
	with_token(
		'locked',        'locked',
		'refresh_token', secrets => { %secret, refresh_token => $refresh } );
	client( 'beside', tokens => { 'n33dle-beside' => 1e12 } );
	with_token(
		"beside$_", 'beside', 'bearer',
		options => { filter => '$.account_id == "locked"' },
		secrets => { token  => 'n33dle-beside' } ) for 1 .. 2;
	ok( wait_report( 'locked', granted => 1 ), 'granted' );
	$node->wait_for_log( qr/lock timeout/, $from );
	ingest( $node, ticket => 'locked', account_id => 'locked' );
	ok( wait_report( 'beside', taken => 2 ),
		'others get it, of either dispatcher' );
	is( report('locked')->{taken},
		0, 'it cannot be written: nothing is sent' );
	ok( wait_for(
			$node,
			q(select holding ~ '^no token' from cxsig.destination_status where name = 'locked')
		),
		'and what it waits for is shown' );
	$session->query_safe('rollback');
	$session->quit;
	ok( idle($node), 'then it is' );
	is( report('locked')->{taken},  1, 'delivered' );
	is( report('locked')->{reused}, 0, 'and not asked for again' );
	is( report('locked')->{asked},  1, 'at all' );
	ok( wait_for(
			$node,
			q(select holding is null from cxsig.destination_status where name = 'locked')
		),
		'and no more' );
	gone(qw(locked beside1 beside2));
};

subtest 'a refusal stops the destination, with the reason' => sub {
	client( 'refused', secret => $secret{client_secret} );
	with_token( 'refused', 'refused', 'client_credentials',
		secrets => { client_secret => 'n33dle-wrong' } );
	ok( state_of(
			'refused',
			"state = 'stopped' and state_reason ~ '401 .*invalid_client: no such secret: <hidden>'"
		),
		'stopped, in the words of the remote, without the secret' );
	is( report('refused')->{asked}, 1, 'asked once' );
	like(
		$node->safe_psql(
			'postgres',
			"select detail from cxsig.test_destination('refused')" ),
		qr/unauthorised: 401 to the request for a token: invalid_client/,
		'a ping says so too' );
	ingest( $node, ticket => 'refused', account_id => 'refused' );
	$node->safe_psql(
		'postgres',
		"do \$\$ begin perform cxsig.set_secret('refused', 'client_secret', '$secret{client_secret}'); end \$\$;
		select cxsig.resume_destination('refused')" );
	ok( idle($node), 'with the right one it goes on' );
	is( report('refused')->{taken}, 1, 'and nothing is lost' );
	gone('refused');
};

subtest 'no answer, 429 and 5xx are tried again' => sub {
	client(
		'later',
		secret => $secret{client_secret},
		faults => [
			[ 503, { error => 'nothing to do with it' } ],
			[ 429, {} ],
			[ 400, { error => 'temporarily_unavailable' } ] ] );
	with_token( 'later', 'later', 'client_credentials', secrets => \%secret );
	ingest( $node, ticket => 'later', account_id => 'later' );
	ok( idle($node), 'delivered' );
	is( report('later')->{asked}, 4, 'at the fourth time of asking' );
	is( report('later')->{taken}, 1, 'once' );
	gone('later');
};

subtest '401: one new token, not more' => sub {
	client( 'deny', secret => $secret{client_secret} );
	with_token( 'deny', 'deny', 'client_credentials', secrets => \%secret );
	ingest( $node, ticket => 'deny', account_id => 'deny' );
	ok( idle($node), 'delivered' );
	client( 'deny', tokens => {} );
	ingest( $node, ticket => 'deny', account_id => 'deny' );
	ok( idle($node), 'delivered with another token' );
	is( report('deny')->{asked},   2, 'one more' );
	is( report('deny')->{refused}, 1, 'after one 401' );
	is( report('deny')->{taken},   2, 'nothing twice' );

	client( 'deny', deny => JSON::PP::true() );
	load_signals(
		$node,
		tickets => 50,
		prefix  => 'deny',
		fields  => { account_id => 'deny' } );
	ok( state_of(
			'deny',
			"state = 'stopped' and state_reason ~ '401.*token <hidden> will not do'"
		),
		'401 for ever: stopped, with the reason, without the token' );
	is( report('deny')->{asked}, 3, 'after one renewal' );
	client( 'deny', deny => JSON::PP::false() );
	$node->safe_psql( 'postgres', "select cxsig.resume_destination('deny')" );
	ok( idle($node), 'resumed' );
	is( report('deny')->{distinct}, 52, 'nothing is lost' );
	is( report('deny')->{taken},    52, 'nothing is repeated' );
	is( $node->safe_psql(
			'postgres', 'select count(*) from cxsig.dead_letters' ),
		0,
		'nothing is dead' );
	gone('deny');
};

subtest 'the other flows' => sub {
	my $key = $node->basedir . '/jwt.pem';

	system_or_bail( 'openssl', 'genrsa', '-out', $key, '2048' );
	client( 'jwt', audience => 'https://login.example.com' );
	with_token(
		'jwt', 'jwt',
		'jwt_bearer',
		auth => {
			username => 'robot@example.com',
			audience => 'https://login.example.com' },
		secrets => { private_key => slurp_file($key) } );
	client( 'static', tokens => { 'n33dle-static' => 1e12 } );
	with_token(
		'static', 'static',
		'bearer', secrets => { token => 'n33dle-static' } );
	ingest( $node, ticket => $_, account_id => $_ ) for 'jwt', 'static';
	ok( idle($node), 'delivered' );
	is( report('jwt')->{taken},    1, 'jwt_bearer' );
	is( report('static')->{taken}, 1, 'bearer' );
	client( 'static', deny => JSON::PP::true() );
	ingest( $node, ticket => 'static', account_id => 'static' );
	ok( state_of( 'static', "state = 'stopped' and state_reason ~ '401'" ),
		'a token that is a secret is not got anew' );
	is( report('static')->{refused}, 1, 'so there is no second try' );
};

subtest 'tokens and secrets are nowhere' => sub {
	my $needle = qr/n33dle/;

	cmp_ok(
		$node->safe_psql(
			'postgres',
			"select count(*) from cxsig.token where access_token ~ 'n33dle'"
		),
		'>', 5,
		'there are some' );
	unlike( slurp_file( $node->logfile ), $needle, 'the server log' );
	unlike(
		$node->safe_psql( 'postgres', 'select * from pg_stat_activity' ) =~
		  s/select \* from pg_stat_activity//r,
		$needle, 'pg_stat_activity' );
	$node->safe_psql( 'postgres', "create role r_$_ login in role cxsig_$_" )
	  for qw(writer reader admin);
	for my $relation (
		split /\n/,
		$node->safe_psql(
			'postgres',
			"select oid::regclass from pg_class where relnamespace = 'cxsig'::regnamespace and relkind in ('v', 'r', 'p') and relname <> 'signal_import'"
		) )
	{
		my $where = $relation =~ /^cxsig\.(secret|token)$/;

		unlike( $node->safe_psql( 'postgres', "select * from $relation" ),
			$needle, $relation )
		  unless $where;
		for my $role (qw(writer reader admin))
		{
			my ( $status, $out ) = $node->psql(
				'postgres',
				"select * from $relation",
				extra_params => [ '-U', "r_$role" ] );
			unlike( $out, $needle, "$relation as $role" );
			isnt( $status, 0, "$relation is closed to $role" ) if $where;
		}
	}
	my $dump = $node->basedir . '/dump.sql';
	$node->command_ok( [ 'pg_dump', '-f', $dump, $node->connstr('postgres') ],
		'pg_dump' );
	unlike( slurp_file($dump), $needle, 'the dump' );
};

$node->stop;
close $to_peer;
waitpid $peer, 0;
done_testing();
