# CxsigStates: a database with events in every state there is, to be dumped, copied or upgraded; and
# what has to be true of the copy: nothing is sent before it is resumed, then exactly what had no
# final outcome, and nothing else. Beside CxsigTest and CxsigLoad, which it builds on.
package CxsigStates;

use strict;
use warnings;

use CxsigLoad;
use CxsigTest;
use Exporter 'import';
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT =
  qw(as_before contents fill_states goes_on_exactly starts_paused);

# An attempt waits longer than any test.
my $far = 600_000;

my %destinations = (
	all      => { options => { projection => 'bi' } },
	doubting => { options => {} },
	failing  => {
		url     => { status           => 503, fail_key => 'T-1' },
		options => { retry_initial_ms => $far } },
	filtered => { options => { filter => '$.churn_risk == "high"' } },
	holding  => {
		url     => { poison_key    => 'T-2' },
		options => { poison_policy => 'hold' } },
	latest =>
	  { options => { history => 'latest', paused => JSON::PP::true() } },
	skipping => { url     => { poison_key => 'T-3' }, options => {} },
	waiting  => { options => {} } );
my @names = sort keys %destinations;

# fill_states($node, $sink): events in every state; what is open is returned, to be ended by the caller.
sub fill_states
{
	my ( $node, $sink ) = @_;
	my $ask  = sub { return $node->safe_psql( 'postgres', $_[0] ) };
	my $open = session($node);

	destination(
		$node, $_,
		$sink->url( $_, %{ $destinations{$_}{url} || {} } ),
		options => $destinations{$_}{options} ) for @names;
	load_signals(
		$node,
		tickets   => 300,
		revisions => 4,
		fields    => { churn_risk => 'high', account_id => 'A-1' } );
	load_signals(
		$node,
		tickets => 60,
		prefix  => 'low',
		fields  => { churn_risk => 'low' } );
	$ask->("select cxsig.resume_destination('latest')");
	load_signals(
		$node,
		tickets => 40,
		prefix  => 'old',
		fields  => { backfill => JSON::PP::true(), churn_risk => 'high' } );

	# A transaction is open while more is delivered; it commits once its destination is paused, and is
	# in doubt there. Another one and a prepared one never end here.
	$open->query_safe( 'begin; select cxsig.ingest('
		  . literal( signal( ticket => 'doubtful', churn_risk => 'high' ) )
		  . ')' );
	my $endless = session($node);
	$endless->query_safe( 'begin; select cxsig.ingest('
		  . literal( signal( ticket => 'endless', churn_risk => 'high' ) )
		  . ')' );
	$ask->( 'begin; select cxsig.ingest('
		  . literal( signal( ticket => 'prepared', churn_risk => 'high' ) )
		  . "); prepare transaction 'open'" );
	load_signals(
		$node,
		tickets => 30,
		prefix  => 'late',
		fields  => { churn_risk => 'high' } );
	$ask->( 'select cxsig.ingest(s), cxsig.ingest(s) from (select '
		  . literal( signal( ticket => 'twice', churn_risk => 'high' ) )
		  . '::jsonb as s) one' );
	$ask->("select cxsig.ingest_batch('[{\"ticket_id\": \"no evidence\"}]')");

	ok( nothing_due( $node, 'postgres' ),
		'states: what can be delivered is' );
	ok( wait_for(
			$node, "select min(in_doubt) >= 3 from cxsig.consumer_lag" ),
		'states: the open transactions are in doubt' );
	$ask->("select cxsig.pause_destination('$_')")
	  for qw(doubting skipping waiting);
	ok( wait_for(
			$node,
			"select count(*) = 3 from cxsig.worker_status s, cxsig.destination d
			where d.state = 'paused' and s.destinations = 5" ),
		'states: three are paused' );
	$open->query_safe('commit');
	$open->quit;
	$ask->(
		"select cxsig.redrive('skipping', array[min(dead_letter_id)])
		from cxsig.dead_letters where destination = 'skipping'" );
	$ask->(
		"select cxsig.discard('skipping', array[min(dead_letter_id)])
		from cxsig.dead_letters where destination = 'skipping'" );
	$ask->(
		"select cxsig.replay('waiting', now() - interval '1 hour', filter => '\$.ticket_id == \"T-7\"')"
	);
	load_signals(
		$node,
		tickets => 20,
		prefix  => 'waiting',
		fields  => { churn_risk => 'high' } );
	load_signals(
		$node,
		tickets => 10,
		prefix  => 'older',
		fields  => { churn_risk => 'high', backfill => JSON::PP::true() } );
	ok( nothing_due( $node, 'postgres' ), 'states: the others go on' );
	ok( wait_for(
			$node, "select bool_and(in_doubt = 2) from cxsig.consumer_lag
			where destination not in ('doubting', 'skipping', 'waiting')" ),
		'states: and say so' );
	return $endless;
}

# as_before($sink): the receiver refuses again what it refused while the states were made; how much
# it has received so far, for goes_on_exactly().
sub as_before
{
	my ($sink) = @_;

	$sink->behave( $_, { from_url => 1 } ) for @names;
	return { map { $_ => $sink->stats($_)->{received} } @names };
}

# A digest of every table, to compare a copy with.
sub contents
{
	my ( $node, $database, @without ) = @_;
	my $without = join ', ', map { literal($_) } 'installation', @without;

	return $node->safe_psql( $database, <<"SQL");
select relname, (xpath('/row/digest/text()', query_to_xml(format(
		'select md5(string_agg(t::text, '','' order by t::text)) as digest from cxsig.%I t', relname),
		false, true, '')))[1]
from pg_class
where relnamespace = 'cxsig'::regnamespace and relkind in ('r', 'p') and relname not in ($without)
order by relname
SQL
}

# Whether all that active destinations can get, they got: what waits in retry aside.
sub nothing_due
{
	my ( $node, $database ) = @_;

	return $node->poll_query_until( $database, <<'SQL');
select count(*) = 0
from cxsig.destination d
	join cxsig._log o on o.destination_id is null or o.destination_id = d.destination_id
	join cxsig.event e using (event_id, recorded_at)
where d.state = 'active' and (d.name <> 'filtered' or e.churn_risk = 'high')
	and not exists (select from cxsig.delivery v
		where v.destination_id = d.destination_id and v.position = o.position)
	and not exists (select from cxsig.retry r
		where r.destination_id = d.destination_id and r.position = o.position)
SQL
}

# The events a destination has to get yet: ids by destination, worked out from receipts alone.
sub owed
{
	my ( $node, $database ) = @_;
	my %owed = map { $_ => [] } @names;

	for my $row ( split /\n/, $node->safe_psql( $database, <<'SQL') )
select d.name, o.event_id
from cxsig.destination d
	join cxsig._log o on o.destination_id is null or o.destination_id = d.destination_id
	join cxsig.event e using (event_id, recorded_at)
where (d.name <> 'filtered' or e.churn_risk = 'high')
	and not exists (select from cxsig.delivery v
		where v.destination_id = d.destination_id and v.position = o.position)
	and not exists (select from cxsig.retry r
		where r.destination_id = d.destination_id and r.lane in
			(select h.lane from cxsig.retry h where h.destination_id = d.destination_id and h.held)
			and r.position = o.position)
SQL
	{
		my ( $name, $id ) = split /\|/, $row;
		push @{ $owed{$name} }, $id;
	}
	return \%owed;
}

# Tests: the copy is paused, says why, and has sent nothing.
sub starts_paused
{
	my ( $node, $sink, $database, $what, $offset ) = @_;

	ok( $node->poll_query_until(
			$database,
			"select bool_and(state = 'paused') and count(*) = 8 from cxsig.destination_status"
		),
		"$what: all destinations are paused" );
	is( $node->safe_psql(
			$database,
			"select count(*) from cxsig.destination_status where state_reason like '%restored or copied from elsewhere%'"
		),
		5,
		"$what: those that were active say why" );
	like(
		slurp_file( $node->logfile, $offset ),
		qr/destination "all" is paused: this database was restored.*HINT:  .*resume_all/s,
		"$what: and so does the log, with the way out" );
	return;
}

# Tests: nothing was sent so far; resumed, the copy sends exactly what it owes, each once, with the
# ids and the bytes of before, and goes on with what is new.
sub goes_on_exactly
{
	my ( $node, $sink, $database, $what, $before ) = @_;
	my $owed = owed( $node, $database );
	my $ask  = sub { return $node->safe_psql( $database, $_[0] ) };

	cmp_ok( scalar @{ $owed->{$_} }, '>', 0, "$what: $_ is owed events" )
	  for qw(doubting failing skipping waiting);
	is( scalar @{ $owed->{$_} }, 0, "$what: $_ is owed nothing" )
	  for qw(all filtered holding latest);
	$ask->('select cxsig.maintain()') for 1 .. 2;
	is( $sink->stats($_)->{received},
		$before->{$_}, "$what: $_ was sent nothing before it was resumed" )
	  for @names;

	$sink->behave( $_, { status => 200 } ) for @names;
	$ask->(
		"update cxsig.retry set next_attempt_at = now() where not held and next_attempt_at is not null"
	);
	is( $ask->('select cxsig.resume_all()'), 8, "$what: all are resumed" );
	my $new =
	  $ask->( 'select event_id from cxsig.ingest('
		  . literal(
			signal( ticket => "new in $what", churn_risk => 'high' ) )
		  . ')' );
	ok( nothing_due( $node, $database ),
		"$what: everything has its outcome" );

	for my $name (@names)
	{
		my @sent =
		  map { $_->{id} } $sink->log( $name, after => $before->{$name} );

		is_deeply(
			[ sort @sent ],
			[ sort @{ $owed->{$name} }, $new ],
			"$what: $name is sent what it is owed, and what is new" );
		my $stats = $sink->stats($name);
		is( $stats->{body_mismatch} + $stats->{identity_mismatch},
			0, "$what: $name: repeats have the ids and the bytes of before" );
	}
	ok( $ask->(
			"select cxsig.release_lane('holding', lane)
			from cxsig.blocked_lanes where destination = 'holding' and held"
		) eq 't',
		"$what: the held lane is still held, and released" );
	is( $ask->("select cxsig.wait_until_idle('60 s')"),
		't', "$what: its events go out, and nothing is left" );
	is( $sink->stats('holding')->{received},
		$before->{holding} + 1 + 4,
		"$what: all of them" );
	is( $ask->(
			"select count(*) from cxsig.dead_letters where destination = 'skipping'"
		),
		2,
		"$what: open dead letters stay" );
	is( $ask->("select count(*) from cxsig.quarantined"),
		1, "$what: so does the quarantine" );
	return;
}

1;
