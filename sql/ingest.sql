-- A signal in: what is required, what values may look like, what comes out. Rolled back at the end.
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

-- the least a signal has; the second event of a ticket is an update
select outcome, version, event_id is not null as has_event, detail
  from cxsig.ingest('{"ticket_id": "I-1", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "ing",
                      "evidence_url": "https://help.example.com/1"}');
select outcome, version
  from cxsig.ingest('{"ticket_id": "I-1", "occurred_at": "2026-03-01 12:30:00.25+01:00", "source_system": "ing",
                      "evidence_url": "https://help.example.com/1#2", "sentiment": "Very Negative"}');
select event_type, version, occurred_at at time zone 'UTC' as occurred_at, idempotency_key, sentiment, stale, backfill
  from cxsig.event where source_system = 'ing' order by version;

-- every field
select outcome, version
  from pg_temp.recorded('{"ticket_id": 4711, "occurred_at": "2026-03-01T10:00:00Z", "source_system": "ing",
    "evidence_url": "https://help.example.com:8443/4711?m=2#c", "account_id": "A-1", "version": "7", "idempotency_key": "k-4711",
    "event_type": "signal.updated", "sentiment": "mixed", "sentiment_start": "VERY-POSITIVE", "sentiment_end": " negative ",
    "churn_risk": "8/10", "effort": "80%", "confidence": 0.25, "model": "m-1", "canonical_tag": "Late Delivery",
    "driver": "logistics", "raw_tags": "Late; very  late,late", "custom_metrics": {"b": true, "a": 1.50, "c": "x", "d": null},
    "quotes": ["Where is it?", "line\nbreak"], "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "v=1", "backfill": "yes", "schema_version": 1}');
\x on
select event_type, schema_version, account_id, version, idempotency_key, sentiment, sentiment_start, sentiment_end, churn_risk,
       churn_score, effort, effort_score, confidence, model, canonical_tag, driver, raw_tags, custom_metrics, evidence_url,
       quotes, account, corrects, traceparent, tracestate, backfill
  from cxsig.event where ticket_id = '4711';
\x off

-- scores and levels
select churn, churn_risk, churn_score, effort, effort_score
  from (values (0.05), (0.1), (0.4), (0.69), (0.7), (1)) v (churn)
  cross join lateral pg_temp.recorded(jsonb_build_object('ticket_id', 'I-score-' || churn, 'occurred_at', '2026-03-01T10:00:00Z',
      'source_system', 'ing', 'evidence_url', 'https://help.example.com/1', 'churn_risk', churn, 'effort_score', churn))
 order by churn;
select churn_risk, churn_score from pg_temp.recorded('{"ticket_id": "I-level", "occurred_at": "2026-03-01T10:00:00Z",
    "source_system": "ing", "evidence_url": "https://help.example.com/1", "churn_risk": "Medium"}');

-- the account as it is when the event is recorded
select cxsig.upsert_account('A-2', 'Acme', 'pro', null, '{"salesforce": "001"}');
select outcome from cxsig.ingest('{"ticket_id": "I-acc", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "ing",
    "evidence_url": "https://help.example.com/1", "account_id": "A-2"}');
select cxsig.upsert_account('A-2', owner => 'kim', custom => '{"tier": 1}');
select outcome from cxsig.ingest('{"ticket_id": "I-acc", "occurred_at": "2026-03-01T11:00:00Z", "source_system": "ing",
    "evidence_url": "https://help.example.com/1", "account_id": "A-2"}');
select version, account from cxsig.event where ticket_id = 'I-acc' order by version;

-- a batch answers in its order; positions follow the input
select n, outcome, version
  from cxsig.ingest_batch('[
    {"ticket_id": "I-b", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "ing", "evidence_url": "https://help.example.com/1"},
    {"ticket_id": "I-a", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "ing", "evidence_url": "https://help.example.com/1"},
    {"ticket_id": "I-b", "occurred_at": "2026-03-01T10:05:00Z", "source_system": "ing", "evidence_url": "https://help.example.com/1"},
    {"ticket_id": "I-a", "occurred_at": "2026-03-01T10:05:00Z", "source_system": "ing", "evidence_url": "https://help.example.com/1"}]')
       with ordinality r (event_id, outcome, version, detail, n)
 order by n;
select o.ticket_id, r.ordinal, o.stream, o.destination_id is null as for_all, o.txid = pg_current_xact_id() as ours
  from cxsig.outbox o join cxsig.ticket_revision r using (event_id)
 where o.ticket_id in ('I-a', 'I-b') order by o.position;
select stream from cxsig.outbox where ticket_id = '4711';
select count(*) from cxsig.ingest_batch('[]');

-- typed arguments
select outcome, version from cxsig.upsert_signal('I-typed', '2026-03-01 10:00:00+00', 'ing', 'https://help.example.com/1',
    sentiment => 'positive', churn_score => 0.5, raw_tags => array['a;b', 'c'], custom_metrics => '{"x": 1}');
select sentiment, churn_risk, churn_score, raw_tags, custom_metrics from cxsig.event where ticket_id = 'I-typed';

-- taken back: the newest event is corrected, what it said is gone; again is a duplicate
select outcome, version from cxsig.retract_signal('I-acc', 'wrong customer');
select outcome, version, detail from cxsig.retract_signal('I-acc');
select e.event_type, e.version, e.account_id, e.sentiment, e.custom_metrics, e.evidence_url, c.version as corrects,
       e.occurred_at > c.occurred_at as later, e.backfill
  from cxsig.event e join cxsig.event c on c.event_id = e.corrects where e.ticket_id = 'I-acc';
select cxsig.retract_signal('I-none');
select cxsig.retract_signal(null);

rollback;
