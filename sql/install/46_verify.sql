-- Read back: what a remote holds, beside what it should hold. Callers need cxsig_admin.
--
-- What should be there is the newest revision that is not stale and that the destination's filter lets
-- pass; what is still on its way there is no difference. What lies between the choice and the answers is
-- told by choosing once more, afterwards.
--
-- Locks of a repair: the outbox's default partition; of tickets that the backfill stream would not do for,
-- the rows, by ticket_id, before positions are drawn.

create type cxsig._verdict as (
    ticket_id   text,
    event_id    uuid,
    recorded_at timestamptz,
    state       text,
    remote_id   text,
    mendable    boolean,
    differences jsonb,
    detail      text
);
comment on type cxsig._verdict is 'internal: what verify() knows of a record; state null: it is to be read back';
revoke all on type cxsig._verdict from public;

create function cxsig._read_back(destination text, event_ids uuid[], recorded_at timestamptz[]) returns setof cxsig._verdict
    language c volatile strict parallel unsafe
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_read_back';
comment on function cxsig._read_back(text, uuid[], timestamptz[]) is
    'internal: asks the remote for the records of these events, and returns what is not as it should be. Without events it only raises what stands against it';

create function cxsig._under_way(destination_id integer, out event_id uuid, out detail text) returns setof record
    language sql stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
as $$
    select r.event_id,
           case when r.held then 'its lane is held: see blocked_lanes'
                when r.attempt = 0 then 'behind another of its lane that is tried again'
                else concat_ws(': ', format('tried %s times', r.attempt), r.last_error)
           end
    from cxsig.retry r
    where r.destination_id = _under_way.destination_id
    union all
    select s.event_id, 'not sent yet'
    from (select o.event_id, o.position, o.destination_id
          from cxsig._places() p
              cross join lateral (values ('live'::cxsig.stream, p.low), ('backfill', p.backfill_low)) b (stream, low)
              join cxsig._log o on o.stream = b.stream and o.position >= b.low
          where p.destination_id = _under_way.destination_id
          union all
          select o.event_id, o.position, o.destination_id
          from cxsig._places() p
              cross join unnest(p.doubt) x (txid)
              join cxsig._log o on o.txid = x.txid
          where p.destination_id = _under_way.destination_id) s
    where (s.destination_id is null or s.destination_id = _under_way.destination_id)
      and not exists (select from cxsig.delivery d
                      where d.destination_id = _under_way.destination_id and d.position = s.position)
      and not exists (select from cxsig.retry r
                      where r.destination_id = _under_way.destination_id and r.position = s.position)
$$;
comment on function cxsig._under_way(integer) is
    'internal: events that a destination has still to send, as of its last checkpoint; among them what its filter leaves out';

create function cxsig._newest(destination cxsig.destination, tickets text[], since timestamptz,
                              out ticket_id text, out event_id uuid, out recorded_at timestamptz, out problem text)
    returns setof record
    language sql volatile
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
    set jit = off
as $$
    with ticket as
        (select distinct i.ticket_id collate "C" as ticket_id
         from unnest(tickets) i (ticket_id)
         where i.ticket_id is not null
           and (since is null or exists (select from cxsig.event e
                                         where e.ticket_id = i.ticket_id collate "C" and e.recorded_at >= since))
         union all
         select distinct e.ticket_id::text collate "C"
         from cxsig.event e
         where tickets is null and e.recorded_at >= since),
    newest as materialized
        (select t.ticket_id, h.event_id, h.recorded_at, h.account_id,
                case when h.ticket_id is null then 'no signal of it was recorded here'
                     when h.gone then 'its event is no longer in the log'
                end as problem
         from ticket t
             left join lateral
                 (select r.ticket_id, r.event_id, r.recorded_at, e.account_id, e.event_id is null as gone
                  from cxsig.ticket_revision r
                      left join cxsig.event e on e.event_id = r.event_id and e.recorded_at = r.recorded_at
                  where r.ticket_id = t.ticket_id and r.event_id = r.head_event_id
                    and (destination.filter is null or e.event_id is null or cxsig._matches(e, destination.filter))
                  order by r.ordinal desc
                  limit 1) h on true
         where h.ticket_id is not null
            or not exists (select from cxsig.ticket_revision r where r.ticket_id = t.ticket_id)),
    shared as
        (select distinct on (e.account_id) e.ticket_id::text as ticket_id, e.event_id, e.recorded_at, null as problem
         from cxsig.event e
         where destination.order_scope = 'account'
           and e.account_id in (select n.account_id from newest n)
           and e.recorded_at >= (select min(n.recorded_at) from newest n)
           and not e.stale
           and (destination.filter is null or cxsig._matches(e, destination.filter))
         order by e.account_id, e.recorded_at desc, e.event_id desc)
    select n.ticket_id, n.event_id, n.recorded_at, n.problem
    from newest n
    where destination.order_scope <> 'account' or n.account_id is null
    union all
    select s.ticket_id, s.event_id, s.recorded_at, s.problem
    from shared s
