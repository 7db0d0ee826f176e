-- Repair: dead letters, held lanes. Callers need cxsig_admin.

create function cxsig._dead_letters(destination text, ids bigint[], since timestamptz, until timestamptz, reason text)
    returns setof cxsig.dead_letter
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    id integer := cxsig._destination_id(destination);
begin
    return query
        select l.* from cxsig.dead_letter l
        where l.destination_id = id
          and l.resolution is null
          and (ids is null or l.dead_letter_id = any (ids))
          and (since is null or l.died_at >= since)
          and (until is null or l.died_at < until)
          and (_dead_letters.reason is null or strpos(l.reason, _dead_letters.reason) > 0)
        order by l.ticket_id collate "C", l.position
        for update of l;
end
$$;
comment on function cxsig._dead_letters(text, bigint[], timestamptz, timestamptz, text) is
    'internal: open dead letters of a destination that match, locked, by ticket and position';

create function cxsig.redrive(destination text, ids bigint[] default null, since timestamptz default null,
                              until timestamptz default null, reason text default null,
                              force boolean default false,
                              out redriven bigint, out superseded bigint)
    returns record
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    id integer := cxsig._destination_id(destination);
    latest boolean;
    letter cxsig.dead_letter;
    newer boolean;
begin
    redriven := 0;
    superseded := 0;
    -- Rows route by what partitions there are once the default one is locked: see _make_partition().
    lock table cxsig.outbox_default in row exclusive mode;
    select d.history = 'latest' into latest from cxsig.destination d where d.destination_id = id;
    for letter in
        select * from cxsig._dead_letters(redrive.destination, redrive.ids, redrive.since, redrive.until, redrive.reason)
    loop
        -- The ticket's row first, then the position: as every writer of the outbox does.
        perform from cxsig.ticket t where t.ticket_id = letter.ticket_id for update;
        select coalesce(r.head_recorded_at > letter.recorded_at, false) into newer
            from cxsig.ticket_revision r
            where r.ticket_id = letter.ticket_id
            order by r.ordinal desc limit 1;
        if latest and newer and not force then
            superseded := superseded + 1;
        else
            insert into cxsig.outbox (event_id, recorded_at, ticket_id, destination_id, forced)
                values (letter.event_id, letter.recorded_at, letter.ticket_id, id, force);
            redriven := redriven + 1;
        end if;
        update cxsig.dead_letter l
            set resolution = case when latest and newer and not force then 'superseded' else 'redriven' end,
                resolved_at = clock_timestamp(), resolved_by = session_user
            where l.dead_letter_id = letter.dead_letter_id;
    end loop;
    if redriven > 0 then
        perform cxsig._notify_workers();
    end if;
end
$$;
comment on function cxsig.redrive(text, bigint[], timestamptz, timestamptz, text, boolean) is
    'sends dead letters of a destination again: all, by ids, by time of death, or by words of the reason. Where history is latest, one with a newer revision is not sent but superseded, unless forced';

create function cxsig.discard(destination text, ids bigint[] default null, since timestamptz default null,
                              until timestamptz default null, reason text default null)
    returns bigint
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    n bigint;
begin
    update cxsig.dead_letter l
        set resolution = 'discarded', resolved_at = clock_timestamp(), resolved_by = session_user
        where l.dead_letter_id in
            (select d.dead_letter_id
             from cxsig._dead_letters(discard.destination, discard.ids, discard.since, discard.until, discard.reason) d);
    get diagnostics n = row_count;
    return n;
end
$$;
comment on function cxsig.discard(text, bigint[], timestamptz, timestamptz, text) is
    'lets dead letters of a destination go: all, by ids, by time of death, or by words of the reason. They stay on record; returns how many';

create function cxsig.release_lane(destination text, lane bigint, skip boolean default false) returns boolean
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    id integer := cxsig._destination_id(destination);
    head cxsig.retry;
    event cxsig.event;
begin
    select * into head from cxsig.retry r
        where r.destination_id = id and r.lane = release_lane.lane and r.held
        order by r.position limit 1 for update;
    if not found then
        return false;
    end if;
    if skip then
        lock table cxsig.delivery_default in row exclusive mode;
        select * into event from cxsig.event e
            where e.event_id = head.event_id and e.recorded_at = head.recorded_at;
        insert into cxsig.dead_letter (destination_id, position, event_id, recorded_at, ticket_id,
                                       attempt, http_status, reason, died_at)
            values (id, head.position, head.event_id, head.recorded_at, event.ticket_id, head.attempt,
                    head.last_status, coalesce(head.last_error, 'skipped by a person'), clock_timestamp());
        insert into cxsig.delivery (destination_id, position, event_id, ticket_id, outcome, attempt,
                                    http_status, detail, occurred_at, recorded_at, finished_at, backfill)
            values (id, head.position, head.event_id, event.ticket_id, 'dead', head.attempt,
                    head.last_status, head.last_error, event.occurred_at, event.recorded_at,
                    clock_timestamp(), head.backfill);
        delete from cxsig.retry r where r.destination_id = id and r.position = head.position;
    else
        update cxsig.retry r set held = false, next_attempt_at = clock_timestamp()
            where r.destination_id = id and r.position = head.position;
    end if;
    perform cxsig._notify_workers();
    return true;
end
$$;
comment on function cxsig.release_lane(text, bigint, boolean) is
    'lets a held lane go on (see blocked_lanes): its head is sent again, or with skip becomes a dead letter. False where the lane is not held';
