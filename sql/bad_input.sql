-- Bad input says why: the field, the value, what is allowed. Rolled back at the end.
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
create function pg_temp.bad(change jsonb) returns void language sql as $$
    select cxsig.ingest('{"ticket_id": "B-1", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "bad",
                          "evidence_url": "https://help.example.com/1"}'::jsonb || change)
$$;
select cxsig.define_source('bad', evidence_hosts => array['help.example.com', '.Acme.example']);

-- required
select cxsig.ingest('{}');
select pg_temp.bad('{"evidence_url": null}');
select pg_temp.bad('{"source_system": "  "}');
-- unknown
select pg_temp.bad('{"sentimant": "negative"}');
select pg_temp.bad('{"metrics": 1}');
-- time
select pg_temp.bad('{"occurred_at": "2026-03-01 10:00:00"}');
select pg_temp.bad('{"occurred_at": "2026-02-30T10:00:00Z"}');
select pg_temp.bad('{"occurred_at": "yesterday"}');
select pg_temp.bad('{"occurred_at": 1772359200}');
select pg_temp.bad('{"occurred_at": "2999-01-01T00:00:00Z"}');
-- link
select pg_temp.bad('{"evidence_url": "http://help.example.com/1"}');
select pg_temp.bad('{"evidence_url": "https://evil.example/1"}');
select pg_temp.bad('{"evidence_url": "https://help.example.com.evil.example/1"}');
select pg_temp.bad('{"evidence_url": "https://help.example.com\\@evil.example/1"}');
select pg_temp.bad('{"evidence_url": "https://kim:hunter2@help.example.com/1"}');
select pg_temp.bad('{"evidence_url": "https://acme.example/1"}');
select pg_temp.bad('{"evidence_url": "https://www.acme.example/1"}');
select pg_temp.bad('{"evidence_url": "https://help.example.com/a b"}');
-- values
select pg_temp.bad('{"sentiment": "furious"}');
select pg_temp.bad('{"sentiment": ["negative"]}');
select pg_temp.bad('{"churn_risk": "yes"}');
select pg_temp.bad('{"churn_risk": "11/10"}');
select pg_temp.bad('{"churn_score": 1.5}');
select pg_temp.bad('{"effort": "extreme"}');
select pg_temp.bad('{"confidence": "sure"}');
select pg_temp.bad('{"version": 0}');
select pg_temp.bad('{"version": 1.5}');
select pg_temp.bad('{"version": "99999999999999999999"}');
select pg_temp.bad('{"schema_version": 2}');
select pg_temp.bad('{"event_type": "signal.deleted"}');
select pg_temp.bad('{"backfill": "perhaps"}');
select pg_temp.bad('{"driver": "no spaces, please"}');
-- lengths and controls, cut at a character
select pg_temp.bad(jsonb_build_object('ticket_id', repeat('ä', 129)));
select pg_temp.bad('{"ticket_id": "a\tb"}');
select pg_temp.bad('{"ticket_id": true}');
select pg_temp.bad(jsonb_build_object('idempotency_key', repeat('k', 256)));
-- lists and metrics
select pg_temp.bad('{"raw_tags": {"a": 1}}');
select pg_temp.bad('{"raw_tags": [["a"]]}');
select pg_temp.bad(jsonb_build_object('raw_tags', repeat('t,', 51) || 't'));
select pg_temp.bad(jsonb_build_object('quotes', array[repeat('q', 501)]));
select pg_temp.bad(jsonb_build_object('quotes', array_fill('q'::text, array[11])));
select pg_temp.bad('{"custom_metrics": [1]}');
select pg_temp.bad('{"custom_metrics": "{\"a\": "}');
select pg_temp.bad('{"custom_metrics": {"a": {"b": 1}}}');
select pg_temp.bad(jsonb_build_object('custom_metrics', jsonb_build_object('a', repeat('x', 17000))));
select pg_temp.bad((select jsonb_build_object('custom_metrics', jsonb_object_agg('m' || i, i)) from generate_series(1, 65) i));
-- not an object, not an array, not an option
select cxsig.ingest('[]');
select cxsig.ingest('"text"');
select cxsig.ingest(null);
select cxsig.ingest('{}', 'ignore');
select cxsig.ingest('{}', null);
select cxsig.ingest_batch('{}');
select cxsig.ingest_batch('7');
-- in a batch, which element
select cxsig.ingest_batch('[{"ticket_id": "B-1", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "bad",
    "evidence_url": "https://help.example.com/1"}, {"ticket_id": "B-2"}]', 'raise');
-- typed arguments take the same way
select cxsig.upsert_signal('B-1', '2026-03-01 10:00:00+00', 'bad', 'https://help.example.com/1', sentiment => 'furious');
select cxsig.upsert_signal('B-1', 'infinity', 'bad', 'https://help.example.com/1');
-- a trace context that is none is let go, as W3C asks; with a good signal it is the only thing that is
select traceparent, tracestate
  from pg_temp.recorded('{"ticket_id": "B-1", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "bad",
    "evidence_url": "https://sub.acme.example/1", "traceparent": "00-0000-01", "tracestate": "a=b"}');

-- nothing else was written
select count(*) from cxsig.event where source_system = 'bad';
rollback;
