# CxsigLoad: many signals at once, and what has to be true of how they arrived, whatever went wrong
# on the way. Beside CxsigTest, which it builds on.
package CxsigLoad;

use strict;
use warnings;

use CxsigTest;
use Exporter 'import';
use Test::More;

our @EXPORT = qw(
  all_arrived event_ids faithful in_flight load_signals repeats_without_receipt
);

# load_signals($node, tickets => N, revisions => N, prefix => 'T', fields => {...}): a transaction of
# N revisions of each of N tickets, all of them new; how many events that made.
sub load_signals
{
	my ( $node, %load ) = @_;
	my $tickets   = $load{tickets}   || 10;
	my $revisions = $load{revisions} || 1;
	my $prefix    = literal( $load{prefix} || 'T' );
	my $fields    = literal( to_json( $load{fields} || {} ) );

	return $node->safe_psql( $load{database} || 'postgres', <<"SQL");
select count(*)
from (select clock_timestamp() as base) now,
	cxsig.ingest_batch((
		select jsonb_agg(jsonb_build_object('ticket_id', $prefix || '-' || t,
			'occurred_at', now.base + r * interval '1 microsecond', 'source_system', 'test',
			'evidence_url', 'https://help.example.com/' || t) || $fields order by r, t)
		from generate_series(1, $tickets) t, generate_series(1, $revisions) r), 'raise') i
where i.outcome = 'inserted'
SQL
}

# The ids of all events, or of those a condition names.
sub event_ids
{
	my ( $node, $condition ) = @_;

	return split /\n/,
	  $node->safe_psql( 'postgres',
		'select event_id from cxsig.event where '
		  . ( $condition || 'true' ) );
}

# Whether at least so many requests are out at this moment, as the receiver sees it.
sub in_flight
{
	my ( $sink, $path, $n, $seconds ) = @_;
	my $end = time + ( $seconds || 60 );

	while ( time < $end )
	{
		return 1 if $sink->stats($path)->{in_flight} >= $n;
		select( undef, undef, undef, 0.01 );
	}
	return 0;
}

# Tests: every event arrived, and nothing else did.
sub all_arrived
{
	my ( $node, $sink, $path, $what, $condition ) = @_;
	my @ids    = event_ids( $node, $condition );
	my $answer = $sink->missing( $path, @ids );

	is( $answer->{missing}, 0, "$what: all of " . @ids . ' events arrived' )
	  or diag("such as @{$answer->{examples}}");
	is( $answer->{others}, 0, "$what: no others arrived" );
	return scalar @ids;
}

# Tests: first arrivals in order, repeats identical to the first in id and body.
sub faithful
{
	my ( $sink, $path, $what ) = @_;
	my $stats = $sink->stats($path);

	is( $stats->{order_violations}, 0, "$what: in order per ticket" )
	  or diag( to_json( $stats->{first_violation} ) );
	is( $stats->{overlaps}, 0, "$what: one at a time per ticket" );
	is( $stats->{body_mismatch} + $stats->{identity_mismatch},
		0, "$what: a repeat has the id and the body of the first" );
	is( $stats->{malformed} +
		  $stats->{unkeyed} +
		  $stats->{signature_failures},
		0,
		"$what: all well-formed and signed" );
	return $stats;
}

# Tests: an event has one receipt, and what has a receipt is not sent again: its last arrival is
# not after the moment on its receipt.
sub repeats_without_receipt
{
	my ( $node, $sink, $path, $destination, $what ) = @_;
	my $where =
		'from cxsig.deliveries where destination = '
	  . literal($destination)
	  . " and outcome = 'delivered'";
	my %finished = map { split /\|/ } split /\n/,
	  $node->safe_psql(
		'postgres',
		"select event_id, (extract(epoch from finished_at) * 1000000)::bigint $where"
	  );
	my @late;

	for my $attempt ( $sink->log($path) )
	{
		my $finished = $finished{ $attempt->{id} };
		push @late, $attempt->{id}
		  if defined $finished && $attempt->{at_us} > $finished;
	}
	is( "@late", '', "$what: nothing with a receipt is sent again" );
	is( $node->safe_psql(
			'postgres', "select count(*) - count(distinct event_id) $where" ),
		0,
		"$what: one receipt an event" );
	return;
}

1;
