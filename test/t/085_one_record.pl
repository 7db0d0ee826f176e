# Promise: 200,000 signals of 10,000 tickets, with repeats and late ones among them, to four CRMs at once,
# through errors, limits, row locks, answers that never come, and tokens that end: each holds exactly one
# record per ticket, every field equal to the newest revision, and none was ever older than before. What
# tokens and secrets there were is nowhere to be read.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigCrm qw(drop_destination);
use CxsigRemote;
use CxsigTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $signals        = $ENV{CXSIG_CRM_SIGNALS} || 200_000;
my $tickets        = $signals / 20;
my $clients        = 4;
my $in_a_batch     = 250;
my $written        = 0;
my $refresh_tokens = 0;
my $remote         = CxsigRemote->start;
my $node           = cxsig_node( 'one_record', conf => <<'CONF');
log_min_messages = debug2
cxsig.workers = 2
max_wal_size = 4GB
CONF
my $script = $node->basedir . '/write.sql';

# Of each API: what an event is there, by the names the comparison has for them, and how a test reads it.
my %id = (
	sentiment  => 360001,
	churn      => 360002,
	confidence => 360003,
	version    => 360004,
	event_id   => 360005,
	evidence   => 360006 );
my %choice = (
	'$path' => '$.churn_risk',
	'$map'  => { high => 'High', low => 'Low' },
	'$else' => 'Unknown' );
my %api = (
	salesforce => {
		churn =>
		  "case churn when 'high' then 'High' when 'low' then 'Low' else 'Unknown' end",
		columns => [
			qw(Ticket_Key__c Sentiment__c Churn_Risk__c Confidence__c Version__c Event_Id__c Evidence__c)
		],
		mapping => {
			Sentiment__c  => '$.sentiment',
			Churn_Risk__c => \%choice,
			Confidence__c => '$.confidence',
			Version__c    => '$.version',
			Event_Id__c   => '$.event_id',
			Evidence__c   => '$.evidence_url',
			Source__c     => 'cxsig' },
		config => {
			object      => 'CX_Signal__c',
			external_id => { field => 'Ticket_Key__c' } },
		remote => { limits => { daily_max => 1_000_000 } } },
	hubspot => {
		empty   => "''",
		columns => [
			qw(cxsig_ticket_key cxsig_sentiment cxsig_churn_risk cxsig_confidence cxsig_version cxsig_event_id cxsig_evidence_url)
		],
		mapping => {
			cxsig_sentiment    => '$.sentiment',
			cxsig_churn_risk   => '$.churn_risk',
			cxsig_confidence   => '$.confidence',
			cxsig_version      => '$.version',
			cxsig_event_id     => '$.event_id',
			cxsig_evidence_url => '$.evidence_url',
			cxsig_source       => 'cxsig' },
		config => {
			object_type => 'tickets',
			external_id => { field => 'cxsig_ticket_key' } },
		remote => { limits => { window_max => 0 } } },
	zendesk => {
		columns => [
			'key',
			@id{qw(sentiment churn confidence version event_id evidence)} ],
		mapping => {
			custom_fields => {
				$id{sentiment}  => '$.sentiment',
				$id{churn}      => '$.churn_risk',
				$id{confidence} => '$.confidence',
				$id{version}    => '$.version',
				$id{event_id}   => '$.event_id',
				$id{evidence}   => '$.evidence_url' } },
		remote => {
			tickets       => { from    => 1, to => $tickets },
			jobs          => { shuffle => JSON::PP::true() },
			ticket_fields => [
				map {
					{   id    => $id{$_},
						title => $_,
						type  => $_ eq 'version' ? 'integer'
						: $_ eq 'confidence' ? 'decimal'
						:                      'text' }
				} sort keys %id ] } },
	dynamics => {
		sentiment =>
		  "case sentiment when 'negative' then '1' when 'neutral' then '2' else '3' end",
		columns => [
			qw(cx_key cx_sentiment cx_churn cx_confidence cx_version cx_event cx_evidence)
		],
		mapping => {
			cx_sentiment => {
				'$path' => '$.sentiment',
				'$map'  => { negative => 1, neutral => 2, positive => 3 } },
			cx_churn      => '$.churn_risk',
			cx_confidence => '$.confidence',
			cx_version    => '$.version',
			cx_event      => '$.event_id',
			cx_evidence   => '$.evidence_url' },
		config => {
			entity_set  => 'cx_signals',
			external_id => { field => 'cx_key' } },
		remote => {
			tenant => 'acme',
			tables => [
				{   name    => 'cx_signal',
					set     => 'cx_signals',
					columns => {
						cx_key       => { type => 'String' },
						cx_sentiment =>
						  { type => 'Picklist', options => [ 1, 2, 3 ] },
						cx_churn      => { type => 'String' },
						cx_confidence => { type => 'Double' },
						cx_version    => { type => 'Integer' },
						cx_event      => { type => 'String' },
						cx_evidence   => { type => 'String', max => 200 } },
					keys => [ ['cx_key'] ] } ] } } );
