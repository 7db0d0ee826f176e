# Promise: Zendesk holds each ticket's newest revision, and nothing of an agent's is lost. Fields are
# right whatever befalls requests and jobs; tags are added beside those that are there, also while
# somebody else changes them; a job is asked after until it has come to its end, and what it refuses
# is poison alone; refresh tokens, each good for one use, are never used twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigCrm;
use CxsigRemote;
use CxsigTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $sentiment = 360001;
my $evidence  = 360002;
my $version   = 360003;
my $remote    = CxsigRemote->start;
my $node      = cxsig_node('zendesk');
my @fields    = (
	{ id => $sentiment, title => 'Sentiment', type => 'text' },
	{ id => $evidence,  title => 'Evidence',  type => 'text' },
	{ id => $version,   title => 'Version',   type => 'integer' } );
my %of_ticket = (
	custom_fields => {
		$sentiment => '$.sentiment',
		$evidence  => '$.evidence_url',
		$version   => '$.version' } );

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# The stand-in as it was at first, with tickets 1 to N, and a destination that writes there.
sub zendesk
{
	my ( $name, %with ) = @_;

	crm_destination(
		$node, $remote,
		'zendesk',
		$name,
		remote => {
			auth          => { clients => { $name => 's3cret' } },
			ticket_fields => \@fields,
			tickets       => {
				from => 1,
				to   => $with{tickets} || 20,
				each => { tags => [ 'vip', 'billing' ] } },
			%{ $with{remote} || {} } },
		config =>
		  { auth => { client_id => $name }, %{ $with{config} || {} } },
		options => {
			mapping => \%of_ticket,
			%{ $with{options} || {} } },
		secrets => { client_secret => 's3cret', %{ $with{secrets} || {} } } );
	return;
}

# holds_newest() of this CRM's fields.
sub newest
{
	my ($what) = @_;

	holds_newest(
		$node, $remote, 'zendesk', $what,
		key       => 'key',
		version   => $version,
		sentiment => $sentiment,
		evidence  => $evidence,
		seeded    => 1 );
	return;
}

subtest 'newest: whatever befalls requests and jobs' => sub {
	zendesk(
		'faults',
		tickets => 60,
		options => { batch_size => 10 },
		remote  => {
			seed => 3,
			jobs =>
			  { queue_ms => 20, work_ms => 100, shuffle => JSON::PP::true() },
			faults => [
				{ kind => '500', probability => 0.05 },
				{ kind => '429', probability => 0.05, retry_after => 1 },
				{   kind        => 'timeout',
					probability => 0.1,
					count       => 5,
					on          => ['ticket_update_many'] },
				{   kind        => 'reset',
					probability => 0.1,
					count       => 5,
					on          => ['ticket_update_many'] },
				{   kind        => 'row',
					probability => 0.02,
					code        => 'UpdateConflict' },
				{ kind => '401', probability => 0.1, count => 1 } ] } );
	load_revisions( $node, prefix => q(), tickets => 60, revisions => 2 )
	  for 1 .. 4;
	ok( idle( $node, 120 ), 'all has its outcome' );
	newest('after faults');
	is( ask(q(select count(*) from cxsig.dead_letters where destination = 'faults')
		),
		0,
		'nothing is dead' );
	is( ask(q(select count(distinct ticket_id) from cxsig.deliveries
			where destination = 'faults' and outcome = 'delivered' and remote_id = ticket_id)
		),
		60,
		'each receipt has the id of its ticket' );
	my $faults = $remote->counters('zendesk')->{faults};
	cmp_ok( scalar keys %{$faults}, '>=', 4, 'there were faults' )
	  or diag( to_json($faults) );
	drop_destination( $node, 'faults' );
};

subtest 'jobs: asked after until their end' => sub {
	zendesk( 'jobs',
		remote => { jobs => { queue_ms => 600, work_ms => 900 } } );
	load_revisions( $node, prefix => q(), tickets => 20 );
	ok( idle($node), 'all has its outcome' );
	newest('after a slow job');
	my ($job) = @{ $remote->call( 'GET', '/zendesk/jobs' )->{jobs} };
	is( $job->{status}, 'completed', 'it came to its end' );
	cmp_ok( $job->{polls}, '>=', 2,  'it was asked after' );
	cmp_ok( $job->{polls}, '<=', 12, 'and not all the time' );
	is( $remote->requests( 'zendesk', 'ticket_update_many' ),
		1, 'one request changed all' );
	is( ask(q(select count(*) from cxsig.deliveries where destination = 'jobs' and attempt = 1
			and outcome = 'delivered' and latency_ms >= 1400)
		),
		20,
		'no receipt is older than the end of the job' );
	drop_destination( $node, 'jobs' );
};

