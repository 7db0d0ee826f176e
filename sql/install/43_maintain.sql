-- Partitions: made ahead and filled from the default partition; 44_retention.sql drops them. Every step takes its locks under a short timeout and is left for the next run where it would wait:
-- making and dropping partitions must not hold up an ingest behind a long transaction.

create function cxsig._partitions(parent regclass, out partition regclass, out low text, out high text)
    returns setof record
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select i.inhrelid::regclass, b.m[1], b.m[2]
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid),
                                    'FROM \(''?([^'')]+)''?\) TO \(''?([^'')]+)''?\)') b(m)
    where i.inhparent = parent and b.m is not null
$$;
comment on function cxsig._partitions(regclass) is 'internal: range partitions of a table with their bounds as text; the default partition is not one';

create function cxsig._make_partition(parent text, suffix text, key text, low text, high text) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    name text := parent || '_' || suffix;
    columns text;
begin
    if to_regclass(format('cxsig.%I', name)) is not null then
        return false;
    end if;
    -- Who writes to a partitioned table locks its default partition first, then routes: a row on
    -- its way there would be refused once the new partition has taken over its range.
    execute format('lock table cxsig.%I in access exclusive mode', parent || '_default');
    if to_regclass(format('cxsig.%I', name)) is not null then
        return false;    -- somebody made it while we waited
    end if;
    execute format('create table cxsig.%I (like cxsig.%I including all)', name, parent || '_default');
    execute format('comment on table cxsig.%I is %L', name,
                   format('partition of cxsig.%s: %s from %s to below %s', parent, key, low, high));
    -- What the default partition caught meanwhile moves over; a row is visible in one of both to anyone.
    execute format('with moved as (delete from cxsig.%I where %I >= %L and %I < %L returning *) insert into cxsig.%I select * from moved',
                   parent || '_default', key, low, key, high, name);
    execute format('alter table cxsig.%I attach partition cxsig.%I for values from (%L) to (%L)',
                   parent, name, low, high);
    return true;
exception
    when lock_not_available then
        return false;
end
$$;
comment on function cxsig._make_partition(text, text, text, text, text) is
    'internal: makes a range partition and fills it from the default one; false where it exists, or would have to wait';

create function cxsig._maintain_days(parent text, key text, ahead integer) returns integer
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    today date := (clock_timestamp() at time zone 'UTC')::date;
    made integer := 0;
    day date;
begin
    for i in 0 .. ahead loop
        day := today + i;
        if cxsig._make_partition(parent, to_char(day, '"p"YYYYMMDD'), key,
                                 to_char(day, 'YYYY-MM-DD "00:00:00+00"'),
                                 to_char(day + 1, 'YYYY-MM-DD "00:00:00+00"')) then
            made := made + 1;
        end if;
    end loop;
    return made;
end
$$;
comment on function cxsig._maintain_days(text, text, integer) is 'internal: makes the day partitions of a table, today''s and some ahead';

create function cxsig._maintain_months(parent text, key text, ahead integer) returns integer
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    this date := date_trunc('month', clock_timestamp() at time zone 'UTC')::date;
    made integer := 0;
    month date;
begin
    for i in 0 .. ahead loop
        month := (this + make_interval(months => i))::date;
        if cxsig._make_partition(parent, to_char(month, '"p"YYYYMM'), key,
                                 to_char(month, 'YYYY-MM-DD "00:00:00+00"'),
                                 to_char(month + interval '1 month', 'YYYY-MM-DD "00:00:00+00"')) then
            made := made + 1;
        end if;
    end loop;
    return made;
end
$$;
comment on function cxsig._maintain_months(text, text, integer) is 'internal: makes the month partitions of a table, this month''s and some ahead';

create function cxsig._maintain_outbox(ahead integer) returns integer
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    rows bigint := current_setting('cxsig.outbox_partition_rows')::bigint;
    newest bigint := (select s.last_value from cxsig.outbox_position s);
    high bigint := (select max(p.high::bigint) from cxsig._partitions('cxsig.outbox') p);
    made integer := 0;
