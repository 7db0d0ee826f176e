-- Repair: dead letters sent again or let go, what was recorded replayed, held lanes released. Callers
-- need cxsig_admin. Whatever is done leaves a row in repair, which says how far it is.
--
-- Locks of redrive(): dead letters by position, all their tickets by ticket_id, then positions are drawn.
-- replay() locks no ticket: it writes to the backfill stream, whose feed looks for itself whether a row
-- is older than what is known.

create table cxsig.repair (
    repair_id      bigint generated always as identity primary key,
    kind           text not null,
    destination_id integer not null,
    stream         cxsig.stream,
    requested_at   timestamptz not null default pg_catalog.clock_timestamp(),
    requested_by   text not null default session_user,
    arguments      jsonb not null,
    events         bigint not null,
    superseded     bigint not null default 0,
    first_position bigint,
    last_position  bigint,
    txid           xid8 not null default pg_catalog.pg_current_xact_id(),
    constraint repair_kind check (kind operator(pg_catalog.=) any (array['redrive', 'replay', 'discard', 'verify']))
);
comment on table cxsig.repair is 'what redrive(), replay(), discard() and a verify() that repairs did, append-only; see the view repairs';
comment on column cxsig.repair.repair_id is 'names the row';
comment on column cxsig.repair.kind is 'redrive, replay, discard or verify';
comment on column cxsig.repair.destination_id is 'the destination';
comment on column cxsig.repair.stream is 'the stream its events were put into; a call that uses both has a row for each; null where none was put into any';
comment on column cxsig.repair.requested_at is 'when';
comment on column cxsig.repair.requested_by is 'by whom';
comment on column cxsig.repair.arguments is 'what the call was given, nulls left out';
comment on column cxsig.repair.events is 'events put into the stream, or discarded';
comment on column cxsig.repair.superseded is 'dead letters not sent again, since a newer revision was known';
comment on column cxsig.repair.first_position is 'position of the first of them in the outbox';
comment on column cxsig.repair.last_position is 'position of the last';
comment on column cxsig.repair.txid is 'the transaction that wrote them: while a destination has it in doubt, it has not read them';

create view cxsig.repairs as
select s.repair_id,
       s.kind,
       coalesce(d.name, pg_catalog.format('(dropped %s)', s.destination_id)) as destination,
       s.requested_at,
       s.requested_by,
       s.arguments,
       s.stream,
       s.events,
       s.superseded,
       case
           when s.stream is null or s.low > s.last_position and not s.in_doubt then 'done'
           when d.name is null then 'dropped'
           when s.low > s.first_position and not s.in_doubt then 'under way'
           else 'waiting'
       end as state,
       case
           when s.stream is null then 100
           when s.in_doubt or s.low is null then 0
           else pg_catalog.floor(100.0 * (greatest(least(s.low, s.last_position + 1), s.first_position) - s.first_position)
                                 / (s.last_position - s.first_position + 1))::integer
       end as done_percent
from (select r.*,
             case r.stream when 'live' then c.low when 'backfill' then c.backfill_low end as low,
             coalesce(r.txid = any (case r.stream when 'live' then c.doubt else c.backfill_doubt end),
                      false) as in_doubt
      from cxsig.repair r
          left join lateral (select k.low, k.doubt, k.backfill_low, k.backfill_doubt
                             from cxsig.checkpoint k
                             where k.destination_id = r.destination_id
                             order by k.written_at desc
                             limit 1) c on true) s
    left join cxsig.destination d on d.destination_id = s.destination_id
order by s.repair_id;
comment on view cxsig.repairs is 'redrives, replays, discards and what verify() repaired, and how far each is, as of the destination''s last checkpoint, which is about a second old at most';
comment on column cxsig.repairs.repair_id is 'ascends in the order of the calls';
comment on column cxsig.repairs.kind is 'redrive, replay, discard or verify';
comment on column cxsig.repairs.destination is 'the destination';
comment on column cxsig.repairs.requested_at is 'when it was asked for';
comment on column cxsig.repairs.requested_by is 'by whom';
comment on column cxsig.repairs.arguments is 'what the call was given, nulls left out';
comment on column cxsig.repairs.stream is 'the stream its events go through, live or backfill; null where there are none to be sent';
comment on column cxsig.repairs.events is 'events to be sent again, or discarded';
comment on column cxsig.repairs.superseded is 'dead letters not sent again, since a newer revision was known';
comment on column cxsig.repairs.state is 'waiting, under way, done (each has its outcome or waits in its lane: see blocked_lanes), or dropped with its destination';
comment on column cxsig.repairs.done_percent is 'how much of its stretch of the log the destination is past';

