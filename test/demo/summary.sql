-- summary.sql: what happened, for a person to read. figures.sql has gathered it.
\pset footer off
set timezone = 'UTC';

\echo
\echo == what came in
\echo
select file, sum(rows) as "rows in",
       coalesce(sum(rows) filter (where outcome = 'inserted'), 0) as inserted,
       coalesce(sum(rows) filter (where outcome = 'duplicate'), 0) as duplicate,
       coalesce(sum(rows) filter (where outcome = 'conflict'), 0) as conflict,
       coalesce(sum(rows) filter (where outcome = 'stale'), 0) as stale,
       coalesce(sum(rows) filter (where outcome = 'quarantined'), 0) as quarantined
  from demo.taken
 group by file
 order by file;

\echo == why rows were quarantined
\echo
select coalesce(field, '(the row)') as field, count(*) as rows, min(reason) as "for example"
  from cxsig.quarantine
 group by field
 order by count(*) desc, field nulls last;

\echo == what went out
\echo
select name as destination, delivered, superseded, filtered, dead, retried,
       (seen ->> 'distinct_keys')::bigint as tickets
  from demo.figure
 order by destination_id;

\echo == latency of the live part, milliseconds (the view cxsig.latency; backfill is counted apart)
\echo
select destination, stage, events, p50_ms as p50, p95_ms as p95, p99_ms as p99, max_ms as max
  from cxsig.latency
 order by destination, stage;

select ticket_id
  from cxsig.event
 group by ticket_id
 order by bool_or(stale) desc, abs(count(*) - 7), ticket_id
 limit 1
\gset
\echo == the story of ticket :ticket_id
\echo
select version, to_char(occurred_at, 'YYYY-MM-DD HH24:MI') as occurred, sentiment,
       churn_risk || coalesce(' ' || churn_score, '') as churn, canonical_tag as tag,
       case when stale then 'stale' else '' end as late, replace(deliveries, '; ', E'\n') as deliveries,
       evidence_url as evidence
  from cxsig.history(:'ticket_id');

\echo == checks
\echo
\pset tuples_only on
\pset format unaligned
select format('  %s  %s%s', case when ok then 'ok    ' else 'FAILED' end, promise,
              case when ok or detail = '' then '' else E'\n            ' || replace(detail, '; ', E'\n            ') end)
  from demo.checks
 order by number, promise;
