-- Who may do what. PUBLIC may do nothing; every right below is given by name.

revoke all on schema cxsig from public;
revoke all on all tables in schema cxsig from public;
revoke all on all sequences in schema cxsig from public;
revoke all on all functions in schema cxsig from public;

grant usage on schema cxsig to cxsig_writer, cxsig_reader, cxsig_admin, cxsig_worker;

-- cxsig_writer records signals.
grant execute on function
    cxsig.ingest(jsonb, text),
    cxsig.ingest_batch(jsonb, text)
    to cxsig_writer, cxsig_admin;

-- cxsig_worker reads the log and writes what became of it; nothing else.
grant select on cxsig.outbox, cxsig.event, cxsig.destination, cxsig.secret, cxsig.delivery,
    cxsig.checkpoint, cxsig.retry to cxsig_worker;
grant insert on cxsig.delivery, cxsig.checkpoint, cxsig.retry, cxsig.dead_letter to cxsig_worker;
grant update, delete on cxsig.retry to cxsig_worker;
grant update (state, state_reason, state_changed_at) on cxsig.destination to cxsig_worker;
grant execute on function cxsig.maintain() to cxsig_worker;