# What a signal says is a function of its number alone, so what a CRM has to hold in the end is known
# without cxsig. One of twenty happened a day before its neighbours.
my $setup = <<"SQL";
create schema storm;
create sequence storm.batch;
create function storm.occurred_at(n int, out timestamptz) language sql immutable
return timestamptz '2026-01-02 00:00Z' + n * interval '1 ms' - case when n % 20 = 7 then interval '1 day' else '0' end;
create function storm.ticket(n int, out text) language sql immutable
return (1 + (n::bigint * 7919 + n / 1000) % $tickets)::text;
create function storm.signal(n int, out jsonb) language sql immutable
return jsonb_strip_nulls(jsonb_build_object('ticket_id', storm.ticket(n), 'source_system', 'storm',
	'idempotency_key', 'k-' || n, 'occurred_at', storm.occurred_at(n),
	'sentiment', (array['negative', 'neutral', 'positive'])[1 + n % 3],
	'churn_risk', (array['high', 'low', null])[1 + n / 3 % 3],
	'confidence', (array[0.25, 0.5, null, 0.75])[1 + n / 7 % 4],
	'evidence_url', 'https://help.example.com/' || n));
create table storm.outcome (outcome text, n bigint);
create table storm.newest (ticket text, sentiment text, churn text, confidence text, version text,
	event_id text, evidence text, key text);
create table storm.there (ticket text, sentiment text, churn text, confidence text, version text,
	event_id text, evidence text, id text);
create function storm.write() returns void language sql as \$\$
	insert into storm.outcome
	select r.outcome::text, count(*)
	from (select nextval('storm.batch') - 1 as b) b, cxsig.ingest_batch((
		select jsonb_agg(storm.signal(case when i <= $in_a_batch then b * $in_a_batch + i
				else greatest(1, b * $in_a_batch - (i - $in_a_batch) * 397) end::int) order by i)
		from generate_series(1, $in_a_batch + $in_a_batch / 50) i), 'raise') r
	group by 1
\$\$;
create function storm.expect() returns void language sql as \$\$
	truncate storm.newest;
	insert into storm.newest
	select distinct on (x.ticket) x.ticket, s ->> 'sentiment', s ->> 'churn_risk', s ->> 'confidence',
		r.head_version::text, r.head_event_id::text, s ->> 'evidence_url', s ->> 'idempotency_key'
	from (
		select distinct on (storm.ticket(n)) storm.ticket(n), n
		from generate_series(1, (select sum(o.n)::int from storm.outcome o where outcome <> 'duplicate')) n
		order by storm.ticket(n), storm.occurred_at(n) desc) x
	cross join storm.signal(x.n) s
	join cxsig.ticket_revision r on r.ticket_id = x.ticket
	order by x.ticket, r.ordinal desc
\$\$;
SQL

sub ask
{
	my ($sql) = @_;

	return $node->safe_psql( 'postgres', $sql );
}