begin
    if high is null then
        high := coalesce(least((select min(o.position) from cxsig.outbox_default o where o.stream = 'live'),
                               (select min(o.position) from cxsig.outbox_default o where o.stream = 'backfill')),
                         newest);
        -- More than a moment's work is left in the default partition, and goes with it.
        if newest - high > 100000 then
            high := newest + rows;
        end if;
    end if;
    while high <= newest + ahead * rows loop
        exit when not cxsig._make_partition('outbox', 'p' || high, 'position', high::text, (high + rows)::text);
        high := high + rows;
        made := made + 1;
    end loop;
    return made;
end
$$;
comment on function cxsig._maintain_outbox(integer) is 'internal: makes the outbox''s partitions ahead of its newest position';

create function cxsig.maintain(out made integer, out dropped integer) returns record
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '50ms'
as $$
declare
    keep interval := current_setting('cxsig.delivery_retention')::interval;
    keep_keys interval := current_setting('cxsig.key_retention')::interval;
begin
    made := 0;
    dropped := 0;
    -- One at a time: another would wait for the locks of this one, even to look at bounds, and fail.
    if not pg_try_advisory_xact_lock(1668838247, 0) then
        return;
    end if;
    -- Nothing here yet: a restore is about to bring the partitions that the dump had.
    if not exists (select from cxsig.destination) and not exists (select from cxsig.ticket) then
        return;
    end if;
    -- In the order in which an ingest locks the default partitions.
    made := cxsig._maintain_months('event', 'recorded_at', 1)
          + cxsig._maintain_outbox(2)
          + cxsig._maintain_days('delivery', 'finished_at', 2)
          + cxsig._maintain_days('checkpoint', 'written_at', 2);
    if not cxsig._is_restoring() then
        dropped := cxsig._drop_events() + cxsig._drop_checkpoints();
        if keep > interval '0' then
            dropped := dropped + cxsig._drop_receipts(keep);
        end if;
        dropped := dropped + cxsig._drop_outbox();
        delete from cxsig.retry r
            where not exists (select from cxsig.destination d where d.destination_id = r.destination_id);
        delete from cxsig.alert a
            where (keep > interval '0' and a.resolved_at < clock_timestamp() - keep)
               or not exists (select from cxsig.destination d where d.destination_id = a.destination_id);
        if keep_keys > interval '0' then
            perform cxsig._sweep_keys(keep_keys, 500);
        end if;
        -- Autovacuum keeps it far below this, if it can.
        perform cxsig._compact_retry(dead => 4000, alive => 20000);
    end if;
    -- Autovacuum leaves small tables alone; without statistics the views are planned for hundreds.
    if (select c.reltuples < 0 from pg_class c where c.oid = 'cxsig.destination'::regclass) then
        analyze cxsig.destination;
    end if;
end
$$;
comment on function cxsig.maintain() is
    'makes partitions ahead, drops those nobody needs, moves aside what few need for long; the first dispatcher of a database calls it, about twice a minute. Drops nothing in the first day of a restored database before its destinations are resumed';

-- Partitions take their columns' comments from the default one, as everything else.
do $$
declare
    one record;
begin
    for one in
        select i.inhrelid::pg_catalog.regclass as partition, a.attname as name,
               pg_catalog.col_description(i.inhparent, a.attnum) as comment
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_attribute a on a.attrelid operator(pg_catalog.=) i.inhparent
            and a.attnum operator(pg_catalog.>) 0 and not a.attisdropped
        join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) i.inhparent
        where c.relnamespace operator(pg_catalog.=) 'cxsig'::pg_catalog.regnamespace
          and c.relkind operator(pg_catalog.=) 'p'
    loop
        execute pg_catalog.format('comment on column %s.%I is %L', one.partition, one.name, one.comment);
    end loop;
end
$$;
