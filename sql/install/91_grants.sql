-- Who may do what. PUBLIC may do nothing; every right below is given by name. Functions whose names
-- start with _ are internal: they run inside the ones that do not.

revoke all on schema cxsig from public;
revoke all on all tables in schema cxsig from public;
revoke all on all sequences in schema cxsig from public;
revoke all on all functions in schema cxsig from public;

do $$
declare
    one record;
begin
    for one in
        select t.oid::pg_catalog.regtype as type from pg_catalog.pg_type t
        where t.typnamespace operator(pg_catalog.=) 'cxsig'::pg_catalog.regnamespace
          and t.typtype operator(pg_catalog.=) any (array['e', 'd']::"char"[])
    loop
        execute pg_catalog.format('revoke all on type %s from public', one.type);
        execute pg_catalog.format('grant usage on type %s to cxsig_writer, cxsig_reader, cxsig_admin, cxsig_worker',
                                  one.type);
    end loop;
end
$$;

grant usage on schema cxsig to cxsig_writer, cxsig_reader, cxsig_admin, cxsig_worker;

-- cxsig_writer records signals; the table privilege on the view is what COPY asks for.
grant execute on function
    cxsig.ingest,
    cxsig.ingest_batch,
    cxsig.upsert_signal,
    cxsig.retract_signal,
    cxsig.upsert_account
    to cxsig_writer, cxsig_admin;
grant insert on cxsig.signal_import to cxsig_writer, cxsig_admin;

-- cxsig_reader looks.
grant select on
    cxsig.destination_status, cxsig.worker_status, cxsig.consumer_lag, cxsig.latency,
    cxsig.deliveries, cxsig.dead_letters, cxsig.blocked_lanes, cxsig.repairs, cxsig.quarantined, cxsig.alerts,
    cxsig.unmapped_tags
    to cxsig_reader, cxsig_admin;
grant execute on function
    cxsig._worker_slots,
    cxsig.history,
    cxsig.event_json,
    cxsig.preview,
    cxsig.wait_until_idle
    to cxsig_reader, cxsig_admin;

-- cxsig_admin defines destinations and the taxonomy, and repairs.
grant execute on function
    cxsig.create_destination,
    cxsig.alter_destination,
    cxsig.pause_destination,
    cxsig.resume_destination,
    cxsig.resume_all,
    cxsig.drop_destination,
    cxsig.test_destination,
    cxsig.preview_payload,
    cxsig.set_secret,
    cxsig.redrive,
    cxsig.replay,
    cxsig.discard,
    cxsig.verify,
    cxsig.release_lane,
    cxsig.maintain,
    cxsig.fold,
    cxsig.release_quarantined,
    cxsig.discard_quarantined,
    cxsig.define_source,
    cxsig.map_value,
    cxsig.define_driver,
    cxsig.define_tag,
    cxsig.map_tag,
    cxsig.define_metric
    to cxsig_admin;
grant select on cxsig.source, cxsig.value_map, cxsig.driver, cxsig.canonical_tag, cxsig.tag_mapping,
    cxsig.metric, cxsig.account to cxsig_reader, cxsig_admin;

-- cxsig_worker reads the log and writes what became of it; nothing else.
grant select on cxsig.outbox, cxsig.remnant, cxsig.remnant_position, cxsig._log, cxsig.event,
    cxsig.destination, cxsig.secret, cxsig.delivery, cxsig.ticket_revision, cxsig.checkpoint,
    cxsig.retry, cxsig.alert to cxsig_worker;
grant insert on cxsig.delivery, cxsig.checkpoint, cxsig.retry, cxsig.dead_letter, cxsig.alert to cxsig_worker;
grant update, delete on cxsig.retry to cxsig_worker;
grant select, insert, update on cxsig.token to cxsig_worker;
grant update on cxsig.alert to cxsig_worker;
grant update (state, state_reason, state_changed_at) on cxsig.destination to cxsig_worker;
grant execute on function cxsig.maintain to cxsig_worker;

-- The launcher learns of this database when the script's transaction commits.
select cxsig._announce();
