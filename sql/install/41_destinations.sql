-- Destinations: make, change, pause, resume, drop, test. Callers need cxsig_admin.

create function cxsig._destination_id(name text) returns integer
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    id integer;
begin
    select d.destination_id into id from cxsig.destination d where d.name = _destination_id.name;
    if id is null then
        raise exception using
            errcode = 'undefined_object',
            message = format('destination "%s" does not exist', left(_destination_id.name, 80)),
            hint = coalesce('There is: ' || (select string_agg(d.name, ', ' order by d.name)
                                             from cxsig.destination d) || '.',
                            'There is none yet; make one with cxsig.create_destination().');
    end if;
    return id;
end
$$;
comment on function cxsig._destination_id(text) is 'internal: the id of a destination by name; raises where there is none';

create function cxsig._here(out system_identifier bigint, out database_oid oid) returns record
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select c.system_identifier, d.oid from pg_control_system() c, pg_database d where d.datname = current_database()
$$;
comment on function cxsig._here() is 'internal: what tells this database from a restored or copied one';

create function cxsig.create_destination(name text, transport text, config jsonb, options jsonb default '{}')
    returns integer
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    d cxsig.destination;
    start text := 'now';
    low bigint := 1;
begin
    if create_destination.name is null or create_destination.name !~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}$' then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('destination name "%s" is not allowed', left(create_destination.name, 80)),
            hint = '1 to 63 letters, digits and _ . : -, starting with a letter or digit.';
    end if;
    if exists (select from cxsig.destination e where e.name = create_destination.name) then
        raise exception using
            errcode = 'duplicate_object',
            message = format('destination "%s" exists already', create_destination.name),
            hint = 'Change it with cxsig.alter_destination(), or drop it first.';
    end if;
    if config is null or jsonb_typeof(config) <> 'object' then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = 'config must be a JSON object',
            hint = 'For a webhook: {"url": "https://example.com/hook"}.';
    end if;
    if options ? 'start' then
        start := cxsig._option_word('start', options -> 'start', array['now', 'beginning']);
    end if;
    if options ? 'paused' and jsonb_typeof(options -> 'paused') <> 'boolean' then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('option "paused" cannot be %s', left((options -> 'paused')::text, 60)),
            hint = 'true or false.';
    end if;

    -- Defaults come from the table, so that they stand in one place; the row is completed below.
    insert into cxsig.destination (name, transport, config)
        values (create_destination.name, create_destination.transport, create_destination.config)
        returning * into d;
    d := cxsig._apply_options(d, options - 'start' - 'paused',
                              coalesce(cxsig._transport_defaults(create_destination.transport), '{}'));
    if (options ->> 'paused')::boolean then
        d.state := 'paused';
        d.state_reason := 'created paused';
    end if;
    perform cxsig._write_destination(d);
    if start = 'now' then
        select case when s.is_called then s.last_value + 1 else s.last_value end
            into low from cxsig.outbox_position s;
    else
        low := coalesce(least((select min(o.position) from cxsig.outbox o where o.stream = 'live'),
                              (select min(o.position) from cxsig.outbox o where o.stream = 'backfill')), 1);
    end if;
    -- Rows route by what partitions there are once the default one is locked: see _make_partition().
    lock table cxsig.checkpoint_default in row exclusive mode;
    insert into cxsig.checkpoint (destination_id, low, high, backfill_low, backfill_high, floor,
                                  system_identifier, database_oid)
        select d.destination_id, low, low - 1, low, low - 1, cxsig._floor(), h.system_identifier, h.database_oid
        from cxsig._here() h;
    perform cxsig._notify_workers();
    if not exists (select from cxsig._worker_slots()) then
        raise warning using
            errcode = 'object_not_in_prerequisite_state',
            message = 'the cxsig worker is not loaded: nothing will be sent',
            hint = 'Add cxsig to "shared_preload_libraries" and restart the server.';
    end if;
    return d.destination_id;
end
$$;
comment on function cxsig.create_destination(text, text, jsonb, jsonb) is
    'makes a destination and returns its id. config: the transport''s settings, {"url": "https://..."}. options: projection, mapping, filter, order_scope, history, concurrency, window, batch_size, batch_bytes, batch_linger_ms, rate_limit, rate_burst, quota_reserve, quota_probe_ms, urgent, connect_timeout_ms, first_byte_timeout_ms, total_timeout_ms, retry_initial_ms, retry_max_ms, max_attempts, poison_policy, sla_target_ms, start (now or beginning), paused. A transport may have other defaults than the table, which stay when the destination is altered';

