# Promise: people are alerted once. A storm folds into one alert, counted; what falls back or is taken
# back resolves it; backfill alerts nobody; a crash in the middle opens no second one. The remotes are
# the stand-ins of test/remote.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigRemote;
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $remote = CxsigRemote->start;
my $node   = cxsig_node('alerts');

sub ask
{
	return $node->safe_psql( 'postgres', $_[0] );
}

# A destination that alerts, with its secret; options{config}, options{options}.
sub alerting
{
	my ( $name, $transport, %with ) = @_;
	my %secret =
		$transport eq 'pagerduty' ? ( routing_key => 'R' . '0' x 31 )
	  : $transport eq 'slack'
	  ? ( url => $remote->url('slack') . '/services/T0/B0/secret' )
	  : ( url => $remote->url('teams')
		  . '/workflows/w1/triggers/manual/paths/invoke?api-version=1&sig=s'
	  );
	my %config = %{ $with{config} || {} };

	$config{url} = $remote->url('pagerduty') . '/v2/enqueue'
	  if $transport eq 'pagerduty';
	my ( $key, $value ) = %secret;
	ask(sprintf
		  'begin; select cxsig.create_destination(%s, %s, %s, %s); select cxsig.set_secret(%s, %s, %s); commit;',
		map { literal($_) } $name,
		$transport,
		to_json( \%config ),
		to_json( { rate_limit => undef, %{ $with{options} || {} } } ),
		$name,
		$key,
		$value );
	return;
}

sub gone
{
	my ($name) = @_;

	$remote->reset;
	return ask("select cxsig.drop_destination('$name')");
}

# So many signals of tickets of one account, in one call, all with that churn risk.
sub storm
{
	my ( $prefix, $n, $risk, %extra ) = @_;

	return ask(
		"select count(*) from cxsig.ingest_batch((select jsonb_agg(jsonb_build_object(
			'ticket_id', '$prefix-' || i, 'account_id', 'acme', 'source_system', 'test',
			'occurred_at', clock_timestamp() + i * interval '1 microsecond',
			'evidence_url', 'https://help.example.com/' || i, 'churn_risk', '$risk') || "
		  . literal( to_json( \%extra ) )
		  . "::jsonb order by i) from generate_series(1, $n) i))" );
}

sub outcomes
{
	my ($name) = @_;

	return ask(
		"select string_agg(outcome || ' ' || n, ', ' order by outcome)
		from (select outcome, count(*) as n from cxsig.deliveries where destination = '$name' group by outcome) o"
	);
}

# Kill the dispatcher, which takes the server down with it, and wait until another runs.
sub crash
{
	my $pid = dispatcher_pid($node);

	kill 'KILL', $pid;
	return wait_for( $node,
		"select exists (select from cxsig.worker_status where process = 'dispatcher' and pid <> $pid)"
	);
}

subtest 'an alert storm of 1,000 signals on one account pages once' => sub {
	alerting( 'storm', 'pagerduty',
		config =>
		  { condition_name => 'churn', noise => { per => 'account' } } );
	storm( 'S', 1000, 'high' );
	ok( idle($node), 'all have their outcome' );
	my @incidents = $remote->records('pagerduty');
	is( scalar @incidents,               1, 'one incident' );
	is( $incidents[0]{fields}{triggers}, 1, 'of one request' );
	is( $incidents[0]{fields}{dedup_key},
		'cxsig/storm/churn/acme', 'its key' );
	is( outcomes('storm'),
		'delivered 1, folded 999',
		'the others are folded' );
	is( ask('select state, folded, tickets from cxsig.alerts'),
		'open|999|1000', 'and counted' );
	is( ask(q(select count(*), count(distinct v.superseded_by), bool_and(v.superseded_by = a.event_id)
			from cxsig.deliveries v, cxsig.alerts a where v.outcome = 'folded') ),
		'999|1|t',
		'their receipts name the event that opened it' );
};

subtest 'it is over when no ticket of the account meets the condition' =>
  sub {
	storm( 'S', 999, 'low' );
	ok( idle($node), '999 fall back' );
	is( ask('select state, tickets from cxsig.alerts'),
		'open|1', 'it is open for the last' );
	is( $remote->requests( 'pagerduty', 'event' ), 1,
		'nobody hears of that' );
	storm( 'S', 1000, 'low' );
	ok( idle($node), 'the last falls back' );
	is( ask('select state, tickets, resolved_at is not null from cxsig.alerts'
		),
		'resolved|1|t',
		'it is over' );
	my ($incident) = $remote->records('pagerduty');
	is( $incident->{fields}{state}, 'resolved', 'there too' );
	storm( 'T', 5, 'low' );
	ok( idle($node), 'what is nothing to alert about' );
	is( ask(q(select sum(n) = (select count(*) from cxsig.event) from (
			select count(*) as n from cxsig.deliveries where destination = 'storm'
			union all select filtered from cxsig.destination_status where name = 'storm') t)
		),
		't',
		'each event has its outcome, or is counted as filtered' );
	like(
		ask(q(select deliveries from cxsig.history('T-1'))),
		qr/storm filtered/,
		'and history says so' );
	gone('storm');
  };

