# Promise: atomic. An event is in the outbox if and only if the application's transaction committed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use CxsigTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = CxsigTest::Sink->start;
my $node = cxsig_node( 'atomic', conf => "cxsig.poll_interval = 200ms\n" );
destination( $node, 'hook', $sink->url('hook') );

sub call
{
	my ($ticket) = @_;
	return
	  'select cxsig.ingest(' . literal( signal( ticket => $ticket ) ) . ');';
}

sub batch
{
	my (@tickets) = @_;
	return 'select cxsig.ingest_batch('
	  . literal(
		'[' . join( ',', map { signal( ticket => $_ ) } @tickets ) . ']' )
	  . ');';
}

my $copy =
  'copy cxsig.signal_import (ticket_id, occurred_at, source_system, evidence_url) from stdin csv;';

sub copy
{
	my ($ticket) = @_;
	return
	  "$copy\n$ticket,2026-01-01T00:00:00Z,test,https://e.example/1\n\\.\n";
}

# run_sql($name, $taken, $sql): it goes through, and so many signals were answered inserted in it.
sub run_sql
{
	my ( $name, $taken, $sql ) = @_;
	my $answers = $node->safe_psql( 'postgres', $sql );

	is( () = $answers =~ /,inserted,/g, $taken, $name );
	return;
}

subtest 'atomic: commit and rollback' => sub {
	run_sql( 'commit',   1, 'begin; ' . call('yes-commit') . ' commit' );
	run_sql( 'rollback', 1, 'begin; ' . call('no-rollback') . ' rollback' );
	run_sql( 'a batch committed',
		2, 'begin; ' . batch( 'yes-batch-1', 'yes-batch-2' ) . ' commit' );
	run_sql( 'a batch rolled back',
		2, 'begin; ' . batch( 'no-batch-1', 'no-batch-2' ) . ' rollback' );
	run_sql( 'COPY committed', 0, 'begin; ' . copy('yes-copy') . 'commit' );
	run_sql( 'COPY rolled back', 0,
		'begin; ' . copy('no-copy') . 'rollback' );

	# psql goes on after the error here: the session lives, and says commit.
	my ( undef, $answers, $messages ) = $node->psql(
		'postgres',
		'begin; '
		  . call('no-error')
		  . batch('no-error-batch')
		  . copy('no-error-copy')
		  . 'select 1/0; commit; select 7',
		on_error_stop => 0 );
	is( () = $answers =~ /,inserted,/g, 2, 'taken before the error' );
	like( $messages, qr/division by zero/, 'an error, then commit' );
	like( $answers,  qr/^7$/m,             'in a session that goes on' );
};

subtest 'atomic: a COPY that breaks off leaves nothing to the next one' =>
  sub {
	my $broken = copy('no-broken-off') =~ s/\\\.\n$/too,few\n\\.\n/r;
	my ( undef, undef, $messages ) = $node->psql(
		'postgres',
		$broken
		  . "begin; savepoint a;\n$broken"
		  . "rollback to a;\n"
		  . copy('yes-copy-after')
		  . 'commit',
		on_error_stop => 0 );
	is( () = $messages =~ /missing data for column/g, 2, 'two broke off' );
	like( $messages, qr/signal_import: 1 rows: 1 inserted/, 'one went on' );
  };

subtest 'atomic: savepoints' => sub {
	run_sql(
		'rollback to a savepoint, release of another',
		4,
		'begin; '
		  . call('yes-before')
		  . ' savepoint a; '
		  . call('no-inside')
		  . ' rollback to a; '
		  . call('yes-after')
		  . ' savepoint b; '
		  . call('yes-released')
		  . ' release b; commit' );
	run_sql(
		'a batch and a COPY in a savepoint',
		2,
		'begin; savepoint a; '
		  . batch( 'no-nested-1', 'no-nested-2' )
		  . copy('no-nested-copy')
		  . 'rollback to a; commit' );
	run_sql(
		'a savepoint released inside one that is rolled back',
		2,
		'begin; savepoint a; savepoint b; '
		  . call('no-released-inside')
		  . ' release b; rollback to a; '
		  . call('yes-last')
		  . ' commit' );
	run_sql(
		'an exception caught',
		0,
		'do $$ begin begin perform '
		  . ( call('no-caught') =~ s/^select //r =~ s/;$//r )
		  . '; raise division_by_zero; exception when division_by_zero then null; end; end $$'
	);
};

subtest 'atomic: prepared transactions' => sub {
	run_sql(
		'one to be kept',
		2,
		'begin; '
		  . call('yes-prepared')
		  . ' savepoint a; '
		  . call('yes-prepared-nested')
		  . " release a; prepare transaction 'keep'" );
	run_sql( 'one to be dropped',
		1, 'begin; ' . call('no-prepared') . " prepare transaction 'drop'" );
	ok( idle($node), 'nothing waits for them' );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from cxsig.event where ticket_id ~ 'prepared'" ),
		0,
		'not there while prepared' );
	is( scalar( grep { $_->{key} =~ /prepared/ } $sink->log('hook') ),
		0, 'nor sent' );
	$node->safe_psql( 'postgres', "rollback prepared 'drop'" );
	$node->safe_psql( 'postgres', "commit prepared 'keep'" );
	ok( $sink->wait_ok( 'hook', 11, 5 ),
		'COMMIT PREPARED of another session is found' );

	# Destinations are read again every 5 s, and the outbox with them. So only the first of these
	# could be in time without the poll, which is at every 200 ms here.
	my $until = time + 8;
	for my $round ( 1 .. 3 )
	{
		$node->safe_psql( 'postgres',
				'begin; '
			  . call("yes-round-$round")
			  . " prepare transaction 'round'" );
		$node->safe_psql( 'postgres', "commit prepared 'round'" );
		my $left = $until - time;
		ok( $left > 0 && $sink->wait_ok( 'hook', 11 + $round, $left ),
			"by the safety poll, round $round" );
	}
};

ok( idle($node), 'done' );
is( join( ' ', sort map { $_->{key} } $sink->log('hook') ),
	'yes-after yes-batch-1 yes-batch-2 yes-before yes-commit yes-copy yes-copy-after yes-last yes-prepared yes-prepared-nested yes-released yes-round-1 yes-round-2 yes-round-3',
	'atomic: what was committed arrived, and nothing else' );
is( $node->safe_psql( 'postgres', 'select count(*) from cxsig.outbox' ),
	14, 'atomic: outbox' );
is( $node->safe_psql(
		'postgres', 'select count(*) from cxsig.processed_key' ),
	14,
	'atomic: keys' );

subtest 'atomic: a key of a rolled back transaction can be used again' =>
  sub {
	my $input =
	  literal( signal( ticket => 'again', idempotency_key => 'k' ) );
	run_sql( 'taken and rolled back',
		1, "begin; select cxsig.ingest($input); rollback" );
	is( $node->safe_psql(
			'postgres', "select outcome from cxsig.ingest($input)" ),
		'inserted',
		'inserted' );
  };

$node->stop;
done_testing();
