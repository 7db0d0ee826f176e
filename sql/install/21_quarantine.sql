-- Inputs that were refused: seen, fixed and released, or let go.

create view cxsig.quarantined as
    select q.quarantine_id,
           q.received_at,
           q.received_by,
           q.input operator(pg_catalog.->>) 'source_system' as source_system,
           q.input operator(pg_catalog.->>) 'ticket_id' as ticket_id,
           q.field,
           q.reason,
           q.hint,
           q.input
      from cxsig.quarantine q
     where q.state operator(pg_catalog.=) 'open';
comment on view cxsig.quarantined is
    'inputs that were refused and wait for release_quarantined() or discard_quarantined()';
comment on column cxsig.quarantined.quarantine_id is 'names the row to the two functions';
comment on column cxsig.quarantined.received_at is 'when it came';
comment on column cxsig.quarantined.received_by is 'the role that sent it';
comment on column cxsig.quarantined.source_system is 'as the input has it';
comment on column cxsig.quarantined.ticket_id is 'as the input has it';
comment on column cxsig.quarantined.field is 'the field that was wrong';
comment on column cxsig.quarantined.reason is 'what was wrong';
comment on column cxsig.quarantined.hint is 'what is allowed';
comment on column cxsig.quarantined.input is 'the input, whole';

create function cxsig.release_quarantined(quarantine_id bigint, fixed_input jsonb default null)
    returns cxsig.ingest_result
    language plpgsql volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    kept   cxsig.quarantine;
    result cxsig.ingest_result;
begin
    kept := cxsig._open_quarantine(quarantine_id);
    result := cxsig.ingest(coalesce(fixed_input, kept.input), 'raise');
    update cxsig.quarantine q
       set state = 'released', resolved_at = clock_timestamp(), event_id = result.event_id
     where q.quarantine_id = kept.quarantine_id;
    return result;
end
$$;
comment on function cxsig.release_quarantined(bigint, jsonb) is
    'ingests a quarantined input, or the fixed one given in its place; raises while it is still bad';

create function cxsig.discard_quarantined(quarantine_id bigint) returns void
    language plpgsql volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    kept cxsig.quarantine;
begin
    kept := cxsig._open_quarantine(quarantine_id);
    update cxsig.quarantine q
       set state = 'discarded', resolved_at = clock_timestamp()
     where q.quarantine_id = kept.quarantine_id;
end
$$;
comment on function cxsig.discard_quarantined(bigint) is 'lets a quarantined input go';

create function cxsig._open_quarantine(quarantine_id bigint) returns cxsig.quarantine
    language plpgsql volatile parallel unsafe
    set search_path = pg_catalog, pg_temp
    as $$
declare
    kept cxsig.quarantine;
begin
    select q.* into kept
      from cxsig.quarantine q
     where q.quarantine_id = _open_quarantine.quarantine_id
       for update;
    if kept.quarantine_id is null then
        raise exception using
            errcode = 'no_data_found',
            message = format('quarantined input %s does not exist', coalesce(quarantine_id::text, 'null')),
            hint = 'See cxsig.quarantined for those that are open.';
    end if;
    if kept.state <> 'open' then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = format('quarantined input %s was %s already', quarantine_id, kept.state),
            hint = 'See cxsig.quarantined for those that are open.';
    end if;
    return kept;
end
$$;
comment on function cxsig._open_quarantine(bigint) is 'locks an open row of quarantine and returns it';