# The stand-in as it was at first, with its faults, and a destination that writes there. Two of the four
# have refresh tokens, each good for one use.
sub crm
{
	my ( $name, %with ) = @_;
	my $api  = $api{$name};
	my $url  = $remote->url($name);
	my %auth = (
		clients => { cx => 'n33dle-secret' },
		flows   => ['client_credentials'] );
	my %asking  = ( client_id     => 'cx' );
	my %secrets = ( client_secret => 'n33dle-secret' );

	$asking{token_url} = "$url/acme/oauth2/v2.0/token" if $name eq 'dynamics';
	if ( $name eq 'hubspot' || $name eq 'zendesk' )
	{
		$secrets{refresh_token} = 'n33dle-refresh-' . ++$refresh_tokens;
		$asking{flow}           = 'refresh_token';
		%auth                   = (
			%auth,
			flows          => ['refresh_token'],
			refresh_tokens => [ $secrets{refresh_token} ],
			rotate         => JSON::PP::true() );
	}
	$remote->reset($name);
	$remote->config(
		$name,
		{   %{ $api->{remote} },
			seed   => 11,
			auth   => { %auth, expires_in => $with{expires_in} },
			faults => $with{faults} || [] } );
	destination(
		$node, $name, $url,
		transport => $name,
		config    => { %{ $api->{config} || {} }, auth => \%asking },
		options   => {
			mapping               => $api->{mapping},
			batch_size            => 50,
			retry_initial_ms      => 50,
			retry_max_ms          => 500,
			first_byte_timeout_ms => $with{timeout_ms},
			total_timeout_ms      => $with{timeout_ms} },
		secrets => \%secrets );
	return;
}

sub faults_of
{
	my ($name) = @_;
	my %row = (
		salesforce => { code => 'UNABLE_TO_LOCK_ROW' },
		zendesk    => { code => 'UpdateConflict' },
		dynamics   => { code => '0x80044a02', status => 503 } );

	return [
		{ kind => '500',     probability => 0.04 },
		{ kind => '503',     probability => 0.02 },
		{ kind => '429',     probability => 0.02 },
		{ kind => '429',     count       => 3, retry_after => 1 },
		{ kind => 'timeout', probability => 0.03 },
		{ kind => 'reset',   probability => 0.02 },
		{ kind => 'close',   probability => 0.02 },
		$row{$name}
		? { kind => 'row', probability => 0.01, %{ $row{$name} } }
		: () ];
}

# write_signals($n): what the applications do: so many more signals, and each fiftieth again.
sub write_signals
{
	my ($n) = @_;

	$written += $n;
	$node->command_ok(
		[   'pgbench', '-n', '-c', $clients,
			'-t',      $n / $in_a_batch / $clients,
			'-f',      $script, $node->connstr('postgres') ],
		"$clients sessions wrote $n signals" );
	ok( idle( $node, 300 ), 'all has its outcome' );
	is( ask(q(select string_agg(name || ': ' || state_reason, '; ') from cxsig.destination_status where state <> 'active')
		),
		'',
		'and none was stopped' );
	is( ask(q(select sum(n) filter (where outcome in ('inserted', 'stale')) || ' '
			|| sum(n) filter (where outcome = 'duplicate') from storm.outcome)
		),
		$written . ' ' . $written / 50,
		'each was recorded once, and the repeats known for what they are' );
	ask('select storm.expect()');
	is( ask(q(select count(*) from storm.newest x
			join cxsig.event e on e.event_id = x.event_id::uuid and e.idempotency_key = x.key)
		),
		$tickets,
		'the newest that was said of a ticket is the newest that is known' );
	return;
}

# Tests: the record of each ticket is there, once, equal to its newest revision in all fields.
sub holds_newest
{
	my ($name)    = @_;
	my %of        = ( %{ $api{$name} } );
	my @columns   = @{ $of{columns} };
	my $sentiment = $of{sentiment} || 'sentiment';
	my $empty     = $of{empty}     || 'null';
	my $churn     = $of{churn}     || "coalesce(churn, $empty)";
	my $differing = ask(<<"SQL");
delete from storm.there;
copy storm.there from stdin;
@{[ $remote->records_text( $name, @columns, 'id' ) ]}\\.
with wanted as (
	select ticket, $sentiment as sentiment, $churn as churn, coalesce(confidence, $empty) as confidence,
		version, event_id, evidence from storm.newest),
differing as (
	select w as wanted, t as there
	from wanted w full join
		(select ticket, sentiment, churn, confidence, version, event_id, evidence from storm.there) t
		on t.ticket = w.ticket
	where w is distinct from t)
select count(*) || coalesce(', such as ' || min(wanted::text || ' but ' || coalesce(there::text, 'nothing')), '')
from differing
SQL

	is( $differing, 0,
		"$name: each field of each record is as it should be" );
	is( ask(q(select count(*) || ' ' || count(distinct ticket) from storm.there)
		),
		"$tickets $tickets",
		"$name: exactly one record per ticket" );
	is( scalar $remote->duplicates($name), 0, "$name: none is there twice" );
	is( scalar $remote->regressions( $name, $columns[4] ),
		0, "$name: none ever was older than before" );
	is( ask("select count(*) from cxsig.dead_letters where destination = '$name'"
		),
		0,
		"$name: nothing is dead" );
	return;
}