$$;
comment on function cxsig._newest(cxsig.destination, text[], timestamptz) is
    'internal: the events whose records a destination''s remote should hold: the newest of each ticket, or of each account where those are its lanes';

create function cxsig._due(destination cxsig.destination, tickets text[], since timestamptz)
    returns setof cxsig._verdict
    language sql volatile
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
    set jit = off
as $$
    select n.ticket_id, n.event_id, n.recorded_at,
           case when n.problem is not null then 'unknown'
                when w.detail is not null then 'waiting'
                when l.detail is not null then 'dead'
           end,
           null::text, false, null::jsonb, coalesce(n.problem, w.detail, l.detail)
    from cxsig._newest(destination, tickets, since) n
        left join (select u.event_id, min(u.detail) as detail
                   from cxsig._under_way(destination.destination_id) u
                   group by u.event_id) w on w.event_id = n.event_id
        left join lateral (select format('%s: redrive(%L, array[%s])', d.reason, destination.name, d.dead_letter_id) as detail
                           from cxsig.dead_letter d
                           where d.event_id = n.event_id and d.destination_id = destination.destination_id
                             and d.resolution is null
                           order by d.position desc
                           limit 1) l on true
$$;
comment on function cxsig._due(cxsig.destination, text[], timestamptz) is
    'internal: as _newest(), with what is known of each without asking the remote';

create function cxsig._mend(destination cxsig.destination, events uuid[], tickets text[]) returns uuid[]
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
    set jit = off
as $$
declare
    by_backfill uuid[];
    others text[];
    by_live uuid[];
begin
    -- Rows route by what partitions there are once the default one is locked: see _make_partition().
    lock table cxsig.outbox_default in row exclusive mode;
    -- A backfilled event yields to whatever its ticket has that is newer, at the time when it is sent.
    with sent as
        (insert into cxsig.outbox (event_id, recorded_at, ticket_id, stream, destination_id)
         select v.event_id, v.recorded_at, v.ticket_id, 'backfill', destination.destination_id
         from cxsig._due(destination, tickets, null) v
         where destination.history = 'latest' and v.state is null and v.event_id = any (events)
           and v.event_id = (select r.head_event_id from cxsig.ticket_revision r
                             where r.ticket_id = v.ticket_id collate "C" order by r.ordinal desc limit 1)
         order by v.recorded_at, v.event_id
         returning event_id)
    select coalesce(array_agg(s.event_id), '{}') into by_backfill from sent s;
    -- One that is not its ticket's newest, since the filter leaves that out, would yield for nothing; and
    -- where history is all, none would. So nothing newer may come until these have their positions.
    select array_agg(v.ticket_id) into others
        from cxsig._due(destination, tickets, null) v
        where v.event_id = any (events) and v.state is null;
    if others is null then
        return by_backfill;
    end if;
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        raise exception using
            errcode = 'active_sql_transaction',
            message = format('records of "%s" cannot be repaired at %s', destination.name,
                             current_setting('transaction_isolation')),
            detail = 'A newer revision could go unseen.',
            hint = 'Call it in a transaction at read committed.';
    end if;
    perform from cxsig.ticket t
        where t.ticket_id = any (others)
        order by t.ticket_id collate "C"
        for update of t;
    with sent as
        (insert into cxsig.outbox (event_id, recorded_at, ticket_id, stream, destination_id)
         select v.event_id, v.recorded_at, v.ticket_id, 'live', destination.destination_id
         from cxsig._due(destination, others, null) v
         where v.event_id = any (events) and v.state is null
         order by v.recorded_at, v.event_id
         returning event_id)
    select array_agg(s.event_id) into by_live from sent s;
    return by_backfill || by_live;
