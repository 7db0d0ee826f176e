-- One event, and one ticket. These run with the rights of the extension's owner, so that a reader
-- needs no privilege on the tables.

create function cxsig.event_json(event_id uuid) returns jsonb
    language c stable strict parallel safe security definer
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_event_json';
comment on function cxsig.event_json(uuid) is
    'the canonical event, what filters and mappings look into: column names as keys, nulls left out; null where there is no such event';

create function cxsig.preview(event_id uuid, projection text default 'crm', mapping jsonb default null,
                              filter jsonpath default null) returns jsonb
    language c stable parallel safe security definer
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_preview';
comment on function cxsig.preview(uuid, text, jsonb, jsonpath) is
    'what a destination with this projection, or this mapping, would be sent of an event; null where the filter leaves it out';

create function cxsig._row_matches(event record, filter jsonpath) returns boolean
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'cxsig_row_matches';
comment on function cxsig._row_matches(record, jsonpath) is
    'internal: as _matches(), of a row as the library reads it';

create function cxsig._matches(event cxsig.event, filter jsonpath) returns boolean
    language sql stable parallel safe
begin atomic
    select cxsig._row_matches(
        row(event.event_id, event.event_type::text, event.schema_version, event.occurred_at, event.recorded_at,
            event.source_system::text, event.ticket_id::text, event.account_id::text, event.version,
            event.idempotency_key::text, event.sentiment::text, event.sentiment_start::text,
            event.sentiment_end::text, event.churn_risk::text, event.churn_score::float8, event.effort::text,
            event.effort_score::float8, event.confidence::float8, event.model, event.canonical_tag,
            event.driver, array_to_json(event.raw_tags)::text, event.custom_metrics::text,
            event.evidence_url::text, array_to_json(event.quotes)::text, event.account::text,
            event.corrects, event.traceparent, event.tracestate, event.backfill, event.stale),
        filter);
end;
comment on function cxsig._matches(cxsig.event, jsonpath) is
    'internal: does a filter let an event pass, as at a destination; a part of the statement that calls it. Null of a null event';

create function cxsig._duration_text(took interval) returns text
    language sql immutable strict parallel safe
    set search_path = pg_catalog, pg_temp
begin atomic
    select case
        when s < 0.01 then round(s * 1000, 1)::text || ' ms'
        when s < 1 then round(s * 1000)::text || ' ms'
        when s < 60 then round(s, 1)::text || ' s'
        when s < 3600 then div(s, 60)::text || ' min ' || floor(s % 60)::text || ' s'
        when s < 86400 then div(s, 3600)::text || ' h ' || div(s % 3600, 60)::text || ' min'
        else div(s, 86400)::text || ' d ' || div(s % 86400, 3600)::text || ' h'
    end
    from (select extract(epoch from took) as s) t;
end;
comment on function cxsig._duration_text(interval) is 'internal: a duration as people say it, in two units at most';

create function cxsig.history(ticket_id text)
    returns table (version bigint, occurred_at timestamptz, event_type text, sentiment text,
                   churn_risk text, churn_score double precision, canonical_tag text, driver text,
                   stale boolean, deliveries text, evidence_url text, event_id uuid)
    language sql stable strict security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with lag as materialized
        (select d.destination_id, d.name, d.created_at, d.history, d.projection, d.filter, d.transport, d.config, l.waiting_since,
                l.backfill_waiting_since
         from cxsig.destination d
             join cxsig.consumer_lag l on l.destination = d.name)
    select e.version, e.occurred_at, e.event_type::text, e.sentiment::text, e.churn_risk::text,
           e.churn_score::double precision, e.canonical_tag, e.driver, e.stale, told.line,
           e.evidence_url::text, e.event_id
    from cxsig.event e
        cross join lateral (
            select string_agg(w.name || ' ' || w.what, '; ' order by w.name, w.position) as line
            from (select coalesce(d.name::text, '(dropped ' || v.destination_id || ')') as name,
                         v.position,
                         case
                             when v.outcome = 'delivered' then
                                 'delivered in ' || cxsig._duration_text(v.finished_at - v.recorded_at)
                                 || case when v.attempt > 1 then ', attempt ' || v.attempt else '' end
                             when v.outcome = 'dead' then
                                 'dead' || coalesce(', status ' || v.http_status, '')
                             else v.outcome::text
                         end as what
                  from cxsig.delivery v
                      left join cxsig.destination d on d.destination_id = v.destination_id
                  where v.event_id = e.event_id
                    and v.finished_at >= e.recorded_at - interval '1 minute'
                  union all
                  select l.name, r.position,
                         case
                             when r.held then 'held'
                             when r.attempt > 0 then 'waits for attempt ' || r.attempt + 1
                             else 'waits in its lane'
                         end || coalesce(': ' || r.last_error, '')
                  from cxsig.retry r
                      join lag l on l.destination_id = r.destination_id
                  where r.event_id = e.event_id
                  union all
                  select l.name, 0,
                         case
                             when l.filter is not null
                                  and cxsig.preview(e.event_id, l.projection, null::jsonb, l.filter) is null
                                 then 'filtered'
                             when cxsig._alert_condition(l.transport) is not null
                                  and (e.backfill or e.stale
                                       or cxsig.preview(e.event_id, l.projection, null::jsonb,
                                                        coalesce(l.config ->> 'condition', cxsig._alert_condition(l.transport))::jsonpath)
                                          is null)
                                 then 'filtered'
                             when e.stale and l.history = 'latest' then 'not sent: stale'
                             when e.recorded_at >= case when e.backfill then l.backfill_waiting_since
                                                   else l.waiting_since end then 'waits'
                             else 'has no receipt'
                         end
                  from lag l
                  where l.created_at <= e.recorded_at
                    and not exists (select from cxsig.delivery v
                                    where v.event_id = e.event_id
                                      and v.destination_id = l.destination_id
                                      and v.finished_at >= e.recorded_at - interval '1 minute')
                    and not exists (select from cxsig.retry r
                                    where r.event_id = e.event_id
                                      and r.destination_id = l.destination_id)) w) told
    where e.ticket_id = history.ticket_id
    order by e.recorded_at, e.event_id
$$;
comment on function cxsig.history(text) is
    'the story of a ticket: each of its events in the order recorded, with what became of it at each destination; "has no receipt" is an event whose receipt retention has dropped, or one recorded within the last checkpoint''s second';