create function cxsig._check_repair(destination text, since timestamptz, until timestamptz, filter jsonpath)
    returns integer
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if destination is null then
        raise exception using
            errcode = 'null_value_not_allowed',
            message = 'destination is null',
            hint = 'Name one of cxsig.destination_status.';
    end if;
    if since > until then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('since (%s) cannot be later than until (%s)', since, until),
            hint = 'What lies from since on and before until is taken.';
    end if;
    -- A filter that no event could pass is refused also where there is no event to try it on.
    if filter is not null then
        perform cxsig._row_matches(row(null::uuid), filter);
    end if;
    return cxsig._destination_id(destination);
end
$$;
comment on function cxsig._check_repair(text, timestamptz, timestamptz, jsonpath) is
    'internal: the id of the destination of a repair; raises what is wrong with its arguments';

create function cxsig._newest_position() returns bigint
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when s.is_called then s.last_value else s.last_value - 1 end from cxsig.outbox_position s
$$;
comment on function cxsig._newest_position() is 'internal: the position drawn last; it need not have been used';

create function cxsig._progress(what text, done bigint, share double precision) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    raise notice '%: % events so far, % %%', what, done, floor(100 * greatest(least(share, 1), 0));
    return true;
end
$$;
comment on function cxsig._progress(text, bigint, double precision) is
    'internal: tells the caller how far a long call is; always true, to stand in a condition';

create function cxsig._record_repair(kind text, destination_id integer, after bigint, arguments jsonb,
                                     events bigint default 0, superseded bigint default 0)
    returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    insert into cxsig.repair (kind, destination_id, stream, arguments, events, superseded, first_position, last_position)
        select _record_repair.kind, _record_repair.destination_id, s.stream, jsonb_strip_nulls(_record_repair.arguments),
               s.events, case when row_number() over (order by s.stream) = 1 then _record_repair.superseded else 0 end,
               s.low, s.high
        from (select o.stream, count(*) as events, min(o.position) as low, max(o.position) as high
              from cxsig.outbox o
              where o.txid = pg_current_xact_id() and o.position > after
              group by o.stream) s
        order by s.stream;
    if not found and _record_repair.events + _record_repair.superseded > 0 then
        insert into cxsig.repair (kind, destination_id, arguments, events, superseded)
            values (_record_repair.kind, _record_repair.destination_id, jsonb_strip_nulls(_record_repair.arguments),
                    _record_repair.events, _record_repair.superseded);
    end if;
    perform cxsig._notify_workers();
end
$$;
comment on function cxsig._record_repair(text, integer, bigint, jsonb, bigint, bigint) is
    'internal: writes down a repair: what this transaction put into the outbox after a position, or how many it dealt with otherwise';

create function cxsig._dead_letters(destination_id integer, ids bigint[], since timestamptz, until timestamptz,
                                    reason text, filter jsonpath)
    returns bigint[]
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
as $$
begin
    return (
    select coalesce(array_agg(s.dead_letter_id), '{}')
    from (select l.dead_letter_id
          from cxsig.dead_letter l
          where l.destination_id = _dead_letters.destination_id
            and l.resolution is null
            and (ids is null or l.dead_letter_id = any (ids))
            and (since is null or l.died_at >= since)
            and (until is null or l.died_at < until)
            and (_dead_letters.reason is null or strpos(l.reason, _dead_letters.reason) > 0)
            and (filter is null
                 or exists (select from cxsig.event e
                            where e.event_id = l.event_id and e.recorded_at = l.recorded_at
                              and cxsig._matches(e, filter)))
          order by l.position
          for update of l) s);
end
$$;
comment on function cxsig._dead_letters(integer, bigint[], timestamptz, timestamptz, text, jsonpath) is
    'internal: ids of the open dead letters of a destination that match, locked, in the order of the log';

