# Promise: verify() tells exactly what a CRM holds otherwise than it should - a field that somebody
# changed, a record that is gone, what still waits, what is dead - and nothing where all is equal; repair
# mends just that, and never takes a newer revision back; a CRM that asks to be left alone is, and one
# that does not answer is told of as such.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigCrm qw(drop_destination);
use CxsigRemote;
use CxsigTest;
use HTTP::Tiny ();
use PostgreSQL::Test::Utils;
use Test::More;

my $remote    = CxsigRemote->start;
my $node      = cxsig_node('verify');
my $sentiment = 360001;
my $version   = 360002;
my $since;
my %auth = ( auth => { clients => { cx => 's3cret' } } );
my %fast = (
	retry_initial_ms      => 50,
	retry_max_ms          => 500,
	first_byte_timeout_ms => 5000 );

# Each CRM: how it is set up, and how somebody else changes a record there, or deletes it.
my %crm = (
	salesforce => {
		remote => {
			auth => {
				clients => { cx => 's3cret' },
				flows   => ['client_credentials'] } },
		config => {
			auth        => { client_id => 'cx' },
			object      => 'CX_Signal__c',
			external_id => { field => 'Ticket_Key__c' } },
		field   => 'Sentiment__c',
		version => 'Version__c',
		read    => 'query',
		secret  => 'client_secret',
		change  => sub {
			rest( 'salesforce', 'PATCH', $_[0], { Sentiment__c => $_[1] } );
		},
		path => 'services/data/v60.0/sobjects/CX_Signal__c/%s' },
	hubspot => {
		remote => { auth => { static_tokens => ['pat-1'] } },
		config => {
			auth        => { flow => 'bearer' },
			object_type => 'tickets',
			external_id => { field => 'cxsig_ticket_key' } },
		field   => 'cxsig_sentiment',
		version => 'cxsig_version',
		read    => 'read',
		secret  => 'token',
		value   => 'pat-1',
		change  => sub {
			rest( 'hubspot', 'PATCH', $_[0],
				{ properties => { cxsig_sentiment => $_[1] } } );
		},
		path => 'crm/v3/objects/tickets/%s' },
	zendesk => {
		remote => {
			%auth,
			tickets => { from => 1, to => 12, each => { tags => ['vip'] } },
			ticket_fields => [
				{ id => $sentiment, title => 'Sentiment', type => 'text' },
				{ id => $version,   title => 'Version',   type => 'integer' }
			] },
		config  => { auth => { client_id => 'cx' } },
		mapping => {
			custom_fields =>
			  { $sentiment => '$.sentiment', $version => '$.version' } },
		field   => "custom_fields.$sentiment",
		version => $version,
		read    => 'ticket_read_many',
		secret  => 'client_secret',
		change  => sub {
			$remote->call(
				'POST',
				'/zendesk/agent',
				{},
				{   id            => $_[0]{key},
					custom_fields => [ { id => $sentiment, value => $_[1] } ]
				} );
		}
	},
	dynamics => {
		remote => {
			%auth,
			tenant => 'acme.example',
			tables => [
				{   name    => 'cx_signal',
					set     => 'cx_signals',
					columns => {
						cx_key       => { type => 'String', max => 100 },
						cx_sentiment => { type => 'String' },
						cx_version   => { type => 'Integer' } },
					keys => [ ['cx_key'] ] } ] },
		config => {
			auth        => { client_id => 'cx' },
			entity_set  => 'cx_signals',
			external_id => { field => 'cx_key' } },
		field   => 'cx_sentiment',
		version => 'cx_version',
		read    => 'read',
		secret  => 'client_secret',
		change  => sub {
			rest( 'dynamics', 'PATCH', $_[0], { cx_sentiment => $_[1] } );
		},
		path => 'api/data/v9.2/cx_signals(%s)' } );

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# What somebody else does to a record, with the token there is.
sub rest
{
	my ( $api, $method, $record, $body ) = @_;
	my $path  = sprintf $crm{$api}{path}, $record->{id};
	my $token = $crm{$api}{value}
	  || ask(
		'select access_token from cxsig.token order by obtained_at desc limit 1'
	  );
	my $response = HTTP::Tiny->new( timeout => 60 )->request(
		$method,
		$remote->url($api) . "/$path",
		{   headers => {
				Authorization  => "Bearer $token",
				'Content-Type' => 'application/json' },
			defined $body ? ( content => to_json($body) ) : () } );

	die "$method $path: $response->{status} $response->{content}"
	  unless $response->{success};
	return;
}

