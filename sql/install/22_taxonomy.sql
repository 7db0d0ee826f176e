-- What a vendor's words mean, and who the customer is: the functions that define it, all of which
-- can be repeated. Backends cache these tables; the triggers tell them when one changes.

create function cxsig._taxonomy_changed() returns trigger
    language c volatile parallel unsafe
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_taxonomy_changed';
comment on function cxsig._taxonomy_changed() is 'tells every backend to read the taxonomy again';

create trigger taxonomy_changed after insert or update or delete or truncate on cxsig.source
    for each statement execute function cxsig._taxonomy_changed();
create trigger taxonomy_changed after insert or update or delete or truncate on cxsig.value_map
    for each statement execute function cxsig._taxonomy_changed();
create trigger taxonomy_changed after insert or update or delete or truncate on cxsig.tag_mapping
    for each statement execute function cxsig._taxonomy_changed();
create trigger taxonomy_changed after insert or update or delete or truncate on cxsig.canonical_tag
    for each statement execute function cxsig._taxonomy_changed();
create trigger taxonomy_changed after insert or update or delete or truncate on cxsig.metric
    for each statement execute function cxsig._taxonomy_changed();

create function cxsig._check_name(field text, value text) returns void
    language plpgsql immutable parallel safe
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if value is null then
        raise exception using
            errcode = 'null_value_not_allowed',
            message = format('%s is null', field),
            hint = 'Give it a name.';
    end if;
    if value !~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}$' then
        raise exception using
            errcode = 'check_violation',
            message = format('%s has value "%s"', field, left(value, 60)),
            hint = 'Allowed are 1 to 63 letters, digits and _ . : -, starting with a letter or digit.';
    end if;
end
$$;
comment on function cxsig._check_name(text, text) is 'raises unless the value has the shape of a name';

create function cxsig.define_source(
    source_system  text,
    description    text default null,
    evidence_hosts text[] default null,
    "values"       jsonb default null
) returns void
    language plpgsql volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    host text;
    field text;
    map jsonb;
begin
    perform cxsig._check_name('source_system', source_system);
    foreach host in array coalesce(evidence_hosts, '{}') loop
        if host is null or host !~* '^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$' then
            raise exception using
                errcode = 'check_violation',
                message = format('evidence_hosts has value "%s"', left(coalesce(host, 'null'), 60)),
                hint = 'Allowed are host names such as app.example.com, or .example.com for all below it.';
        end if;
    end loop;
    if jsonb_typeof("values") <> 'object' then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = 'values is not a JSON object',
            hint = 'Give {"churn_risk": {"yes": "high"}}: for each field, raw values and what they stand for.';
    end if;

    -- what is not given stays as it is
    insert into cxsig.source as s (source_system, description, evidence_hosts)
    values (define_source.source_system, coalesce(define_source.description, ''),
            coalesce(lower(define_source.evidence_hosts::text)::text[], '{}'))
    on conflict on constraint source_pkey do update
       set description = coalesce(define_source.description, s.description),
           evidence_hosts = coalesce(lower(define_source.evidence_hosts::text)::text[], s.evidence_hosts);

    for field, map in select e.key, e.value from jsonb_each("values") e loop
        if jsonb_typeof(map) <> 'object' then
            raise exception using
                errcode = 'invalid_parameter_value',
                message = format('values has no JSON object for field "%s"', left(field, 60)),
                hint = 'Give {"churn_risk": {"yes": "high"}}: for each field, raw values and what they stand for.';
        end if;
        perform cxsig.map_value(define_source.source_system, field, e.key, e.value)
           from jsonb_each_text(map) e;
    end loop;
end
$$;
comment on function cxsig.define_source(text, text, text[], jsonb) is
    'defines a source: hosts its evidence may be on, and values of its own, {"churn_risk": {"yes": "high"}}';

create function cxsig.map_value(source_system text, field text, raw text, canonical text) returns void
    language plpgsql volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    allowed text[];
    folded  text := cxsig.fold(map_value.canonical);
begin
    perform cxsig._check_name('source_system', source_system);
    allowed := case field
        when 'sentiment' then enum_range(null::cxsig.sentiment)::text[]
        when 'churn_risk' then enum_range(null::cxsig.churn_risk)::text[]
        when 'effort' then enum_range(null::cxsig.effort)::text[]
        when 'confidence' then '{}'::text[]
    end;
    if allowed is null then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('field has value "%s"', left(coalesce(field, 'null'), 60)),
            hint = 'Allowed are sentiment, churn_risk, effort and confidence.';
    end if;
    if coalesce(cxsig.fold(raw), '') = '' or length(raw) > 200 then
        raise exception using
            errcode = 'check_violation',
            message = format('raw has value "%s"', left(coalesce(raw, 'null'), 60)),
            hint = 'Allowed are 1 to 200 characters.';
    end if;
    if field = 'confidence' then
        if folded is null or folded !~ '^(0(\.\d{1,17})?|1(\.0{1,17})?|\.\d{1,17})$' then
            raise exception using
                errcode = 'check_violation',
                message = format('canonical has value "%s"', left(coalesce(map_value.canonical, 'null'), 60)),
                hint = 'Allowed for confidence is a number from 0 to 1.';
        end if;
    elsif folded is null or folded <> all (allowed) then
        raise exception using
            errcode = 'check_violation',
            message = format('canonical has value "%s"', left(coalesce(map_value.canonical, 'null'), 60)),
            hint = format('Allowed for %s are %s.', field, array_to_string(allowed, ', '));
    end if;

    insert into cxsig.value_map (source_system, field, raw_value, canonical)
    values (map_value.source_system, map_value.field, cxsig.fold(raw), folded)
    on conflict on constraint value_map_pkey do update set canonical = excluded.canonical;