subtest 'a ticket: opened, folded, retracted' => sub {
	alerting(
		'desk', 'slack',
		config => {
			flag_url =>
			  'https://tools.example.com/flag?e={event_id}&t={ticket_id}' } );
	my %angry = (
		ticket     => 'D 1',
		account_id => 'umbrella',
		sentiment  => 'very_negative',
		quotes     => ['I <leave> & take *all* https://x.example with me'] );
	my $opened = ingest( $node, %angry );
	ok( idle($node), 'a signal' );
	ingest( $node, %angry ) for 1 .. 3;
	ok( idle($node), 'three more' );
	my @messages = $remote->records('slack');
	is( scalar @messages, 1, 'one message' );
	my $text = to_json( $messages[0]{fields}{blocks} );
	like( $text, qr/Sentiment very negative: umbrella, ticket D 1/,
		'what, who' );
	like(
		$text,
		qr/&lt;leave&gt; &amp; take/,
		'the customer\'s words, escaped' );
	like(
		$text,
		qr{https://tools\.example\.com/flag\?e=$opened->{event_id}&amp;t=D%201\|Flag as wrong},
		'the link to flag it wrong' );
	ask(q(select cxsig.retract_signal('D 1', 'a joke')));
	ok( idle($node), 'it is retracted' );
	@messages = $remote->records('slack');
	is( scalar @messages, 2, 'a second message' );
	$text = to_json( $messages[1]{fields} );
	like(
		$text,
		qr/Resolved: signal: umbrella, ticket D 1/,
		'says what is over' );
	like( $text, qr/the signal was retracted/, 'and why' );
	like( $text, qr/3 more signals/,           'and how many it stood for' );
	is( ask(q(select state, folded from cxsig.alerts where key = 'cxsig/desk/signal/D 1')
		),
		'resolved|3',
		'the view knows' );
	ask(q(select cxsig.retract_signal('D 1', 'a joke')));
	ingest( $node, %angry );
	ok( idle($node), 'it is met anew' );
	is( $remote->total('slack'), 3, 'a new alert' );
	gone('desk');
};

subtest 'backfill, replays and stale events alert nobody' => sub {
	alerting( 'calm', 'teams' );
	storm( 'B', 20, 'high', backfill => JSON::PP::true() );
	ok( idle($node), 'a backfill' );
	ingest( $node, ticket => 'B-now', churn_risk => 'low' );
	ingest(
		$node,
		ticket      => 'B-now',
		churn_risk  => 'high',
		occurred_at => '2026-01-01T00:00:00Z' );
	ask(q(select cxsig.replay('calm', since => now() - interval '1 day')));
	ok( idle($node), 'a late revision, a replay' );
	is( $remote->total('teams'), 0, 'nobody hears of them' );
	is( ask(q(select count(*) from cxsig.deliveries where destination = 'calm')
		),
		0,
		'they are filtered' );
	ingest( $node, ticket => 'B-1', churn_risk => 'high' );
	ok( idle($node), 'a live one' );
	is( $remote->total('teams'), 1, 'does' );
	gone('calm');
};

subtest 'once the window is over a person is reminded' => sub {
	alerting( 'nag', 'pagerduty',
		config => { noise => { window => '1 second' } } );
	ingest( $node, ticket => 'N-1', churn_risk => 'high' ) for 1 .. 2;
	ok( idle($node), 'two signals' );
	ok( wait_for(
			$node,
			q(select last_sent_at + interval '1 second' < clock_timestamp() from cxsig.alerts where key = 'cxsig/nag/signal/N-1')
		),
		'the window passes' );
	ingest( $node, ticket => 'N-1', churn_risk => 'high' );
	ok( idle($node), 'a third' );
	my @incidents = $remote->records('pagerduty');
	is( scalar @incidents,               1, 'one incident still' );
	is( $incidents[0]{fields}{triggers}, 2, 'two messages' );
	is( $incidents[0]{fields}{payload}{custom_details}{'Stands for'},
		'1 more signal',
		'which says what it stands for' );
	gone('nag');
};

subtest 'two conditions are two destinations' => sub {
	alerting(
		'one', 'slack',
		config => {
			condition      => '$.churn_risk == "high"',
			condition_name => 'churn' } );
	alerting(
		'two', 'teams',
		config => {
			condition      => '$.effort == "high"',
			condition_name => 'effort' } );
	ingest( $node, ticket => 'C-1', churn_risk => 'high', effort => 'low' );
	ingest( $node, ticket => 'C-2', churn_risk => 'low',  effort => 'high' );
	ingest( $node, ticket => 'C-3', churn_risk => 'high', effort => 'high' );
	ok( idle($node), 'three signals' );
	is( ask(q(select string_agg(destination || ' ' || ticket_id, ', ' order by destination, ticket_id)
			from cxsig.alerts where ticket_id like 'C-%') ),
		'one C-1, one C-3, two C-2, two C-3',
		'to each its own' );
	ask(q(select cxsig.drop_destination('two')));
	gone('one');
};

subtest 'a hook that is not there stops the destination' => sub {
	alerting( 'lost', 'slack' );
	$remote->config( 'slack',
		{ hooks => { 'T0/B0/secret' => { error => 'no_service' } } } );
	ingest( $node, ticket => 'L-1', churn_risk => 'high' );
	ok( wait_for(
			$node,
			q(select state = 'stopped' and state_reason like '404: no_service%' from cxsig.destination_status where name = 'lost')
		),
		'with its reason' );
	is( ask('select count(*) from cxsig.dead_letters'), 0, 'no dead letter' );
	$remote->reset('slack');
	ask(q(select cxsig.resume_destination('lost')));
	ok( idle($node), 'resumed' );
	is( $remote->total('slack'), 1, 'it says what it had to' );
	gone('lost');
};

subtest 'a dispatcher killed in mid-storm opens no second alert' => sub {
	alerting( 'crash', 'pagerduty',
		config => { noise => { per => 'account' } } );
	$remote->config( 'pagerduty',
		{ faults => [ { kind => 'timeout', count => 1 } ] } );
	for my $round ( 1 .. 3 )
	{
		storm( "K$round", 300, 'high' );
		ok( $remote->wait_counters(
				'pagerduty', sub { $_[0]->{records}{created} == 1 } ),
			'the alert is there, and nobody has heard so' ) if $round == 1;
		ok( crash(), 'a crash' );
	}
	ok( idle($node), 'all have their outcome' );
	my @incidents = $remote->records('pagerduty');
	is( scalar @incidents, 1, 'one incident' );
	cmp_ok( $incidents[0]{fields}{triggers},
		'>=', 2, 'what was sent when it died was sent again, under its key' );
	is( outcomes('crash'),
		'delivered 1, folded 899',
		'every other is folded' );
	is( ask(q(select state, folded, tickets from cxsig.alerts where destination = 'crash')
		),
		'open|899|900',
		'and counted once' );
	gone('crash');
};

subtest
  'what is read again after a crash ends no alert that came after it' => sub {
	$node->append_conf( 'postgresql.conf',
		"cxsig.checkpoint_interval = '1h'" );
	$node->restart;
	alerting( 'again', 'pagerduty' );
	ok( idle($node), 'it is loaded' );
	ingest( $node, ticket => 'A-1', churn_risk => 'low' );
	ingest( $node, ticket => 'A-1', churn_risk => 'high' );
	ok( wait_for(
			$node,
			q(select count(*) = 1 from cxsig.alerts where key = 'cxsig/again/signal/A-1')
		),
		'low, then high' );
	is( ask(q(select filtered from cxsig.destination_status where name = 'again')
		),
		0,
		'no checkpoint knows of them' );
	ok( crash(), 'a crash' );
	ingest( $node, ticket => 'A-2', churn_risk => 'high' );
	ok( idle($node), 'both are read again' );
	is( ask(q(select string_agg(ticket_id || ' ' || state, ', ' order by ticket_id) from cxsig.alerts
			where destination = 'again') ),
		'A-1 open, A-2 open',
		'it is high still' );
	gone('again');
  };

subtest 'a test of a destination opens no alert' => sub {
	alerting( 'ping1', 'pagerduty' );
	alerting( 'ping2', 'slack' );
	alerting( 'ping3', 'teams' );
	is( ask("select string_agg(ok || ' ' || http_status, ', ' order by n)
			from generate_series(1, 3) n, cxsig.test_destination('ping' || n)" ),
		'true 202, true 200, true 202',
		'all answer' );
	is( $remote->total('pagerduty'), 0, 'no incident' );
	is( ask(q(select count(*) from cxsig.alerts where destination like 'ping%')
		),
		0,
		'no alert' );
	unlike(
		ask('select d::text || coalesce(s.last_error, $$$$) from cxsig.destination d join cxsig.destination_status s using (name)'
		),
		qr/secret|R0000/,
		'and no secret is to be read' );
	gone("ping$_") for 1 .. 3;
};

ask('select cxsig.maintain()');
is( ask('select count(*) from cxsig.alert'),
	0, 'what a destination that was dropped had sent is forgotten' );
$node->stop;
done_testing();
