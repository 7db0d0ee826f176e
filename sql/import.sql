-- COPY cxsig.signal_import ... CSV HEADER ingests. Rolled back at the end.
\set ON_ERROR_ROLLBACK on
\set SHOW_CONTEXT never
begin;
copy cxsig.signal_import (ticket_id, occurred_at, source_system, evidence_url, sentiment, churn_risk, raw_tags, custom_metrics, quotes)
    from stdin with (format csv, header);
ticket_id,occurred_at,source_system,evidence_url,sentiment,churn_risk,raw_tags,custom_metrics,quotes
C-1,2026-03-01T10:00:00Z,imp,https://help.example.com/1,Very Negative,8/10,Billing Issue;late,"{""csat"": 2, ""why"": ""it's \""late\""""}",Too late; again
C-1,2026-03-01T10:00:00Z,imp,https://help.example.com/1,very_negative,80%,"[""Billing Issue"", ""late""]","{""why"": ""it's \""late\"""", ""csat"": 2}","[""Too late"", ""again""]"
C-1,2026-03-01T10:00:00Z,imp,https://help.example.com/1,neutral,,,,
C-1,2026-03-01T09:00:00Z,imp,https://help.example.com/1,,,,,
C-2,2026-03-01T10:00:00Z,imp,https://help.example.com/2,furious,,,,
C-3,2026-03-01T10:00:00Z,imp,https://help.example.com/3,,,,"{""csat"": ",
C-4,2026-03-01T10:00:00Z,imp,https://help.example.com/4,,,,,
\.
select ticket_id, version, sentiment, churn_risk, churn_score, raw_tags, custom_metrics, quotes, stale
  from cxsig.event where source_system = 'imp' order by ticket_id, version;
select ticket_id, field, reason, input from cxsig.quarantined where source_system = 'imp' order by quarantine_id;

set local datestyle = iso;
-- more rows than a chunk, by INSERT; in input order
insert into cxsig.signal_import (ticket_id, occurred_at, source_system, evidence_url)
select 'C-' || i % 700, '2026-03-01T10:00:00Z'::timestamptz + i * interval '1 second', 'imp2', 'https://help.example.com/' || i
  from generate_series(1, 10500) i;
select count(*), count(distinct position) as positions,
       bool_and(occurred_at > lag) is true as in_order
  from (select o.position, e.occurred_at, lag(e.occurred_at) over (order by o.position) as lag
          from cxsig.outbox o join cxsig.event e using (event_id, recorded_at) where e.source_system = 'imp2') x;

-- a statement that fails leaves nothing behind, in what it collected either
insert into cxsig.signal_import (ticket_id, occurred_at, source_system, evidence_url)
select 'C-' || 1 / (3 - i), '2026-03-01T10:00:00Z', 'imp3', 'https://help.example.com/1' from generate_series(1, 5) i;
insert into cxsig.signal_import (ticket_id, occurred_at, source_system, evidence_url)
values ('C-9', '2026-03-01T10:00:00Z', 'imp3', 'https://help.example.com/1');
do $$
begin
    insert into cxsig.signal_import (ticket_id, occurred_at, source_system, evidence_url)
    values ('C-10', '2026-03-01T10:00:00Z', 'imp3', 'https://help.example.com/1');
    begin
        insert into cxsig.signal_import (ticket_id, occurred_at, source_system, evidence_url)
        select 'C-' || 1 / (3 - i), '2026-03-01T10:00:00Z', 'imp3', 'https://help.example.com/1' from generate_series(1, 5) i;
    exception when division_by_zero then
        raise notice 'caught';
    end;
end
$$;
select ticket_id from cxsig.event where source_system = 'imp3' order by ticket_id;

-- nothing to see, nothing to change
select count(*) from cxsig.signal_import;
delete from cxsig.signal_import;
rollback;