create function cxsig._redrive(destination_id integer, letters bigint[], force boolean,
                               out redriven bigint, out superseded bigint)
    returns record
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    destination cxsig.destination;
    wary boolean;
    part bigint[];
    chosen bigint;
    sent bigint;
begin
    redriven := 0;
    superseded := 0;
    select * into destination from cxsig.destination d where d.destination_id = _redrive.destination_id;
    wary := destination.history = 'latest' and not force;
    -- Under an older snapshot the revision that came last would go unseen, in spite of the lock.
    if wary and current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        raise exception using
            errcode = 'active_sql_transaction',
            message = format('dead letters of "%s" cannot be redriven at %s', destination.name,
                             current_setting('transaction_isolation')),
            detail = 'Its history is latest, and a newer revision could go unseen.',
            hint = 'Call it in a transaction at read committed, or with force => true.';
    end if;
    -- All tickets first, in the order of an ingest; then positions, in the order of the log, so that
    -- lanes of more than one ticket keep theirs.
    perform from cxsig.ticket t
        where t.ticket_id in (select l.ticket_id
                              from unnest(letters) i (id) join cxsig.dead_letter l on l.dead_letter_id = i.id)
        order by t.ticket_id collate "C"
        for update of t;
    for head in 1 .. cardinality(letters) by 10000 loop
        part := letters[head : head + 9999];
        with letter as materialized
            (select l.dead_letter_id, l.position, l.event_id, l.recorded_at, l.ticket_id, e.backfill,
                    wary and case
                        when destination.filter is null then
                            (select r.head_event_id <> l.event_id
                             from cxsig.ticket_revision r
                             where r.ticket_id = l.ticket_id
                             order by r.ordinal desc
                             limit 1)
                        else
                            exists (select from cxsig.ticket_revision own
                                        join cxsig.ticket_revision r on r.ticket_id = own.ticket_id
                                        join cxsig.event n on n.event_id = r.event_id and n.recorded_at = r.recorded_at
                                    where own.ticket_id = l.ticket_id and own.event_id = l.event_id
                                      and r.ordinal > own.ordinal and r.event_id = r.head_event_id
                                      and cxsig._matches(n, destination.filter))
                    end as newer
             from unnest(part) i (id)
                 join cxsig.dead_letter l on l.dead_letter_id = i.id
                 join cxsig.event e on e.event_id = l.event_id and e.recorded_at = l.recorded_at),
        resolved as
            (update cxsig.dead_letter l
             set resolution = case when n.newer then 'superseded' else 'redriven' end,
                 resolved_at = clock_timestamp(), resolved_by = session_user
             from letter n
             where l.dead_letter_id = n.dead_letter_id),
        sent as
            (insert into cxsig.outbox (event_id, recorded_at, ticket_id, stream, destination_id, forced)
             select n.event_id, n.recorded_at, n.ticket_id,
                    case when n.backfill then 'backfill'::cxsig.stream else 'live'::cxsig.stream end,
                    _redrive.destination_id, force
             from letter n
             where not n.newer
             order by n.position
             returning 1)
        select (select count(*) from letter), (select count(*) from sent) into chosen, sent;
        redriven := redriven + sent;
        superseded := superseded + chosen - sent;
        if cardinality(letters) > 10000 then
            perform cxsig._progress('redrive', redriven + superseded, (head + 9999.0) / cardinality(letters));
        end if;
    end loop;
end
$$;
comment on function cxsig._redrive(integer, bigint[], boolean) is
    'internal: puts dead letters, locked and in the order of the log, into the outbox again';

create function cxsig.redrive(destination text, ids bigint[] default null, since timestamptz default null,
                              until timestamptz default null, reason text default null,
                              filter jsonpath default null, force boolean default false,
                              out redriven bigint, out superseded bigint)
    returns record
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
    set jit = off
as $$
declare
    id integer := cxsig._check_repair(destination, since, until, filter);
    after bigint := cxsig._newest_position();
