-- What is refused is kept whole, with its reason, and can be fixed and released. Rolled back at the end.
\set ON_ERROR_ROLLBACK on
\set SHOW_CONTEXT never
begin;
select outcome, version, event_id, detail
  from cxsig.ingest('{"ticket_id": "Q-1", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "quar",
    "evidence_url": "https://help.example.com/1", "sentiment": "furious"}', 'quarantine');
-- a batch goes on around what is bad, whatever it is
select n, outcome, detail
  from cxsig.ingest_batch('[1, "x", null, true, [1, 2], {},
    {"ticket_id": "Q-2", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "quar", "evidence_url": "https://help.example.com/1"},
    {"ticket_id": "Q-3", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "quar", "evidence_url": "https://help.example.com/1", "oops": 1}]')
       with ordinality r (event_id, outcome, version, detail, n) order by n;
select source_system, ticket_id, field, reason, hint, input, received_by = session_user as by_me
  from cxsig.quarantined order by quarantine_id;
select max(quarantine_id) filter (where ticket_id = 'Q-1') as q1, max(quarantine_id) filter (where ticket_id = 'Q-3') as q3
  from cxsig.quarantined \gset

-- as it is, it is still bad; fixed, it goes in once
select cxsig.release_quarantined(:q1);
select outcome, version from cxsig.release_quarantined(:q1, '{"ticket_id": "Q-1", "occurred_at": "2026-03-01T10:00:00Z",
    "source_system": "quar", "evidence_url": "https://help.example.com/1", "sentiment": "very negative"}');
select q.state, q.resolved_at is not null as resolved, q.input ->> 'sentiment' as was, e.sentiment
  from cxsig.quarantine q join cxsig.event e using (event_id) where q.quarantine_id = :q1;
-- or what made it bad is mended
select cxsig.discard_quarantined(:q3);
select count(*) from cxsig.quarantined where quarantine_id in (:q1, :q3);
select count(*) from cxsig.event where source_system = 'quar';
do $$
begin
    perform cxsig.discard_quarantined(-1);
exception when no_data_found then
    raise notice '%', sqlerrm;
end
$$;
do $$
begin
    perform cxsig.release_quarantined((select max(quarantine_id) from cxsig.quarantine where state = 'discarded'));
exception when object_not_in_prerequisite_state then
    raise notice 'refused: it is not open';
end
$$;
-- mended: the source's word is mapped now
select outcome from cxsig.ingest('{"ticket_id": "Q-4", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "quar",
    "evidence_url": "https://help.example.com/1", "churn_risk": "ja"}', 'quarantine');
select cxsig.map_value('quar', 'churn_risk', 'ja', 'high');
select r.outcome from cxsig.quarantined q cross join lateral cxsig.release_quarantined(q.quarantine_id) r where q.ticket_id = 'Q-4';
rollback;
