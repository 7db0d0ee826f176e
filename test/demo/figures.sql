-- figures.sql: gathers what the summary shows and what the checks judge. :copied is COPY's count.

-- what ingest made of each file; of a COPY, what is no event, violation or quarantined row is a repeat
create table demo.taken as
select file, outcome::text as outcome, count(*) as rows
  from demo.answer
 group by file, outcome;

insert into demo.taken
select 'helpdesk_export.csv', outcome, count(*)
  from (select case when e.stale then 'stale' else 'inserted' end as outcome
          from cxsig.event e, demo.receiver r
         where e.source_system = 'zendesk' and e.recorded_at < r.live_since
        union all
        select 'conflict' from cxsig.contract_violation where source_system = 'zendesk'
        union all
        select 'quarantined' from cxsig.quarantine where input ->> 'source_system' = 'zendesk') t
 group by outcome;

insert into demo.taken
select 'helpdesk_export.csv', 'duplicate', :copied - sum(rows)
  from demo.taken
 where file = 'helpdesk_export.csv';

insert into demo.taken
select 'live, one by one', 'inserted', count(*)
  from cxsig.event e, demo.receiver r
 where e.recorded_at >= r.live_since;

-- a row per destination: the database's figures, and the receiver's
create table demo.figure as
select d.destination_id, d.name, d.history, l.events, v.*,
       coalesce((select c.filtered from cxsig.checkpoint c where c.destination_id = d.destination_id
                  order by c.written_at desc limit 1), 0) as filtered,
       s.seen
  from cxsig.destination d
 cross join (select count(*) as events, count(*) filter (where churn_risk = 'high') as high from cxsig.event) l
 cross join lateral
       (select count(*) filter (where v.outcome = 'delivered') as delivered,
               count(*) filter (where v.outcome = 'superseded') as superseded,
               count(*) filter (where v.outcome = 'dead') as dead,
               count(*) filter (where v.attempt > 1) as retried
          from cxsig.delivery v
         where v.destination_id = d.destination_id) v
  left join lateral
       (select p as seen
          from demo.receiver, jsonb_array_elements(stats -> 'paths') p
         where p ->> 'path' = '/in/' || d.name) s on true;

create table demo.checks (number integer, promise text, ok boolean, detail text);

insert into demo.checks
select 1, 'each input got the answer it should', count(*) = 0,
       coalesce(string_agg(format('%s %s: %s, not %s', file, outcome, t.rows, e.rows), '; '), '')
  from demo.expected e
  full join (select * from demo.taken where file like 'helpdesk%') t using (file, outcome)
 where t.rows is distinct from e.rows;

insert into demo.checks
select 2, format('lost at %s: %s', name, lost), lost = 0,
       format('%s events, %s delivered, %s superseded, %s dead, %s filtered', events, delivered, superseded, dead, filtered)
  from (select *, events - delivered - superseded - dead - filtered as lost from demo.figure) f;

insert into demo.checks
select 3, format('the receiver of %s saw what has a receipt: %s', name, seen ->> 'distinct_ok'),
       (seen ->> 'distinct_ok')::bigint = delivered, format('%s receipts', delivered)
  from demo.figure;

insert into demo.checks
select 4, format('ops got the signals of high churn risk and no others: %s', count(*)),
       count(*) = max(f.delivered), format('%s receipts', max(f.delivered))
  from cxsig.event e, demo.figure f
 where e.churn_risk = 'high' and f.name = 'ops';

insert into demo.checks
select 5, format('%s: %s', replace(kind, '_', ' '), sum((seen ->> kind)::bigint)),
       sum((seen ->> kind)::bigint) = 0, string_agg(format('%s %s', name, seen ->> kind), ', ')
  from demo.figure, unnest(array['signature_failures', 'unsigned', 'order_violations', 'overlaps',
                                 'repeats', 'body_mismatch', 'malformed']) kind
 group by kind;
