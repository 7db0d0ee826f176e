-- What goes once nobody needs it: partitions, by age or because every destination is past them. An old
-- partition of the outbox that few still need moves aside, into the remnant, so that a destination that
-- is dead or paused for long is no burden to the others. Moving takes it over as it stands; no row is
-- copied, and what goes later goes with its table.

create table cxsig.installation (
    installed_at timestamptz not null default pg_catalog.clock_timestamp()
);
insert into cxsig.installation default values;
comment on table cxsig.installation is 'when the extension was created in this database; not part of a dump, so that a restore is seen for what it is';
comment on column cxsig.installation.installed_at is 'when CREATE EXTENSION ran';

create function cxsig._is_restoring() returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (select from cxsig.installation i where i.installed_at > clock_timestamp() - interval '1 day')
       and (not exists (select from cxsig.destination)
            or exists (select from cxsig.destination d
                       where not exists (select from cxsig._here() h
                                         join lateral (select k.system_identifier, k.database_oid
                                                       from cxsig.checkpoint k
                                                       where k.destination_id = d.destination_id
                                                       order by k.written_at desc limit 1) c
                                           on c.system_identifier = h.system_identifier
                                              and c.database_oid = h.database_oid)))
$$;
comment on function cxsig._is_restoring() is
    'internal: whether rows of a dump may still be on their way in, so that what seems to be needed by nobody may be needed yet';

create function cxsig._places(out destination_id integer, out low bigint, out backfill_low bigint, out doubt xid8[])
    returns setof record
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select d.destination_id, coalesce(c.low, 0), coalesce(c.backfill_low, 0),
           coalesce(c.doubt || c.backfill_doubt, '{}')
    from cxsig.destination d
    left join lateral (select k.low, k.backfill_low, k.doubt, k.backfill_doubt from cxsig.checkpoint k
                       where k.destination_id = d.destination_id
                       order by k.written_at desc limit 1) c on true
$$;
comment on function cxsig._places() is
    'internal: where each destination is: it needs the rows from low on, and those of transactions in doubt';

create function cxsig._low_water(out low bigint, out backfill_low bigint, out doubt xid8[]) returns record
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(min(p.low), max(s.last_value) + 1), coalesce(min(p.backfill_low), max(s.last_value) + 1),
           coalesce((select array_agg(distinct u.x) from cxsig._places() q cross join unnest(q.doubt) u(x)), '{}')
    from cxsig.outbox_position s left join cxsig._places() p on true
$$;
comment on function cxsig._low_water() is 'internal: the place that every destination is past';

create function cxsig._is_needed(partition regclass, low bigint, backfill_low bigint, doubt xid8[]) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    needed boolean;
begin
    execute format('select exists (select from %1$s where stream = ''live'' and position >= $1)
                        or exists (select from %1$s where stream = ''backfill'' and position >= $2)
                        or exists (select from %1$s where txid = any ($3))', partition)
        into needed using low, backfill_low, doubt;
    return needed;
end
$$;
comment on function cxsig._is_needed(regclass, bigint, bigint, xid8[]) is
    'internal: whether a partition of the outbox has rows that a destination at that place still needs';

create function cxsig._drop_partition(partition regclass) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('drop table %s', partition);
    return true;
exception
    when lock_not_available then
        return false;
end
$$;
comment on function cxsig._drop_partition(regclass) is 'internal: drops a partition; false where it would have to wait';

create function cxsig._drop_past(partition regclass) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- First the lock, which no open transaction that wrote there lets us have, then the look: what
    -- such a transaction wrote could not be seen before, and may be in doubt somewhere.
    lock table cxsig.outbox_default in access exclusive mode;
    execute format('lock table %s in access exclusive mode', partition);
    if (select cxsig._is_needed(_drop_past.partition, w.low, w.backfill_low, w.doubt) from cxsig._low_water() w) then
        raise lock_not_available;
    end if;
    execute format('drop table %s', partition);
    return true;
exception
    when lock_not_available then
        return false;
end
$$;
comment on function cxsig._drop_past(regclass) is
    'internal: drops a partition of the outbox or its remnant that nobody needs; false where somebody does, or it would have to wait';

create function cxsig._newest_of(partition regclass) returns timestamptz
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    newest timestamptz;
begin
    execute format('select greatest((select recorded_at from %1$s where stream = ''live'' order by position desc limit 1),
                                    (select recorded_at from %1$s where stream = ''backfill'' order by position desc limit 1))',
                   partition)
        into newest;
    return newest;
end
$$;
comment on function cxsig._newest_of(regclass) is 'internal: when the last event of a partition of the outbox was recorded';

create function cxsig._move_aside(partition regclass, high bigint) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    name text := format('remnant_p%s', _move_aside.high - 1);
begin
    -- Readers lock the outbox first and then look how far the remnant reaches: see feed.c.
    lock table cxsig.outbox_default in access exclusive mode;
    lock table only cxsig.outbox in access exclusive mode;
    perform setval('cxsig.remnant_position', greatest(s.last_value, _move_aside.high - 1))
        from cxsig.remnant_position s;
    execute format('alter table cxsig.outbox detach partition %s', partition);
    execute format('alter table %s inherit cxsig.remnant', partition);
    execute format('comment on table %s is %L', partition,
                   format('remnant of the outbox: positions below %s, which not every destination is past', high));
    execute format('alter table %s rename to %I', partition, name);
    return true;
