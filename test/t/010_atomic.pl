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

sub run_sql { return $node->psql( 'postgres', $_[0] ); }

subtest 'atomic: commit and rollback' => sub {
	run_sql( 'begin; ' . call('yes-commit') . ' commit' );
	run_sql( 'begin; ' . call('no-rollback') . ' rollback' );
	run_sql( 'begin; ' . call('no-error') . ' select 1/0; commit' );
	run_sql( 'begin; ' . batch( 'yes-batch-1', 'yes-batch-2' ) . ' commit' );
	run_sql( 'begin; ' . batch( 'no-batch-1',  'no-batch-2' ) . ' rollback' );
	run_sql(
		"begin; copy cxsig.signal_import (ticket_id, occurred_at, source_system, evidence_url) from stdin csv;\n"
		  . "yes-copy,2026-01-01T00:00:00Z,test,https://e.example/1\n\\.\ncommit"
	);
	run_sql(
		"begin; copy cxsig.signal_import (ticket_id, occurred_at, source_system, evidence_url) from stdin csv;\n"
		  . "no-copy,2026-01-01T00:00:00Z,test,https://e.example/1\n\\.\nrollback"
	);
	pass('run');
};

subtest 'atomic: savepoints' => sub {
	run_sql('begin; '
		  . call('yes-before')
		  . ' savepoint a; '
		  . call('no-inside')
		  . ' rollback to a; '
		  . call('yes-after')
		  . ' savepoint b; '
		  . call('yes-released')
		  . ' release b; commit' );
	run_sql('do $$ begin begin perform '
		  . ( call('no-caught') =~ s/^select //r =~ s/;$//r )
		  . '; raise division_by_zero; exception when division_by_zero then null; end; end $$'
	);
	pass('run');
};

subtest 'atomic: prepared transactions' => sub {
	run_sql(
		'begin; ' . call('yes-prepared') . " prepare transaction 'keep'" );
	run_sql(
		'begin; ' . call('no-prepared') . " prepare transaction 'drop'" );
	is( $node->safe_psql(
			'postgres',
			"select count(*) from cxsig.event where ticket_id ~ 'prepared'" ),
		0,
		'not there while prepared' );
	run_sql("rollback prepared 'drop'");
	run_sql("commit prepared 'keep'");
	ok( $sink->wait_ok( 'hook', 8 ),
		'COMMIT PREPARED of another session is found by the safety poll' );
};

ok( idle($node), 'done' );
is( join( ' ', sort map { $_->{key} } $sink->log('hook') ),
	'yes-after yes-batch-1 yes-batch-2 yes-before yes-commit yes-copy yes-prepared yes-released',
	'atomic: what was committed arrived, and nothing else' );
is( $node->safe_psql( 'postgres', 'select count(*) from cxsig.outbox' ),
	8, 'atomic: outbox' );
is( $node->safe_psql(
		'postgres', 'select count(*) from cxsig.processed_key' ),
	8,
	'atomic: keys' );

subtest 'atomic: a key of a rolled back transaction can be used again' =>
  sub {
	my $input =
	  literal( signal( ticket => 'again', idempotency_key => 'k' ) );
	run_sql("begin; select cxsig.ingest($input); rollback");
	is( $node->safe_psql(
			'postgres', "select outcome from cxsig.ingest($input)" ),
		'inserted',
		'inserted' );
  };

$node->stop;
done_testing();