# Tests: of the newest revisions, each has one receipt, with the id of its record.
sub receipts
{
	my ($name) = @_;

	is( ask(
			<<"SQL"), "$tickets $tickets", "$name: one receipt each, with the record's id" );
select count(*) || ' ' || count(distinct x.ticket)
from storm.newest x
join cxsig.deliveries v on v.event_id = x.event_id::uuid
join storm.there t on t.ticket = x.ticket and t.id = v.remote_id
where v.destination = '$name' and v.outcome = 'delivered'
SQL
	return;
}

ask($setup);
append_to_file( $script, "select storm.write();\n" );

subtest 'tokens that end in mid-run lose and repeat nothing' => sub {
	crm( $_, expires_in => 2, timeout_ms => 20000 ) for sort keys %api;
	write_signals( $signals / 5 );
	for my $name ( sort keys %api )
	{
		my $tokens = $remote->counters($name)->{tokens};

		holds_newest($name);
		cmp_ok( $tokens->{issued}, '>=', 3, "$name: tokens ended" );
		is( $tokens->{reused}, 0, "$name: no refresh token was used twice" );
		is( $remote->repeats( $name, $api{$name}{columns}[4] ),
			0, "$name: nothing was written twice" );
		is( ask("select max(attempt) from cxsig.deliveries where destination = '$name'"
			),
			1,
			"$name: no attempt was burned" );
	}
	drop_destination( $node, $_ ) for sort keys %api;
};

subtest 'one record per ticket, equal to the newest revision' => sub {
	crm( $_, faults => faults_of($_), expires_in => 4, timeout_ms => 2000 )
	  for sort keys %api;
	write_signals($signals);
	cmp_ok(
		ask(q(select 100 * sum(n) filter (where outcome = 'stale') / sum(n) from storm.outcome)
		),
		'>=', 4,
		'late ones were among them' );
	for my $name ( sort keys %api )
	{
		my $counters = $remote->counters($name);
		my $faults   = $counters->{faults};

		note "$name: " . to_json($counters);
		holds_newest($name);
		receipts($name);
		is( join( ' ', grep { !$faults->{$_} } qw(500 429 timeout) ),
			'', "$name: there were errors, limits and silence" );
	}
};

subtest 'secrets and tokens are nowhere to be read' => sub {
	my $needle    = 'n33dle|\m[ar]t\.[[:alnum:]_-]{16}';
	my @relations = split /\n/,
	  ask(
		"select oid::regclass from pg_class where relnamespace = 'cxsig'::regnamespace and relkind in ('v', 'r', 'p') and not relispartition and relname <> 'signal_import'"
	  );

	cmp_ok(
		ask("select count(*) from cxsig.token where access_token ~ '$needle'"
		),
		'>=', 4,
		'there are some' );
	for my $relation (@relations)
	{
		my $found =
		  ask("select count(*) from $relation r where r::text ~ '$needle'");

		if ( $relation =~ /^cxsig\.(secret|token)$/ )
		{
			is( ask("select string_agg(r, ' ') from unnest('{cxsig_reader,cxsig_writer,cxsig_admin}'::text[]) r
				where has_table_privilege(r, '$relation', 'select')" ),
				'',
				"$relation is for the worker alone" );
		}
		else
		{
			is( $found, 0, $relation );
		}
	}
	is( ask("select count(*) from pg_stat_activity where pid <> pg_backend_pid() and query ~ '$needle'"
		),
		0,
		'pg_stat_activity' );
	unlike(
		slurp_file( $node->logfile ),
		qr/n33dle|\b[ar]t\.[\w-]{16}/,
		'the server log' );
};

$node->stop;
done_testing();