exception
    when lock_not_available then
        return false;
end
$$;
comment on function cxsig._move_aside(regclass, bigint) is
    'internal: moves a partition of the outbox into the remnant; false where it would have to wait';

create function cxsig._drop_outbox() returns integer
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    newest bigint := (select s.last_value from cxsig.outbox_position s);
    old interval := current_setting('cxsig.remnant_after')::interval;
    past record;
    ahead record;
    one record;
    dropped integer := 0;
begin
    select * into past from cxsig._low_water();
    select * into ahead from cxsig._places() p order by p.low desc, p.backfill_low desc limit 1;
    -- In log order, up to the first that has to stay: so the remnant only ever grows upward.
    for one in
        select p.partition, p.high::bigint as high from cxsig._partitions('cxsig.outbox') p
        where p.high::bigint <= newest order by p.high::bigint
    loop
        if not cxsig._is_needed(one.partition, past.low, past.backfill_low, past.doubt) then
            exit when not cxsig._drop_past(one.partition);
        else
            -- Where nobody is past it, to move it would relieve nobody.
            exit when cxsig._newest_of(one.partition) > clock_timestamp() - old
                   or cxsig._is_needed(one.partition, ahead.low, ahead.backfill_low, ahead.doubt)
                   or not cxsig._move_aside(one.partition, one.high);
        end if;
        dropped := dropped + 1;
    end loop;
    for one in
        select i.inhrelid::regclass as partition from pg_inherits i where i.inhparent = 'cxsig.remnant'::regclass
    loop
        if not cxsig._is_needed(one.partition, past.low, past.backfill_low, past.doubt)
           and cxsig._drop_past(one.partition) then
            dropped := dropped + 1;
        end if;
    end loop;
    delete from cxsig.outbox_default o
        where o.txid <> all (past.doubt)
          and (o.stream = 'live' and o.position < past.low or o.stream = 'backfill' and o.position < past.backfill_low);
    return dropped;
end
$$;
comment on function cxsig._drop_outbox() is
    'internal: drops what every destination is past from the outbox and its remnant, and moves aside what is old and not needed by all';

create function cxsig._drop_by_age(parent text, keep interval) returns integer
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    one record;
    dropped integer := 0;
begin
    for one in
        select p.partition from cxsig._partitions(format('cxsig.%I', parent)::regclass) p
        where p.high::timestamptz < clock_timestamp() - keep order by p.high::timestamptz
    loop
        if cxsig._drop_partition(one.partition) then
            dropped := dropped + 1;
        end if;
    end loop;
    return dropped;
end
$$;
comment on function cxsig._drop_by_age(text, interval) is 'internal: drops partitions by time that ended longer ago than keep';

create function cxsig._drop_receipts(keep interval) returns integer
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    one record;
    needed boolean;
    dropped integer := 0;
begin
    -- A receipt at or beyond its destination's place, or of a transaction in doubt there, is what
    -- keeps the event from being sent again.
    for one in
        select p.partition from cxsig._partitions('cxsig.delivery') p
        where p.high::timestamptz < clock_timestamp() - keep order by p.high::timestamptz
    loop
        execute format('select exists (select from cxsig._places() p
                            cross join lateral (select v.position from %1$s v where v.destination_id = p.destination_id
                                                order by v.position desc limit 1) last
                            cross join lateral
                                (select o.position from cxsig._log o
                                 where o.stream = ''live'' and o.position >= p.low and o.position <= last.position
                                 union all
                                 select o.position from cxsig._log o
                                 where o.stream = ''backfill'' and o.position >= p.backfill_low
                                   and o.position <= last.position
                                 union all
                                 select o.position from cxsig._log o where o.txid = any (p.doubt)) needed
                            join %1$s v on v.destination_id = p.destination_id and v.position = needed.position)',
                       one.partition)
            into needed;
        if not needed and cxsig._drop_partition(one.partition) then
            dropped := dropped + 1;
        end if;
    end loop;
    return dropped;
end
$$;
comment on function cxsig._drop_receipts(interval) is
    'internal: drops partitions of receipts that ended longer ago than keep and that no destination needs to know what it has sent';

create function cxsig._are_events_needed(high timestamptz) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    past record;
begin
    select * into past from cxsig._low_water();
    return exists (select from cxsig._log o
                   where o.stream = 'live' and o.position >= past.low and o.recorded_at < high)
        or exists (select from cxsig._log o
                   where o.stream = 'backfill' and o.position >= past.backfill_low and o.recorded_at < high)
        or exists (select from cxsig._log o where o.txid = any (past.doubt) and o.recorded_at < high)
        or exists (select from cxsig.retry r where r.recorded_at < high)
        or exists (select from cxsig.dead_letter l where l.resolution is null and l.recorded_at < high);