create function cxsig._write_destination(d cxsig.destination) returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    update cxsig.destination t
        set config = d.config, projection = d.projection, mapping = d.mapping, filter = d.filter,
            order_scope = d.order_scope, history = d.history, concurrency = d.concurrency,
            "window" = d."window", batch_size = d.batch_size, batch_bytes = d.batch_bytes,
            batch_linger_ms = d.batch_linger_ms, rate_limit = d.rate_limit, rate_burst = d.rate_burst,
            quota_reserve = d.quota_reserve, quota_probe_ms = d.quota_probe_ms, urgent = d.urgent,
            connect_timeout_ms = d.connect_timeout_ms, first_byte_timeout_ms = d.first_byte_timeout_ms,
            total_timeout_ms = d.total_timeout_ms, retry_initial_ms = d.retry_initial_ms,
            retry_max_ms = d.retry_max_ms, max_attempts = d.max_attempts,
            poison_policy = d.poison_policy, schema_version = d.schema_version,
            sla_target_ms = d.sla_target_ms, state = d.state, state_reason = d.state_reason
        where t.destination_id = d.destination_id
$$;
comment on function cxsig._write_destination(cxsig.destination) is 'internal: writes back a destination''s settings';

create function cxsig.alter_destination(name text, config jsonb default null, options jsonb default '{}')
    returns void
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    d cxsig.destination;
    before text;
begin
    select * into d from cxsig.destination e
        where e.destination_id = cxsig._destination_id(alter_destination.name) for update;
    if config is not null then
        if jsonb_typeof(config) <> 'object' then
            raise exception using
                errcode = 'invalid_parameter_value',
                message = 'config must be a JSON object',
                hint = 'It replaces the whole config.';
        end if;
        d.config := config;
    end if;
    before := d.order_scope;
    d := cxsig._apply_options(d, options);
    if d.order_scope <> before
       and exists (select from cxsig.retry r where r.destination_id = d.destination_id) then
        raise exception using
            errcode = 'object_in_use',
            message = format('option "order_scope" of destination "%s" cannot be changed while events wait for a retry',
                             alter_destination.name),
            hint = 'See cxsig.blocked_lanes; make a new destination instead, or wait until it is empty.';
    end if;
    perform cxsig._write_destination(d);
    perform cxsig._notify_workers();
end
$$;
comment on function cxsig.alter_destination(text, jsonb, jsonb) is
    'changes a destination while it runs: config is replaced where given, options as in create_destination()';

create function cxsig._adopt(destination_id integer) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    last cxsig.checkpoint;
    here record;
begin
    select * into here from cxsig._here();
    select c.* into last from cxsig.checkpoint c
        where c.destination_id = _adopt.destination_id order by c.written_at desc limit 1;
    if last.system_identifier = here.system_identifier and last.database_oid = here.database_oid then
        return;
    end if;
    if last.destination_id is null then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = format('destination "%s" has no place in the log: it cannot be resumed',
                             (select d.name from cxsig.destination d where d.destination_id = _adopt.destination_id)),
            hint = 'Let the restore end first. If the dump had no rows of cxsig.checkpoint, drop the destination and make it anew.';
    end if;
    -- Transactions of where it comes from have all ended: their rows are read again from the first
    -- on, and those that have a receipt are skipped.
    lock table cxsig.checkpoint_default in row exclusive mode;
    -- The newest row counts, whatever the clock over there said.
    insert into cxsig.checkpoint (destination_id, written_at, low, high, filtered, backfill_low, backfill_high,
                                  floor, system_identifier, database_oid)
        select _adopt.destination_id, greatest(clock_timestamp(), last.written_at + interval '1 microsecond'),
               least(last.low, (select min(o.position) from cxsig._log o
                                where o.txid = any (last.doubt) and o.stream = 'live' and o.position > last.floor)),
               last.high, last.filtered,
               least(last.backfill_low, (select min(o.position) from cxsig._log o
                                         where o.txid = any (last.backfill_doubt) and o.stream = 'backfill'
                                           and o.position > last.floor)),
               last.backfill_high, greatest(last.floor, cxsig._floor()),
               here.system_identifier, here.database_oid;
end
$$;
comment on function cxsig._adopt(integer) is
    'internal: a destination of a restored or copied database goes on here, from where its last checkpoint was';