end
$$;
comment on function cxsig._mend(cxsig.destination, uuid[], text[]) is
    'internal: puts the events into the outbox again that still are what their records should hold; returns which';

create function cxsig.verify(destination text, tickets text[] default null, since timestamptz default null,
                             repair boolean default false)
    returns table (ticket_id text, event_id uuid, state text, field text, expected text, actual text, detail text,
                   repaired boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
    set jit = off
as $$
#variable_conflict use_column
declare
    id integer := cxsig._check_repair(destination, since, null, null);
    after bigint := cxsig._newest_position();
    d cxsig.destination;
    verdicts cxsig._verdict[];
    ids uuid[];
    times timestamptz[];
    mended uuid[] := '{}';
begin
    if tickets is null and since is null then
        raise exception using
            errcode = 'null_value_not_allowed',
            message = 'tickets and since are null',
            hint = 'Name the tickets, or the time from which on they had signals; since => ''-infinity'' for all.';
    end if;
    select x.* into d from cxsig.destination x where x.destination_id = id;
    perform cxsig._read_back(d.name, '{}', '{}');
    select array_agg(v) filter (where v.state is not null),
           coalesce(array_agg(v.event_id) filter (where v.state is null), '{}'),
           coalesce(array_agg(v.recorded_at) filter (where v.state is null), '{}')
        into verdicts, ids, times
        from cxsig._due(d, verify.tickets, since) v;
    verdicts := verdicts || (select array_agg(v) from cxsig._read_back(d.name, ids, times) v);
    -- What has become older while the remote was asked was compared with the wrong revision.
    select array_agg(case when v.state in ('differs', 'missing') and n.event_id is null
                          then row(v.ticket_id, v.event_id, v.recorded_at, 'waiting', v.remote_id, false, null,
                                   'a newer signal came while it was read back')::cxsig._verdict
                          else v end)
        into verdicts
        from unnest(verdicts) v
            left join (select u.event_id
                       from cxsig._due(d, (select array_agg(distinct w.ticket_id) from unnest(verdicts) w
                                           where w.state in ('differs', 'missing')), null) u
                       where u.state is null) n on n.event_id = v.event_id;
    if repair and d.order_scope <> 'account' then
        mended := cxsig._mend(d,
            (select array_agg(v.event_id) from unnest(verdicts) v where v.mendable),
            (select array_agg(v.ticket_id) from unnest(verdicts) v where v.mendable));
        perform cxsig._record_repair('verify', id, after,
            jsonb_build_object('tickets', verify.tickets, 'since', since));
    end if;
    return query
        select v.ticket_id, v.event_id, v.state, f.field, f.expected, f.actual,
               concat_ws('; ', v.detail, 'record ' || v.remote_id,
                         case when repair and v.mendable and d.order_scope = 'account'
                              then 'not repaired: a newer signal of the account could be overwritten' end),
               m.event_id is not null
        from unnest(verdicts) v
            left join lateral jsonb_to_recordset(v.differences) f (field text, expected text, actual text) on true
            left join unnest(mended) m (event_id) on m.event_id = v.event_id
        order by v.ticket_id collate "C", f.field collate "C";
end
$$;
comment on function cxsig.verify(text, text[], timestamptz, boolean) is
    'reads the records of tickets back from where a destination sent them - of these tickets, or of all that had a signal recorded from since on - and lists what is not as the newest signal says: missing, differs (a row for each field), waiting (still to be sent), dead (a dead letter), unknown (the remote did not say; detail is why). Nothing where all is equal. With repair, what is missing or differs is sent again, without ever taking a newer revision back; the view repairs shows how far that is. The transaction stays open while the remote is asked: call it in one of its own';