end
$$;
comment on function cxsig._are_events_needed(timestamptz) is
    'internal: whether an event recorded before high still has to go somewhere, or may be redriven, whatever its age';

create function cxsig._drop_event_partition(partition regclass, high timestamptz) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- First the lock, then the look: a replay that is under way has read it, and ends first.
    execute format('lock table %s in access exclusive mode', partition);
    if cxsig._are_events_needed(high) then
        raise lock_not_available; -- which gives up the lock
    end if;
    execute format('drop table %s', partition);
    return true;
exception
    when lock_not_available then
        return false;
end
$$;
comment on function cxsig._drop_event_partition(regclass, timestamptz) is
    'internal: drops a partition of the log that nothing needs; false where something does, or it would have to wait';

create function cxsig._drop_events() returns integer
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    keep interval := current_setting('cxsig.event_retention')::interval;
    one record;
    dropped integer := 0;
begin
    if keep = interval '0' then
        return 0;
    end if;
    for one in
        select p.partition, p.high::timestamptz as high from cxsig._partitions('cxsig.event') p
        where p.high::timestamptz < clock_timestamp() - keep
    loop
        -- A look before it too, so that one that has to stay is not locked over and over.
        continue when cxsig._are_events_needed(one.high);
        if cxsig._drop_event_partition(one.partition, one.high) then
            dropped := dropped + 1;
            delete from cxsig.unmapped_tag u where u.recorded_at < one.high;
        end if;
    end loop;
    return dropped;
end
$$;
comment on function cxsig._drop_events() is 'internal: drops partitions of the log past cxsig.event_retention that nothing needs any more';

create function cxsig._drop_checkpoints() returns integer
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- An idle destination writes none: its newest one moves forward before its partition goes. An
    -- old checkpoint is always safe, it only makes the next start look further.
    insert into cxsig.checkpoint (destination_id, low, high, doubt, filtered, backfill_low, backfill_high,
                                  backfill_doubt, floor, system_identifier, database_oid)
        select c.destination_id, c.low, c.high, c.doubt, c.filtered, c.backfill_low, c.backfill_high,
               c.backfill_doubt, c.floor, c.system_identifier, c.database_oid
        from cxsig.destination d
        cross join lateral (select k.* from cxsig.checkpoint k
                            where k.destination_id = d.destination_id
                            order by k.written_at desc limit 1) c
        where c.written_at < clock_timestamp() - interval '1 day';
    return cxsig._drop_by_age('checkpoint', interval '1 day');
end
$$;
comment on function cxsig._drop_checkpoints() is 'internal: drops old checkpoints, keeping each destination''s newest';

create sequence cxsig.key_sweep minvalue 0 start 0;
comment on sequence cxsig.key_sweep is 'block of processed_key at which the next look for old keys begins';

create function cxsig._sweep_keys(keep interval, blocks integer) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    size bigint := pg_relation_size('cxsig.processed_key') / current_setting('block_size')::bigint;
    first bigint := (select s.last_value from cxsig.key_sweep s);
    gone bigint;
begin
    -- While vacuum cannot clear what goes here, nothing does.
    if pg_stat_get_dead_tuples('cxsig.processed_key'::regclass) > 5000 then
        return 0;
    end if;
    if first >= size then
        first := 0;
    end if;
    delete from cxsig.processed_key k
        where k.ctid >= format('(%s,0)', first)::tid and k.ctid < format('(%s,0)', first + blocks)::tid
          and k.recorded_at < clock_timestamp() - keep;
    get diagnostics gone = row_count;
    perform setval('cxsig.key_sweep', first + blocks);
    return gone;
end
$$;
comment on function cxsig._sweep_keys(interval, integer) is
    'internal: deletes idempotency keys older than keep from the next so many blocks, round and round: no index, and no long transaction';

create function cxsig._exclude_tasks() returns void
    language c volatile parallel unsafe
    as 'MODULE_PATHNAME', 'cxsig_exclude_tasks';
comment on function cxsig._exclude_tasks() is
    'internal: until the end of the transaction no dispatcher but this one reads or writes, nor has a snapshot from before';

create function cxsig._compact_retry(dead bigint, alive bigint) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    kept cxsig.retry[];
begin
    if pg_stat_get_dead_tuples('cxsig.retry'::regclass) < dead
       or pg_stat_get_live_tuples('cxsig.retry'::regclass) > alive then
        return false;
    end if;
    perform cxsig._exclude_tasks();
    lock table cxsig.retry in access exclusive mode;
    kept := array(select r from cxsig.retry r);
    truncate cxsig.retry;
    insert into cxsig.retry select * from unnest(kept);
    return true;
exception
    when lock_not_available then
        return false;
end
$$;
comment on function cxsig._compact_retry(bigint, bigint) is
    'internal: writes the few rows of retry anew where vacuum cannot clear what it leaves behind, as while some session holds the xmin horizon back';