end
$$;
comment on function cxsig.map_value(text, text, text, text) is
    'says what a source''s own value of sentiment, churn_risk, effort or confidence stands for';

create function cxsig.define_driver(driver text, label text default null, description text default null)
    returns void
    language plpgsql volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    perform cxsig._check_name('driver', driver);
    insert into cxsig.driver as d (driver, label, description)
    values (define_driver.driver, coalesce(define_driver.label, ''), coalesce(define_driver.description, ''))
    on conflict on constraint driver_pkey do update
       set label = coalesce(define_driver.label, d.label),
           description = coalesce(define_driver.description, d.description);
end
$$;
comment on function cxsig.define_driver(text, text, text) is 'defines a driver of contacts, or changes what is given of it';

create function cxsig.define_tag(tag text, driver text default null, label text default null,
                                 description text default null)
    returns void
    language plpgsql volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    perform cxsig._check_name('tag', tag);
    if driver is not null and not exists (select from cxsig.driver d where d.driver = define_tag.driver) then
        raise exception using
            errcode = 'foreign_key_violation',
            message = format('driver "%s" is not defined', left(driver, 60)),
            hint = 'Define it with cxsig.define_driver().';
    end if;
    insert into cxsig.canonical_tag as t (canonical_tag, driver, label, description)
    values (define_tag.tag, define_tag.driver, coalesce(define_tag.label, ''), coalesce(define_tag.description, ''))
    on conflict on constraint canonical_tag_pkey do update
       set driver = coalesce(define_tag.driver, t.driver),
           label = coalesce(define_tag.label, t.label),
           description = coalesce(define_tag.description, t.description);
end
$$;
comment on function cxsig.define_tag(text, text, text, text) is
    'defines a canonical tag and its driver, or changes what is given of it';

create function cxsig._remap(raw_tag text, source_system text) returns bigint
    language c volatile strict parallel unsafe
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_remap';
comment on function cxsig._remap(text, text) is
    'emits signal.remapped for tickets whose newest event carries the folded tag and would be tagged otherwise now';

create function cxsig.map_tag(raw_tag text, canonical_tag text, source_system text default '*',
                              re_emit boolean default false)
    returns bigint
    language plpgsql volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    folded text := cxsig.fold(map_tag.raw_tag);
begin
    if map_tag.source_system is distinct from '*' then
        perform cxsig._check_name('source_system', map_tag.source_system);
    end if;
    if coalesce(folded, '') = '' or length(map_tag.raw_tag) > 200 then
        raise exception using
            errcode = 'check_violation',
            message = format('raw_tag has value "%s"', left(coalesce(map_tag.raw_tag, 'null'), 60)),
            hint = 'Allowed are 1 to 200 characters.';
    end if;
    if not exists (select from cxsig.canonical_tag t where t.canonical_tag = map_tag.canonical_tag) then
        raise exception using
            errcode = 'foreign_key_violation',
            message = format('canonical tag "%s" is not defined', left(coalesce(map_tag.canonical_tag, 'null'), 60)),
            hint = 'Define it with cxsig.define_tag().';
    end if;
    -- the clock, not the transaction's start: it is compared with when events were recorded
    insert into cxsig.tag_mapping as m (source_system, raw_tag, canonical_tag, mapped_at)
    values (map_tag.source_system, folded, map_tag.canonical_tag, clock_timestamp())
    on conflict on constraint tag_mapping_pkey do update
       set canonical_tag = excluded.canonical_tag, mapped_at = excluded.mapped_at
     where m.canonical_tag <> excluded.canonical_tag;
    if re_emit then
        return cxsig._remap(folded, map_tag.source_system);
    end if;
    return 0;
end
$$;
comment on function cxsig.map_tag(text, text, text, boolean) is
    'maps a raw tag of a source, or of all (*), to a canonical tag; re_emit sends the signals it changes again and returns how many';