begin
    -- Rows route by what partitions there are once the default one is locked: see _make_partition().
    lock table cxsig.outbox_default in row exclusive mode;
    select r.redriven, r.superseded into redrive.redriven, redrive.superseded
        from cxsig._redrive(id, cxsig._dead_letters(id, ids, since, until, reason, filter), coalesce(force, false)) r;
    perform cxsig._record_repair('redrive', id, after,
        jsonb_build_object('ids', ids, 'since', since, 'until', until, 'reason', reason, 'filter', filter::text,
                           'force', nullif(force, false)),
        superseded => redrive.superseded);
end
$$;
comment on function cxsig.redrive(text, bigint[], timestamptz, timestamptz, text, jsonpath, boolean) is
    'sends dead letters of a destination again, in the order of the log: all, by ids, by time of death (from since on, before until), by words of the reason, or by a filter on the event; what is given must all hold. Where history is latest, one with a newer revision that the destination wants is not sent but superseded, now or when one comes before it was sent, unless forced; where history is all it is sent with its version, as every revision is. The view repairs shows how far it is';

create function cxsig.replay(destination text, since timestamptz, until timestamptz default null,
                             filter jsonpath default null, force boolean default false)
    returns bigint
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
    set jit = off
as $$
declare
    id integer := cxsig._check_repair(destination, since, until, filter);
    after bigint := cxsig._newest_position();
    high timestamptz := least(until, clock_timestamp());
    low timestamptz := case when since = '-infinity' then (select min(e.recorded_at) from cxsig.event e) else since end;
    -- seconds from the first of them to the last, to tell how far we are
    start double precision := extract(epoch from low);
    span double precision := case when isfinite(low) and low < high then extract(epoch from high) - start end;
    n bigint;
begin
    if since is null then
        raise exception using
            errcode = 'null_value_not_allowed',
            message = 'since is null',
            hint = 'The time from which on recorded events are replayed; ''-infinity'' for all.';
    end if;
    -- Rows route by what partitions there are once the default one is locked: see _make_partition().
    lock table cxsig.outbox_default in row exclusive mode;
    insert into cxsig.outbox (event_id, recorded_at, ticket_id, stream, destination_id, forced)
        select s.event_id, s.recorded_at, s.ticket_id, 'backfill', id, coalesce(force, false)
        from (select e.event_id, e.recorded_at, e.ticket_id,
                     row_number() over (order by e.recorded_at, e.event_id) as n
              from cxsig.event e
              where e.recorded_at >= since and (until is null or e.recorded_at < until)
                and (filter is null or cxsig._matches(e, filter))) s
        where s.n % 100000 > 0
           or cxsig._progress('replay', s.n, (extract(epoch from s.recorded_at) - start) / span)
        order by s.recorded_at, s.event_id;
    get diagnostics n = row_count;
    perform cxsig._record_repair('replay', id, after,
        jsonb_build_object('since', since, 'until', until, 'filter', filter::text, 'force', nullif(force, false)));
    return n;
end
$$;
comment on function cxsig.replay(text, timestamptz, timestamptz, jsonpath, boolean) is
    'sends a destination what was recorded from since on and before until (null: now) once more, in the order recorded, and returns how many events that is: all, or those a filter lets pass; the destination''s own filter decides besides. They go through the backfill stream, after all that is live. Where history is latest, one with a newer revision is superseded, unless forced; where it is all, each is sent again with its version and under its old id. The view repairs shows how far it is';

create function cxsig.discard(destination text, ids bigint[] default null, since timestamptz default null,
                              until timestamptz default null, reason text default null,
                              filter jsonpath default null)
    returns bigint
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
    set jit = off
as $$
declare
    id integer := cxsig._check_repair(destination, since, until, filter);
    letters bigint[] := cxsig._dead_letters(id, ids, since, until, reason, filter);
    n bigint;
begin
    update cxsig.dead_letter l
        set resolution = 'discarded', resolved_at = clock_timestamp(), resolved_by = session_user
        from unnest(letters) i (id)
        where l.dead_letter_id = i.id;
    get diagnostics n = row_count;
    perform cxsig._record_repair('discard', id, cxsig._newest_position(),
        jsonb_build_object('ids', ids, 'since', since, 'until', until, 'reason', reason, 'filter', filter::text),
        events => n);
    return n;
end
$$;
comment on function cxsig.discard(text, bigint[], timestamptz, timestamptz, text, jsonpath) is
    'lets dead letters of a destination go, chosen as in redrive(). They stay on record; returns how many';

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