create function cxsig._set_state(name text, from_states text[], to_state text, reason text) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    id integer := cxsig._destination_id(_set_state.name);
begin
    if to_state = 'active' then
        perform cxsig._adopt(id);
    end if;
    update cxsig.destination d
        set state = to_state, state_reason = reason, state_changed_at = clock_timestamp()
        where d.destination_id = id and d.state = any (from_states);
    if found then
        perform cxsig._notify_workers();
    end if;
    return found;
end
$$;
comment on function cxsig._set_state(text, text[], text, text) is 'internal: moves a destination between states; false where it was in none of them';

create function cxsig.pause_destination(name text, reason text default 'paused by a person') returns boolean
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$ select cxsig._set_state(name, array['active'], 'paused', reason) $$;
comment on function cxsig.pause_destination(text, text) is
    'stops sending to a destination; its events wait. False where it was not active';

create function cxsig.resume_destination(name text) returns boolean
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$ select cxsig._set_state(name, array['paused', 'stopped', 'disabled'], 'active', 'resumed by a person') $$;
comment on function cxsig.resume_destination(text) is
    'sends again to a destination that was paused, stopped or disabled, from where it was. False where it was active';

create function cxsig.resume_all() returns integer
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    n integer;
begin
    perform cxsig._adopt(d.destination_id) from cxsig.destination d where d.state <> 'active';
    update cxsig.destination d
        set state = 'active', state_reason = 'resumed by a person', state_changed_at = clock_timestamp()
        where d.state <> 'active';
    get diagnostics n = row_count;
    perform cxsig._notify_workers();
    return n;
end
$$;
comment on function cxsig.resume_all() is 'resumes every destination that is not active; returns how many';

create function cxsig.drop_destination(name text) returns void
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    id integer := cxsig._destination_id(drop_destination.name);
begin
    delete from cxsig.destination d where d.destination_id = id;
    perform cxsig._notify_workers();
end
$$;
comment on function cxsig.drop_destination(text) is
    'forgets a destination, its secrets and what waits for it; its receipts and dead letters stay';

create function cxsig.test_destination(
    name text,
    out ok boolean,
    out http_status integer,
    out latency_ms numeric,
    out answer text,
    out detail text
) returns record
    language c volatile strict parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_test_destination';
comment on function cxsig.test_destination(text) is
    'sends a signed ping that changes nothing, from this session, and returns the answer';

create function cxsig._check_secret(name text, value text) returns void
    language c immutable parallel unsafe
    as 'MODULE_PATHNAME', 'cxsig_check_secret';
comment on function cxsig._check_secret(text, text) is 'internal: raises where a signing secret or PEM has not the right form; never shows it';

create function cxsig._set_secret(destination text, name text, value text, file text,
                                  keep_previous interval)
    returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    id integer;
begin
    id := cxsig._destination_id(destination);
    if _set_secret.name is null or _set_secret.name !~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}$' then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = 'the name of a secret must be 1 to 63 letters, digits and _ . : -',
            hint = 'signing, or the name the config refers to.';
    end if;
    if (value is null) = (file is null) then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = 'a secret is set by value or by file',
            hint = 'Give one of value and file.';
    end if;
    if file is not null and (file = '' or file ~ '[/\\]' or file like '%..%') then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = 'file must be the name of a file in "cxsig.secret_directory"',
            hint = 'Without slashes and "..".';
    end if;
    if value is not null then
        perform cxsig._check_secret(_set_secret.name, value);
    end if;
    if keep_previous is null then
        delete from cxsig.secret s where s.destination_id = id and s.name = _set_secret.name;
    else
        update cxsig.secret s
            set expires_at = least(s.expires_at, now() + keep_previous)
            where s.destination_id = id and s.name = _set_secret.name;
    end if;
    insert into cxsig.secret (destination_id, name, value, file) values (id, _set_secret.name, value, file);
    update cxsig.destination d
        set secret_names = array(select distinct u.n from unnest(d.secret_names || _set_secret.name) u(n) order by u.n)
        where d.destination_id = id;
    perform cxsig._notify_workers();
end
$$;
comment on function cxsig._set_secret(text, text, text, text, interval) is
    'internal: what set_secret() does, behind a wrapper that keeps the secret out of error reports';

create function cxsig.set_secret(destination text, name text, value text default null,
                                 file text default null, keep_previous interval default null)
    returns void
    language c volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_set_secret';
comment on function cxsig.set_secret(text, text, text, text, interval) is
    'sets a secret by value, or by the name of a file in cxsig.secret_directory. It cannot be read back. name: signing (whsec_...), or what the config refers to: the value of a header, a client certificate or its key in PEM. keep_previous: how long the old ones stay valid beside it, for rotation';
