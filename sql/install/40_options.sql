-- Options of destinations: what they may be, and putting them into a row of cxsig.destination.

create function cxsig._check_destination(name text, transport text, config jsonb, projection text,
                                         mapping jsonb, filter jsonpath, urgent jsonpath,
                                         order_scope text, batch_size integer) returns integer
    language c stable parallel unsafe
    as 'MODULE_PATHNAME', 'cxsig_check_destination';
comment on function cxsig._check_destination(text, text, jsonb, text, jsonb, jsonpath, jsonpath, text, integer) is
    'internal: raises what is wrong with a destination''s settings, naming the key; returns how many events its requests carry at most';

create function cxsig._transport_defaults(transport text) returns jsonb
    language c stable strict parallel unsafe
    as 'MODULE_PATHNAME', 'cxsig_transport_defaults';
comment on function cxsig._transport_defaults(text) is
    'internal: options that are other than usual for destinations of a transport; raises where there is no such transport';

create function cxsig._option_integer(key text, value jsonb, low bigint, high bigint) returns integer
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if jsonb_typeof(value) = 'number' and (value #>> '{}') ~ '^[0-9]+$'
       and (value #>> '{}')::numeric between low and high then
        return (value #>> '{}')::integer;
    end if;
    raise exception using
        errcode = 'invalid_parameter_value',
        message = format('option "%s" cannot be %s', key, left(value::text, 60)),
        hint = format('A whole number from %s to %s.', low, high);
end
$$;
comment on function cxsig._option_integer(text, jsonb, bigint, bigint) is 'internal: an option that is a whole number in a range';

create function cxsig._option_rate(key text, value jsonb) returns numeric
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if value = 'null' then
        return null;
    end if;
    if jsonb_typeof(value) = 'number' and (value #>> '{}')::numeric between 0.001 and 100000 then
        return (value #>> '{}')::numeric(9,3);
    end if;
    raise exception using
        errcode = 'invalid_parameter_value',
        message = format('option "%s" cannot be %s', key, left(value::text, 60)),
        hint = 'Requests a second, from 0.001 to 100000, or null for no limit.';
end
$$;
comment on function cxsig._option_rate(text, jsonb) is 'internal: an option that is a rate or null';

create function cxsig._option_word(key text, value jsonb, allowed text[]) returns text
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if jsonb_typeof(value) = 'string' and (value #>> '{}') = any (allowed) then
        return value #>> '{}';
    end if;
    raise exception using
        errcode = 'invalid_parameter_value',
        message = format('option "%s" cannot be %s', key, left(value::text, 60)),
        hint = format('One of: %s.', array_to_string(allowed, ', '));
end
$$;
comment on function cxsig._option_word(text, jsonb, text[]) is 'internal: an option that is one of some words';

create function cxsig._option_filter(key text, value jsonb) returns jsonpath
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if value = 'null' then
        return null;
    end if;
    if jsonb_typeof(value) <> 'string' then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('option "%s" cannot be %s', key, left(value::text, 60)),
            hint = 'A jsonpath predicate as a string, such as "$.churn_risk == \"high\"".';
    end if;
    return (value #>> '{}')::jsonpath;
exception
    when syntax_error or invalid_text_representation then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('option "%s" is no jsonpath: %s', key, left(value::text, 120)),
            detail = sqlerrm,
            hint = 'A jsonpath predicate, such as $.churn_risk == "high".';
end
$$;
comment on function cxsig._option_filter(text, jsonb) is 'internal: an option that is a jsonpath predicate or null';

create function cxsig._apply_options(destination cxsig.destination, options jsonb, defaults jsonb default '{}')
    returns cxsig.destination
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    d alias for destination;
    key text;
    value jsonb;
    most integer;
begin
    if options is null or jsonb_typeof(options) <> 'object' then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = 'options must be a JSON object',
            hint = 'For example {"projection": "bi", "concurrency": 8}.';
    end if;
    for key, value in select e.key, e.value from jsonb_each(defaults || options) e loop
        case key
            when 'projection' then d.projection := cxsig._option_word(key, value, array['crm', 'bi', 'ops']);
            when 'mapping' then d.mapping := nullif(value, 'null');
            when 'filter' then d.filter := cxsig._option_filter(key, value);
            when 'order_scope' then d.order_scope := cxsig._option_word(key, value, array['ticket', 'account', 'none']);
            when 'history' then d.history := cxsig._option_word(key, value, array['all', 'latest']);
            when 'concurrency' then d.concurrency := cxsig._option_integer(key, value, 1, 1000);
            when 'window' then d."window" := cxsig._option_integer(key, value, 1, 100000);
            when 'batch_size' then d.batch_size := cxsig._option_integer(key, value, 1, 1000);
            when 'batch_bytes' then d.batch_bytes := cxsig._option_integer(key, value, 1024, 67108864);
            when 'batch_linger_ms' then d.batch_linger_ms := cxsig._option_integer(key, value, 0, 60000);
            when 'rate_limit' then d.rate_limit := cxsig._option_rate(key, value);
            when 'rate_burst' then
                d.rate_burst := case when value <> 'null' then cxsig._option_integer(key, value, 1, 100000) end;
            when 'connect_timeout_ms' then d.connect_timeout_ms := cxsig._option_integer(key, value, 1, 600000);
            when 'first_byte_timeout_ms' then d.first_byte_timeout_ms := cxsig._option_integer(key, value, 1, 3600000);
            when 'total_timeout_ms' then d.total_timeout_ms := cxsig._option_integer(key, value, 1, 3600000);
            when 'quota_reserve' then d.quota_reserve := cxsig._option_integer(key, value, 0, 90);
            when 'quota_probe_ms' then d.quota_probe_ms := cxsig._option_integer(key, value, 100, 3600000);
            when 'urgent' then d.urgent := cxsig._option_filter(key, value);
            when 'retry_initial_ms' then d.retry_initial_ms := cxsig._option_integer(key, value, 1, 86400000);
            when 'retry_max_ms' then d.retry_max_ms := cxsig._option_integer(key, value, 1, 604800000);
            when 'max_attempts' then d.max_attempts := cxsig._option_integer(key, value, 1, 1000000);
            when 'poison_policy' then d.poison_policy := cxsig._option_word(key, value, array['skip', 'hold']);
            when 'schema_version' then d.schema_version := cxsig._option_integer(key, value, 1, 1);
            when 'sla_target_ms' then d.sla_target_ms := cxsig._option_integer(key, value, 1, 2147483647);
            else
                raise exception using
                    errcode = 'invalid_parameter_value',
                    message = format('there is no option "%s"', left(key, 60)),
                    hint = 'Options: projection, mapping, filter, order_scope, history, concurrency, window, batch_size, batch_bytes, batch_linger_ms, rate_limit, rate_burst, quota_reserve, quota_probe_ms, urgent, connect_timeout_ms, first_byte_timeout_ms, total_timeout_ms, retry_initial_ms, retry_max_ms, max_attempts, poison_policy, schema_version, sla_target_ms; for create_destination also start and paused.';
        end case;
    end loop;
    if d.retry_max_ms < d.retry_initial_ms then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('option "retry_max_ms" (%s) cannot be less than "retry_initial_ms" (%s)',
                             d.retry_max_ms, d.retry_initial_ms),
            hint = 'Set both.';
    end if;
    d := cxsig._alert_options(d, options);
    most := cxsig._check_destination(d.name, d.transport, d.config, d.projection, d.mapping, d.filter, d.urgent,
                                     d.order_scope, case when options ? 'batch_size' or not defaults ? 'batch_size'
                                                         then d.batch_size else 1 end);
    -- A default is for what the transport can at most; its config may make that less.
    d.batch_size := least(d.batch_size, most);
    return d;
end
$$;
comment on function cxsig._apply_options(cxsig.destination, jsonb, jsonb) is
    'internal: a destination with options, over defaults, applied and checked; raises what is wrong, naming the key';
