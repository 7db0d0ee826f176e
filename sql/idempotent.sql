-- The same (source_system, idempotency_key) makes one event; other content under it is a conflict,
-- which is recorded. Rolled back at the end.
\set ON_ERROR_ROLLBACK on
\set SHOW_CONTEXT never
begin;
create function pg_temp.recorded(input jsonb) returns cxsig.event language plpgsql as $$
declare
    answer cxsig.ingest_result := cxsig.ingest(input);
    found  cxsig.event;
begin
    select e.* into found from cxsig.event e where e.event_id = answer.event_id;
    return found;
end
$$;
create function pg_temp.sig(change jsonb) returns jsonb language sql as $$
    select '{"ticket_id": "D-1", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "idem",
             "evidence_url": "https://help.example.com/1", "sentiment": "Very Negative", "churn_risk": "8/10",
             "raw_tags": ["a", "b"], "custom_metrics": {"x": 1, "y": "z"}}'::jsonb || change
$$;
select event_id as first from cxsig.ingest(pg_temp.sig('{}')) \gset
-- the same, written otherwise; on another trace; as backfill
select outcome, version, event_id = :'first' as same_event from cxsig.ingest(pg_temp.sig('{}'));
select outcome, event_id = :'first' as same_event from cxsig.ingest(pg_temp.sig(
    '{"sentiment": "very_negative", "churn_risk": 0.8, "occurred_at": "2026-03-01T11:00:00+01:00", "raw_tags": "a;b",
      "custom_metrics": "{\"y\": \"z\", \"x\": 1.0}", "account_id": "", "model": null,
      "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "backfill": true}'));
-- the default key, given
select outcome from cxsig.ingest(pg_temp.sig('{"idempotency_key": "idem:D-1:2026-03-01T10:00:00.000000Z"}'));
-- other content
select outcome, version, event_id = :'first' as same_event, detail from cxsig.ingest(pg_temp.sig('{"sentiment": "neutral"}'));
select outcome from cxsig.ingest(pg_temp.sig('{"raw_tags": ["b", "a"]}'));
select outcome from cxsig.ingest(pg_temp.sig('{"version": 1}'));
select outcome from cxsig.ingest(pg_temp.sig('{"ticket_id": "D-2", "idempotency_key": "idem:D-1:2026-03-01T10:00:00.000000Z"}'));
select kind, source_system, idempotency_key, event_id = :'first' as kept_first, input ->> 'sentiment' as sentiment, detail
  from cxsig.contract_violation where source_system = 'idem' order by violation_id limit 1;
select count(*) from cxsig.contract_violation where source_system = 'idem';
-- another source may use the same key
select outcome from cxsig.ingest(pg_temp.sig('{"source_system": "idem2", "ticket_id": "D-3",
    "idempotency_key": "idem:D-1:2026-03-01T10:00:00.000000Z"}'));

-- inside a batch as anywhere: first, repeat, conflict; versions have no gaps
select n, outcome, version
  from cxsig.ingest_batch(jsonb_build_array(
    pg_temp.sig('{"ticket_id": "D-4", "idempotency_key": "k1"}'),
    pg_temp.sig('{"ticket_id": "D-4", "idempotency_key": "k1"}'),
    pg_temp.sig('{"ticket_id": "D-4", "idempotency_key": "k2", "occurred_at": "2026-03-01T10:01:00Z"}'),
    pg_temp.sig('{"ticket_id": "D-4", "idempotency_key": "k1", "model": "other"}'),
    pg_temp.sig('{}'),
    pg_temp.sig('{"ticket_id": "D-4", "idempotency_key": "k3", "occurred_at": "2026-03-01T10:02:00Z"}')))
       with ordinality r (event_id, outcome, version, detail, n) order by n;
-- the whole batch again
select outcome, count(*)
  from cxsig.ingest_batch(jsonb_build_array(
    pg_temp.sig('{"ticket_id": "D-4", "idempotency_key": "k1"}'),
    pg_temp.sig('{"ticket_id": "D-4", "idempotency_key": "k2", "occurred_at": "2026-03-01T10:01:00Z"}'),
    pg_temp.sig('{"ticket_id": "D-4", "idempotency_key": "k3", "occurred_at": "2026-03-01T10:02:00Z"}'))) group by outcome;

-- default keys tell apart what is different, and fit
select idempotency_key from pg_temp.recorded(pg_temp.sig('{"source_system": "a:b", "ticket_id": "c"}'));
select idempotency_key from pg_temp.recorded(pg_temp.sig('{"source_system": "a", "ticket_id": "b:c\\"}'));
select left(idempotency_key, 14), length(idempotency_key)
  from pg_temp.recorded(pg_temp.sig(jsonb_build_object('source_system', 'idem', 'ticket_id', repeat(':', 128))));

-- rolled back to a savepoint, a key is free again
savepoint before;
select outcome, version from cxsig.ingest(pg_temp.sig('{"ticket_id": "D-5"}'));
select outcome, version from cxsig.ingest(pg_temp.sig('{"ticket_id": "D-5"}'));
rollback to before;
select outcome, version from cxsig.ingest(pg_temp.sig('{"ticket_id": "D-5"}'));

-- every event has its key, its revision and its place in the outbox
select count(*) as events, count(k.event_id) as keys, count(r.event_id) as revisions, count(o.event_id) as intents
  from cxsig.event e
  left join cxsig.processed_key k on k.event_id = e.event_id and k.source_system = e.source_system
       and k.idempotency_key = e.idempotency_key and k.version = e.version and k.recorded_at = e.recorded_at
  left join cxsig.ticket_revision r on r.event_id = e.event_id and r.version = e.version
  left join cxsig.outbox o on o.event_id = e.event_id and o.recorded_at = e.recorded_at
 where e.source_system in ('idem', 'idem2', 'a', 'a:b');
rollback;