subtest
  'jobs: one that ends early is done again, and no more than it has to' =>
  sub {
	zendesk(
		'ended',
		remote => {
			jobs => {
				work_ms => 50,
				end     => [
					{ status => 'failed', rows => 3 },
					{ status => 'killed', rows => 2 } ] } } );
	load_revisions( $node, prefix => q(), tickets => 20 );
	ok( idle($node), 'all has its outcome' );
	newest('after jobs that failed');
	is( ask(q(select count(*) from cxsig.dead_letters where destination = 'ended')
		),
		0,
		'nothing is dead' );
	is( $remote->repeats( 'zendesk', $version ),
		0, 'what had been changed is not changed again' );
	drop_destination( $node, 'ended' );
  };

subtest 'poison: what a job refuses, and what has no ticket, alone' => sub {
	zendesk(
		'poison',
		remote => {
			faults => [
				{   kind    => 'row',
					match   => '7',
					count   => 1,
					message => 'Sentiment: is invalid' } ] } );
	load_revisions( $node, prefix => q(), tickets => 22 );
	ingest( $node, ticket => 'T-17' );
	ok( idle($node), 'all has its outcome' );
	is( ask(q(select string_agg(ticket_id || ': ' || reason, E'\n' order by ticket_id)
			from cxsig.dead_letters where destination = 'poison')
		),
		"21: RecordNotFound: Not found\n22: RecordNotFound: Not found\n"
		  . "7: RecordInvalid: Sentiment: is invalid\n"
		  . 'T-17: external_id is "T-17", which is no id of a ticket in Zendesk: a number',
		'each with its reason' );
	is( ask(q(select count(*) from cxsig.deliveries where destination = 'poison'
			and outcome = 'delivered' and attempt = 1)
		),
		19,
		'the others were delivered at once' );
	drop_destination( $node, 'poison' );
};

subtest
  'limits: too many jobs, a limit of the account: waited for, and nothing lost'
  => sub {
	zendesk(
		'limits',
		options => { batch_size => 2, concurrency => 6 },
		remote  => {
			jobs   => { work_ms   => 200,  max        => 2 },
			limits => { window_ms => 1500, window_max => 12 } } );
	load_revisions( $node, prefix => q(), tickets => 20, revisions => 1 )
	  for 1 .. 2;
	ok( idle( $node, 120 ), 'all has its outcome' );
	newest('under limits');
	is( ask(q(select count(*) from cxsig.dead_letters where destination = 'limits')
		),
		0,
		'nothing is dead' );
	drop_destination( $node, 'limits' );
  };

my %tagged = (
	%of_ticket,
	tags => {
		add    => [ 'cx',  '$.churn_risk' ],
		remove => [ 'low', 'medium', 'high' ] } );

subtest 'tags: added beside those that are there' => sub {
	zendesk( 'tags', options => { mapping => \%tagged } );
	load_revisions(
		$node,
		prefix  => q(),
		tickets => 10,
		fields  => { churn_risk => 'low' } );
	ok( idle($node), 'all has its outcome' );
	load_revisions(
		$node,
		prefix  => q(),
		tickets => 10,
		fields  => { churn_risk => 'high' } );
	ok( idle($node), 'once more' );
	newest('with tags');
	is_deeply(
		[   map { join ' ', @{ $_->{fields}{tags} } }
			  $remote->records( 'zendesk', limit => 10 ) ],
		[ ('billing cx high vip') x 10 ],
		'ours are new, the older of ours are gone, the others are as they were'
	);
	is( $remote->requests( 'zendesk', 'ticket_update_many' ),
		0, 'a request for each' );
	drop_destination( $node, 'tags' );
};

subtest 'tags: what an agent changes meanwhile is kept' => sub {
	zendesk(
		'agent',
		options => { mapping => \%tagged, first_byte_timeout_ms => 20000 },
		remote  => {
			faults =>
			  [ { kind => 'hold', count => 1, on => ['ticket_update'] } ] } );
	load_revisions(
		$node,
		prefix  => q(),
		tickets => 1,
		fields  => { churn_risk => 'high' } );
	ok( $remote->wait_counters( 'zendesk', sub { $_[0]->{held} >= 1 } ),
		'a change is on its way' );
	$remote->call( 'POST', '/zendesk/agent', {},
		{ id => 1, add_tags => ['urgent'], remove_tags => ['billing'] } );
	$remote->release('zendesk');
	ok( idle($node), 'all has its outcome' );
	is( join( ' ', @{ $remote->record( 'zendesk', '1' )->{fields}{tags} } ),
		'cx high urgent vip',
		'the agent\'s change and ours are both there' );
	is( $remote->requests( 'zendesk', 'ticket_update', 409 ),
		1, 'the first change was refused' );
	is( $remote->requests( 'zendesk', 'ticket_read' ),
		2, 'the ticket was read again' );
	is( ask(q(select attempt from cxsig.deliveries where destination = 'agent')
		),
		1,
		'and no attempt was burned' );
	drop_destination( $node, 'agent' );
};

