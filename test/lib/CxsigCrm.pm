# CxsigCrm: what the tests of CRMs share: a destination that writes to a stand-in, signals for it, and
# whether the stand-in holds what it should.

package CxsigCrm;

use strict;
use warnings;

use CxsigTest;
use Exporter qw(import);
use Test::More;

our @EXPORT =
  qw(crm_destination drop_destination holds_newest load_revisions);

my $since;

# crm_destination($node, $remote, 'salesforce', 'name', remote => {...}, config => {...}, options =>
# {...}, secrets => {...}): the stand-in as it was at first but for `remote`, and a destination of that
# transport that tries again soon.
sub crm_destination
{
	my ( $node, $remote, $api, $name, %with ) = @_;

	$since = $node->safe_psql( 'postgres', 'select clock_timestamp()' );
	$remote->reset($api);
	$remote->config( $api, $with{remote} );
	destination(
		$node, $name,
		$remote->url($api),
		transport => $api,
		config    => $with{config},
		options   => {
			retry_initial_ms      => 50,
			retry_max_ms          => 500,
			first_byte_timeout_ms => 1000,
			total_timeout_ms      => 20000,
			%{ $with{options} } },
		secrets => $with{secrets} );
	return;
}

sub drop_destination
{
	my ( $node, $name ) = @_;

	$node->safe_psql( 'postgres',
		'select cxsig.drop_destination(' . literal($name) . ')' );
	return;
}

# load_revisions($node, tickets => N, from => 1, revisions => N, prefix => 'T-', fields => {...}): a
# transaction of so many revisions of each ticket, each another than the one before.
sub load_revisions
{
	my ( $node, %load ) = @_;
	my $from      = $load{from} || 1;
	my $to        = $from + ( $load{tickets} || 10 ) - 1;
	my $revisions = $load{revisions} || 1;
	my $prefix    = literal( defined $load{prefix} ? $load{prefix} : 'T-' );
	my $fields    = literal( to_json( $load{fields} || {} ) );

	return $node->safe_psql( 'postgres', <<"SQL");
select count(*)
from (select clock_timestamp() as base) now,
	cxsig.ingest_batch((
		select jsonb_agg(jsonb_build_object('ticket_id', $prefix || t, 'source_system', 'test',
			'occurred_at', now.base + r * interval '1 microsecond',
			'sentiment', (array['negative', 'neutral', 'positive'])[1 + (t + r) % 3],
			'evidence_url', 'https://help.example.com/' || t || '/' || r) || $fields order by r, t)
		from generate_series($from, $to) t, generate_series(1, $revisions) r), 'raise') i
SQL
}

# holds_newest($node, $remote, 'salesforce', 'what', key => field, version => field, sentiment => field,
# evidence => field, mood => SQL, seeded => 1): tests that for each ticket since crm_destination() there
# is one record with its newest revision, and that it never was older than before. mood: what
# the mapping makes of a sentiment. seeded: there are records that no signal was about.
sub holds_newest
{
	my ( $node, $remote, $api, $what, %field ) = @_;
	my $mood  = $field{mood} || 'sentiment';
	my @there = split /\n/,
	  $remote->records_text( $api,
		@field{ 'key', 'version', 'sentiment', 'evidence' } );
	my @wanted = split /\n/, $node->safe_psql( 'postgres', <<"SQL");
select distinct on (ticket_id) concat_ws(E'\\t', ticket_id, version, $mood, evidence_url)
from cxsig.event where recorded_at >= '$since' order by ticket_id, version desc
SQL

	@there = grep { !/\\N/ } @there if $field{seeded};
	is( join( "\n", sort @there ),
		join( "\n", sort @wanted ),
		"$what: one record each, equal to the newest revision" );
	is( scalar $remote->regressions( $api, $field{version} ),
		0, "$what: none ever was older than before" );
	is( scalar $remote->duplicates($api), 0, "$what: none is there twice" );
	return;
}

1;