create function cxsig.define_metric(metric text, type text, allowed text[] default null,
                                    unit text default null, description text default null)
    returns void
    language plpgsql volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    perform cxsig._check_name('metric', metric);
    if type is null or type <> all (array['number', 'integer', 'boolean', 'text', 'timestamp']) then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('type has value "%s"', left(coalesce(type, 'null'), 60)),
            hint = 'Allowed are number, integer, boolean, text and timestamp.';
    end if;
    if allowed is not null and type <> 'text' then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('allowed is given for a metric of type %s', type),
            hint = 'Only a metric of type text has a list of allowed values.';
    end if;
    insert into cxsig.metric as m (metric, type, allowed, unit, description)
    values (define_metric.metric, define_metric.type, define_metric.allowed,
            coalesce(define_metric.unit, ''), coalesce(define_metric.description, ''))
    on conflict on constraint metric_pkey do update
       set type = define_metric.type,
           allowed = define_metric.allowed,
           unit = coalesce(define_metric.unit, m.unit),
           description = coalesce(define_metric.description, m.description);
end
$$;
comment on function cxsig.define_metric(text, text, text[], text, text) is
    'gives a custom metric a type; values that do not fit are refused from then on';

create function cxsig.upsert_account(account_id text, name text default null, plan text default null,
                                     owner text default null, crm_ids jsonb default null,
                                     custom jsonb default null)
    returns void
    language plpgsql volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if coalesce(length(account_id), 0) not between 1 and 128 then
        raise exception using
            errcode = 'check_violation',
            message = format('account_id has value "%s"', left(coalesce(account_id, 'null'), 60)),
            hint = 'Allowed are 1 to 128 characters.';
    end if;
    if jsonb_typeof(crm_ids) <> 'object' or jsonb_typeof(custom) <> 'object' then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('%s is not a JSON object',
                             case when jsonb_typeof(crm_ids) <> 'object' then 'crm_ids' else 'custom' end),
            hint = 'Give an object such as {"salesforce": "001..."}.';
    end if;
    insert into cxsig.account as a (account_id, name, plan, owner, crm_ids, custom)
    values (upsert_account.account_id, upsert_account.name, upsert_account.plan, upsert_account.owner,
            coalesce(upsert_account.crm_ids, '{}'), coalesce(upsert_account.custom, '{}'))
    on conflict on constraint account_pkey do update
       set name = coalesce(upsert_account.name, a.name),
           plan = coalesce(upsert_account.plan, a.plan),
           owner = coalesce(upsert_account.owner, a.owner),
           crm_ids = coalesce(upsert_account.crm_ids, a.crm_ids),
           custom = coalesce(upsert_account.custom, a.custom),
           updated_at = now();
end
$$;
comment on function cxsig.upsert_account(text, text, text, text, jsonb, jsonb) is
    'creates an account or changes what is given of it; events recorded from then on carry it';

create view cxsig.unmapped_tags as
    select g.source_system,
           g.raw_tag,
           g.events,
           g.tickets,
           g.first_seen,
           g.last_seen,
           x.event_id as example_event,
           x.ticket_id as example_ticket,
           e.evidence_url
      from (select u.source_system,
                   u.raw_tag,
                   pg_catalog.count(*) as events,
                   pg_catalog.count(distinct u.ticket_id) as tickets,
                   pg_catalog.min(u.recorded_at) as first_seen,
                   pg_catalog.max(u.recorded_at) as last_seen
              from cxsig.unmapped_tag u
             where not exists (select from cxsig.tag_mapping m
                                where m.raw_tag operator(pg_catalog.=) u.raw_tag
                                  and m.source_system operator(pg_catalog.=) any
                                      (array[u.source_system, '*']))
             group by u.source_system, u.raw_tag) g
      cross join lateral (select u.event_id, u.recorded_at, u.ticket_id
                            from cxsig.unmapped_tag u
                           where u.source_system operator(pg_catalog.=) g.source_system
                             and u.raw_tag operator(pg_catalog.=) g.raw_tag
                           order by u.recorded_at desc, u.event_id desc
                           limit 1) x
      left join cxsig.event e on e.event_id operator(pg_catalog.=) x.event_id
                             and e.recorded_at operator(pg_catalog.=) x.recorded_at;
comment on view cxsig.unmapped_tags is 'raw tags that came and are not mapped yet; map_tag() maps them';
comment on column cxsig.unmapped_tags.source_system is 'the source whose tag it is';
comment on column cxsig.unmapped_tags.raw_tag is 'the tag, folded';
comment on column cxsig.unmapped_tags.events is 'events that carried it';
comment on column cxsig.unmapped_tags.tickets is 'tickets they belong to';
comment on column cxsig.unmapped_tags.first_seen is 'when it was first recorded';
comment on column cxsig.unmapped_tags.last_seen is 'when it was last recorded';
comment on column cxsig.unmapped_tags.example_event is 'the last event that carried it';
comment on column cxsig.unmapped_tags.example_ticket is 'its ticket';
comment on column cxsig.unmapped_tags.evidence_url is 'link to what its customer wrote';