# The stand-in as it was at first, and a destination of that name that writes there.
sub crm
{
	my ( $name, %with ) = @_;
	my $crm  = $crm{$name};
	my $url  = $remote->url($name);
	my %auth = %{ $crm->{config}{auth} };

	$since = ask('select clock_timestamp()');
	if ( $name eq 'dynamics' )
	{
		$crm->{remote}{auth} =
		  { %{ $crm->{remote}{auth} }, scope => "$url/.default" };
		$auth{token_url} = "$url/acme.example/oauth2/v2.0/token";
	}
	$remote->reset($name);
	$remote->config( $name,
		{ %{ $crm->{remote} }, %{ $with{remote} || {} } } );
	ask('delete from cxsig.token');
	destination(
		$node, $name, $url,
		transport => $name,
		config    => {
			%{ $crm->{config} },
			auth => \%auth,
			%{ $with{config} || {} } },
		options => {
			mapping => $crm->{mapping}
			  || {
				$crm->{field}   => '$.sentiment',
				$crm->{version} => '$.version' },
			%fast,
			%{ $with{options} || {} } },
		secrets => { $crm->{secret} => $crm->{value} || 's3cret' } );
	return;
}

# Two revisions of each of the tickets 1 to 12.
sub load
{
	for my $mood (qw(negative neutral))
	{
		ask('select count(*) from cxsig.ingest_batch('
			  . literal(
				'['
				  . join( ',',
					map { signal( ticket => $_, sentiment => $mood ) }
					  1 .. 12 )
				  . ']' )
			  . q{, 'raise')} );
	}
	ok( idle($node), 'all is sent' );
	return;
}

# verified('salesforce', 'repair => true'): what verify() lists, a row a line.
sub verified
{
	my ( $name, $more ) = @_;
	my $arguments = join ', ', literal($name), "since => '$since'",
	  $more || ();

	return ask(<<"SQL");
select concat_ws(' ', ticket_id, state, field, expected, actual, case when repaired then 'repaired' end)
from cxsig.verify($arguments)
SQL
}

# Each record's fields, and how often it was written; but for the ones that are named.
sub all_but
{
	my ( $name, @but ) = @_;
	my %but = map { ( $_ => 1 ) } @but;

	return to_json(
		[   map  { [ $_->{key}, $_->{id}, $_->{writes}, $_->{fields} ] }
			sort { $a->{key} cmp $b->{key} }
			grep { !$but{ $_->{key} } } $remote->records($name) ] );
}

sub field_of
{
	my ( $name, $ticket ) = @_;
	my $record = $remote->record( $name, $ticket ) or return;
	my ($field) = $crm{$name}{field} =~ /([^.]+)$/;

	return $record->{fields}{$field};
}

