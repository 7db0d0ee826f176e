# Promise: a URL cannot make the server talk to where it should not. The address is checked when the
# socket is opened, whatever name led to it; redirects are not followed; only http and https.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
$ENV{http_proxy} = $ENV{all_proxy} = 'http://127.0.0.1:' . $sink->port;
my $node =
  cxsig_node( 'addresses', conf => "cxsig.allowed_networks = 'public'\n" );
my $port = $sink->port;
my $n    = 0;

for my $host (
	'127.0.0.1',          'localhost',
	'2130706433',         '0x7f000001',
	'127.1',              '[::1]',
	'[::ffff:127.0.0.1]', '0.0.0.0',
	'10.0.0.1',           '192.168.1.1',
	'169.254.169.254',    '[fd00::1]',
	'[fe80::1]' )
{
	my $name = 'd' . ++$n;
	destination( $node, $name, "http://$host:$port/in/$name",
		options => { retry_initial_ms => 10, connect_timeout_ms => 5000 } );
	my $answer = $node->safe_psql( 'postgres',
		"select ok, detail from cxsig.test_destination('$name')" );
	like(
		$answer,
		qr/^f\|.*(not in cxsig\.allowed_networks)/,
		"a private address is refused: $host" ) or diag($answer);
}
ingest( $node, ticket => 'T-1' );
ok( wait_for(
		$node,
		"select bool_and(last_error ~ 'allowed_networks') from cxsig.destination_status"
	),
	'a private address is refused: by the worker too, which says so' );
is( $node->safe_psql( 'postgres', 'select count(*) from cxsig.dead_letter' ),
	0,
	'a private address is refused: nothing is lost' );

subtest 'what is allowed again is delivered' => sub {
	$node->append_conf( 'postgresql.conf',
		"cxsig.allowed_networks = 'loopback'\n" );
	$node->reload;
	ok( $sink->wait_ok( 'd1', 1 ), 'delivered' );
};

subtest 'redirects are not followed' => sub {
	destination( $node, 'redirect',
		$sink->url( 'redirect', redirect => $sink->url('elsewhere') ) );
	ingest( $node, ticket => 'T-2' );
	ok( wait_for(
			$node,
			"select count(*) = 1 from cxsig.dead_letters where destination = 'redirect' and http_status between 300 and 399"
		),
		'a dead letter with the status' );
	is( $sink->stats('elsewhere')->{received} || 0,
		0, 'nothing arrives elsewhere' );
};

for my $url (
	'file:///etc/passwd',          'ftp://example.com/',
	'gopher://example.com/',       'example.com',
	'http://user:pw@example.com/', '' )
{
	like(
		error_of(
			$node,
			"select cxsig.create_destination('bad', 'webhook', "
			  . literal( to_json( { url => $url } ) ) . ')' ),
		qr/url/,
		"refused: \"$url\"" );
}
like(
	error_of(
		$node, "alter system set cxsig.allowed_networks = 'everywhere'" ),
	qr/invalid value.*allowed_networks/s,
	'a wrong setting is refused' );

$node->stop;
done_testing();