subtest 'tags: alike changes share a request' => sub {
	zendesk(
		'alike',
		config  => { mode => 'many' },
		options => {
			mapping => {
				priority => 'high',
				tags     => { add => ['$.churn_risk'], remove => ['billing'] }
			},
			paused => JSON::PP::true() } );
	load_revisions(
		$node,
		prefix  => q(),
		tickets => 10,
		fields  => { churn_risk => 'high' } );
	ask(q(select cxsig.resume_destination('alike')));
	ok( idle($node), 'all has its outcome' );
	is_deeply(
		[   map { join ' ', $_->{fields}{priority}, @{ $_->{fields}{tags} } }
			  $remote->records( 'zendesk', limit => 10 ) ],
		[ ('high high vip') x 10 ],
		'all are changed' );
	is( $remote->requests( 'zendesk', 'ticket_update_many' ),
		1, 'by one request' );
	drop_destination( $node, 'alike' );
};

subtest 'tokens: each refresh token is used once' => sub {
	zendesk(
		'rotate',
		config =>
		  { auth => { flow => 'refresh_token', client_id => 'rotate' } },
		remote => {
			auth => {
				clients        => { rotate => 's3cret' },
				flows          => ['refresh_token'],
				refresh_tokens => ['first'],
				rotate         => JSON::PP::true() } },
		secrets => { refresh_token => 'first' } );
	for my $round ( 1 .. 4 )
	{
		load_revisions( $node, prefix => q(), tickets => 5 );
		ok( idle($node), "round $round: all has its outcome" );
		$remote->expire('zendesk');
		$node->restart if $round == 2;
	}
	newest('with new tokens');
	my $tokens = $remote->counters('zendesk')->{tokens};
	is( $tokens->{reused}, 0, 'none was used twice' );
	cmp_ok( $tokens->{issued}, '>=', 4, 'a new one each time' );
	drop_destination( $node, 'rotate' );
};

subtest
  'people: users and organizations are made or changed, by their external id'
  => sub {
	for my $kind (qw(user organization))
	{
		zendesk(
			$kind,
			config =>
			  { record => $kind, external_id => { value => '$.account_id' } },
			options => {
				order_scope => 'account',
				mapping     => {
					name             => '$.account_id',
					"${kind}_fields" =>
					  { churn => '$.churn_risk', rev => '$.version' } } },
			remote => {
				"${kind}_fields" => [
					{ key => 'churn', type => 'text' },
					{ key => 'rev',   type => 'integer' } ] } );
		ingest(
			$node,
			ticket     => "$_",
			account_id => 'A-' . $_ % 3,
			churn_risk => $_ > 3 ? 'high' : 'low' ) for 1 .. 6;
		ok( idle($node), "$kind: all has its outcome" );
		is_deeply(
			[   sort
				  map { "$_->{key} $_->{fields}{name} $_->{fields}{churn}" }
				  $remote->records( 'zendesk', object => $kind ) ],
			[ map { "A-$_ A-$_ high" } 0 .. 2 ],
			"$kind: one each, and the newest" );
		drop_destination( $node, $kind );
	}
  };

subtest 'test_destination says whose token it is, and changes nothing' =>
  sub {
	zendesk('ping');
	is( ask(q(select ok from cxsig.test_destination('ping'))),
		't', 'a good one' );
	$remote->config( 'zendesk', { auth => { clients => {} } } );
	$remote->revoke('zendesk');
	is( ask(q(select ok from cxsig.test_destination('ping'))),
		'f', 'and one that is refused' );
	is( $remote->total( 'zendesk', object => 'ticket' ),
		20, 'the tickets are as they were' );
	drop_destination( $node, 'ping' );
  };

subtest 'config: what is wrong is named' => sub {
	my %bad = (
		'mapping key "custom_fields.sentiment" of destination "bad" is no id of a field'
		  => [
			{},
			{   mapping => { custom_fields => { sentiment => '$.sentiment' } }
			} ],
		'mapping key "tags" of destination "bad" would replace all tags' =>
		  [ {}, { mapping => { tags => ['cx'] } } ],
		'mapping key "tags.set" of destination "bad" is neither add nor remove'
		  => [ {}, { mapping => { tags => { set => ['cx'] } } } ],
		'mapping key "comment" of destination "bad" is no field' =>
		  [ {}, { mapping => { comment => { body => 'x' } } } ],
		'"mode"'        => [ { mode => 'all' } ],
		'"safe_update"' =>
		  [ { mode => 'many', safe_update => JSON::PP::true() } ],
		'"record"'         => [ { record => 'deal' } ],
		'"flow"|auth.flow' =>
		  [ { auth => { flow => 'password', client_id => 'cx' } } ] );

	for my $message ( sort keys %bad )
	{
		my ( $config, $options ) = @{ $bad{$message} };
		like(
			error_of(
				$node,
				'select cxsig.create_destination('
				  . join(
					', ',
					literal('bad'),
					literal('zendesk'),
					literal(
						to_json(
							{   url  => 'https://x.zendesk.com',
								auth => { client_id => 'cx' },
								%{$config} } ) ),
					literal(
						to_json(
							{ mapping => \%of_ticket, %{ $options || {} } } )
					) )
				  . ')' ),
			$message =~ /\|/ ? qr/$message/ : qr/\Q$message\E/,
			$message );
	}
	is( ask(q(select count(*) from cxsig.destination where name = 'bad')),
		0, 'nothing is half-made' );
};

$node->stop;
done_testing();