for my $name (qw(salesforce hubspot zendesk dynamics))
{
	my $crm = $crm{$name};

	subtest "$name: what differs, and only that" => sub {
		crm($name);
		load();
		is( verified($name), '', 'all is equal: no rows' );
		$crm->{change}->( $remote->record( $name, 3 ), 'mixed' );
		my $gone = '';
		if ( $crm->{path} )
		{
			rest( $name, 'DELETE', $remote->record( $name, 5 ) );
			$gone = "\n5 missing";
		}
		my $others = all_but( $name, 3, 5 );
		my $is     = "3 differs $crm->{field} neutral mixed";
		is( verified($name), "$is$gone",
			'a field that was changed, a record that is gone' );
		is( field_of( $name, 3 ), 'mixed', 'nothing was written' );
		is( verified( $name, q(tickets => array['1', '3']) ),
			$is, 'of these tickets' );
		my $writes = $remote->record( $name, 3 )->{writes};
		is( verified( $name, 'repair => true' ),
			"$is repaired" . ( $gone && "$gone repaired" ),
			'with repair' );
		ok( idle($node), 'all is sent' );
		is( verified($name), '', 'all is equal again' );
		is( field_of( $name, 3 ), 'neutral', 'the field is as it should be' );
		is( field_of( $name, 5 ), 'neutral', 'the record is there' );
		is( $remote->record( $name, 3 )->{writes},
			$writes + 1,
			'by one request' );
		is( all_but( $name, 3, 5 ), $others, 'nothing else was touched' );
		is( ask("select string_agg(kind || ' ' || stream || ' ' || events || ' ' || state, ', ')
				from cxsig.repairs where destination = '$name'" ),
			'verify backfill ' . ( $gone ? 2 : 1 ) . ' done',
			'repairs shows it' );
		is( verified( $name, 'repair => true' ), '', 'nothing to repair' );
		drop_destination( $node, $name );
	};

	subtest "$name: what waits is no difference" => sub {
		crm( $name,
			options =>
			  { retry_initial_ms => 3600000, retry_max_ms => 3600000 } );
		load();
		$remote->config( $name,
			{ faults => [ { kind => '503', count => 1 } ] } );
		ingest( $node, ticket => 7, sentiment => 'positive' );
		ok( wait_for( $node, q(select count(*) = 1 from cxsig.retry) ),
			'it waits' );
		is( verified($name), '7 waiting', 'it is told of' );
		is( verified( $name, 'repair => true' ),
			'7 waiting', 'and not sent twice' );
		drop_destination( $node, $name );
	};

	subtest "$name: left alone where it asks for that" => sub {
		crm($name);
		load();
		$remote->config(
			$name,
			{   faults => [
					{   kind        => '429',
						count       => 2,
						retry_after => 1,
						on          => [ $crm->{read} ] } ] } );
		is( verified($name), '', 'it was waited' );
		is( $remote->requests( $name, $crm->{read}, 429 ),
			2, 'it asked for that' );
		is( $remote->counters($name)->{refused}{'sent during retry-after'}
			  || 0,
			0,
			'and it was kept to' );
		$remote->config(
			$name,
			{   faults => [
					{   kind        => '503',
						count       => 1,
						retry_after => 600,
						on          => [ $crm->{read} ] } ] } );
		like(
			ask("select string_agg(distinct state || ' ' || detail || ' ' || repaired, ', '), count(*)
				from cxsig.verify('$name', since => '$since', repair => true)" ),
			qr/^unknown 503.* false\|12$/,
			'ten minutes are too long: nothing is known' );
		is( $remote->requests( $name, $crm->{read}, 503 ),
			1, 'it was asked once' );
		drop_destination( $node, $name );
	};
}

subtest 'zendesk: a ticket that is not there' => sub {
	crm('zendesk');
	ingest( $node, ticket => 99, sentiment => 'neutral' );
	ok( idle($node), 'all has its outcome' );
	is( verified('zendesk'), '99 dead', 'a dead letter' );
	like(
		ask("select detail from cxsig.verify('zendesk', since => '$since')"),
		qr/redrive\('zendesk', array\[\d+\]\)$/,
		'and what to do' );
	ask(q(select cxsig.discard('zendesk')));
	is( verified( 'zendesk', 'repair => true' ),
		'99 missing', 'let go, it is missing, and not repaired' );
	like(
		ask("select detail from cxsig.verify('zendesk', since => '$since')"),
		qr/changed, not made/,
		'and why' );
	drop_destination( $node, 'zendesk' );
};

subtest 'repair: nothing newer is taken back' => sub {
	crm('dynamics');
	load();
	$crm{dynamics}{change}->( $remote->record( 'dynamics', $_ ), 'mixed' )
	  for 3, 4;
	my $session = session($node);
	$session->query_safe('begin');
	is( $session->query_safe(
			"select count(*) from cxsig.verify('dynamics', since => '$since', repair => true) where repaired"
		),
		2,
		'two to mend' );
	my $newer =
	  ingest( $node, ticket => 3, sentiment => 'positive' )->{event_id};
	ok( wait_for(
			$node,
			"select count(*) = 1 from cxsig.deliveries where event_id = '$newer'"
		),
		'a newer revision goes first' );
	$session->query_safe('commit');
	$session->quit;
	ok( idle($node), 'all has its outcome' );
	is( field_of( 'dynamics', 3 ), 'positive', 'it stays' );
	is( field_of( 'dynamics', 4 ), 'neutral',  'the other is mended' );
	is( scalar $remote->regressions( 'dynamics', 'cx_version' ),
		0, 'none ever was older than before' );
	is( verified('dynamics'), '', 'all is equal' );
	drop_destination( $node, 'dynamics' );
};

subtest 'what becomes newer while it is read is no difference' => sub {
	crm('dynamics');
	load();
	$remote->config( 'dynamics',
		{ faults => [ { kind => 'hold', count => 1, on => ['read'] } ] } );
	my $session = session($node);
	$session->query_until( qr/asking/,
		"\\echo asking\nselect concat_ws(' ', ticket_id, state, split_part(detail, ';', 1)) from cxsig.verify('dynamics', since => '$since', repair => true);\n"
	);
	ok( $remote->wait_counters( 'dynamics', sub { $_[0]->{held} >= 1 } ),
		'it is asked' );
	my $newer =
	  ingest( $node, ticket => 3, sentiment => 'positive' )->{event_id};
	ok( wait_for(
			$node,
			"select count(*) = 1 from cxsig.deliveries where event_id = '$newer'"
		),
		'a newer revision is there' );
	$remote->release('dynamics');
	is( $session->query_safe('select 1'),
		"3 waiting a newer signal came while it was read back\n1",
		'what was read is not taken for a difference' );
	$session->quit;
	is( verified('dynamics'), '', 'all is equal' );
	drop_destination( $node, 'dynamics' );
};

subtest 'repair: the newest revision that the filter lets pass' => sub {
	for my $history (qw(latest all))
	{
		crm( 'dynamics',
			options =>
			  { filter => '$.sentiment == "negative"', history => $history }
		);
		load();
		is( verified('dynamics'), '', "$history: all is equal" );
		$crm{dynamics}{change}->( $remote->record( 'dynamics', 3 ), 'mixed' );
		is( verified( 'dynamics', 'repair => true' ),
			'3 differs cx_sentiment negative mixed repaired',
			'one differs' );
		ok( idle($node), 'all is sent' );
		is( verified('dynamics'), '', 'all is equal again' );
		drop_destination( $node, 'dynamics' );
	}
};

subtest 'accounts: the newest of each' => sub {
	crm('dynamics',
		config =>
		  { external_id => { field => 'cx_key', value => '$.account_id' } },
		options => { order_scope => 'account' } );
	ingest(
		$node,
		ticket     => "A-$_",
		account_id => 'acme',
		sentiment  => 'neutral' ) for 1 .. 3;
	ingest(
		$node,
		ticket     => 'A-1',
		account_id => 'acme',
		sentiment  => 'positive' );
	ok( idle($node), 'all is sent' );
	is( verified('dynamics'), '', 'all is equal' );
	$crm{dynamics}{change}
	  ->( $remote->record( 'dynamics', 'acme' ), 'mixed' );
	is( verified( 'dynamics', 'repair => true' ),
		'A-1 differs cx_sentiment positive mixed',
		'one differs, and is not repaired' );
	drop_destination( $node, 'dynamics' );
};

subtest 'tokens: one that has ended' => sub {
	crm('dynamics');
	load();
	$remote->expire('dynamics');
	is( verified('dynamics'), '', 'another is got' );
	cmp_ok( $remote->requests( 'dynamics', 'read', 401 ),
		'>=', 1, 'the first was refused' );
	drop_destination( $node, 'dynamics' );
};

subtest 'a call can be ended' => sub {
	crm('dynamics');
	load();
	$remote->config( 'dynamics',
		{ faults => [ { kind => 'hold', count => 1, on => ['read'] } ] } );
	like(
		error_of(
			$node,
			"set statement_timeout = '500ms'; select cxsig.verify('dynamics', since => '$since')"
		),
		qr/statement timeout/,
		'while a request is out' );
	$remote->config(
		'dynamics',
		{   faults => [
				{   kind        => '429',
					count       => 1,
					retry_after => 60,
					on          => ['read'] } ] } );
	like(
		error_of(
			$node,
			"set statement_timeout = '500ms'; select cxsig.verify('dynamics', since => '$since')"
		),
		qr/statement timeout/,
		'while it waits' );
	drop_destination( $node, 'dynamics' );
};

$node->stop;
done_testing();
