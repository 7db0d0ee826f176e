-- Late revisions are logged and marked; the ticket's newest signal stays the newest.
\set ON_ERROR_ROLLBACK on
begin;
create function pg_temp.at(ticket text, minute int, given bigint default null, key text default null) returns jsonb
    language sql as $$
    select jsonb_strip_nulls(jsonb_build_object('ticket_id', ticket, 'source_system', 'stale',
        'occurred_at', '2026-03-01T10:' || lpad(minute::text, 2, '0') || ':00Z',
        'evidence_url', 'https://help.example.com/1', 'version', given, 'idempotency_key', key))
$$;
-- by time: counted versions have no gap, stale or not
select outcome, version, detail from cxsig.ingest(pg_temp.at('S-1', 10));
select outcome, version, detail from cxsig.ingest(pg_temp.at('S-1', 5));
select outcome, version, detail from cxsig.ingest(pg_temp.at('S-1', 20));
-- the same time again, under another key: newer arrival, not stale
select outcome, version, detail from cxsig.ingest(pg_temp.at('S-1', 20, key => 'again'));
select ordinal, r.version, stale, head_version, head_event_id = r.event_id as is_head
  from cxsig.ticket_revision r join cxsig.event e using (event_id) where r.ticket_id = 'S-1' order by ordinal;
-- by version
select outcome, version, detail from cxsig.ingest(pg_temp.at('S-2', 10, 5));
select outcome, version, detail from cxsig.ingest(pg_temp.at('S-2', 11, 4));
select outcome, version, detail from cxsig.ingest(pg_temp.at('S-2', 12, 5));
select outcome, version, detail from cxsig.ingest(pg_temp.at('S-2', 10, 9, 'k9'));
select outcome, version, detail from cxsig.ingest(pg_temp.at('S-2', 13));
-- in one batch, out of order
select n, outcome, version
  from cxsig.ingest_batch(jsonb_build_array(pg_temp.at('S-3', 3), pg_temp.at('S-3', 1), pg_temp.at('S-3', 2), pg_temp.at('S-3', 4)))
       with ordinality r (event_id, outcome, version, detail, n) order by n;
-- a stale repeat is a repeat
select outcome, version from cxsig.ingest(pg_temp.at('S-3', 1));
-- all of them are in the outbox
select ticket_id, count(*), count(*) filter (where stale) as stale
  from cxsig.outbox o join cxsig.event e using (event_id, recorded_at, ticket_id)
 where ticket_id like 'S-_' group by ticket_id order by ticket_id;
rollback;
