-- The views a person looks at, over rows made here. Everything happens in a transaction that is
-- rolled back; positions far above those in use keep it apart from what other tests left.
\set VERBOSITY terse
\set base 9000000000000
begin;
delete from cxsig.destination;
insert into cxsig.destination (name, transport, config, projection, filter, history, created_at)
values ('views_bi', 'webhook', '{}', 'bi', null, 'all', now() - interval '1 day'),
       ('views_crm', 'webhook', '{}', 'crm', null, 'latest', now() - interval '1 day'),
       ('views_late', 'webhook', '{}', 'crm', null, 'all', now() + interval '1 day'),
       ('views_ops', 'webhook', '{}', 'ops', '$.churn_risk == "high"', 'all', now() - interval '1 day');
update cxsig.destination set state = 'paused', state_reason = 'by hand' where name = 'views_ops';
create temp table d as
select destination_id as id, name from cxsig.destination where name like 'views\_%';

-- ticket V-1: three revisions and a stale one; V-2: one, high
create temp table made as
select n, ('01a20ca5-b903-774b-afe1-70a582e099e' || n)::uuid as event_id,
       case when n = 5 then 'V-2' else 'V-1' end as ticket_id,
       now() - interval '1 minute' * (10 - n) as recorded_at, n = 4 as stale,
       case when n = 5 then 'high' else 'low' end as churn_risk
from generate_series(1, 5) n;
insert into cxsig.event (event_id, event_type, occurred_at, recorded_at, source_system, ticket_id,
                         account_id, version, idempotency_key, churn_risk, evidence_url, stale)
select event_id, 'signal.updated', recorded_at - interval '1 second', recorded_at, 'views', ticket_id,
       'A-1', n, n, churn_risk::cxsig.churn_risk, 'https://acme.example/' || n, stale
from made;
insert into cxsig.outbox (position, event_id, recorded_at, ticket_id)
select :base + n, event_id, recorded_at, ticket_id from made;
insert into cxsig.checkpoint (destination_id, written_at, low, high, backfill_low, backfill_high, filtered,
                              system_identifier, database_oid)
select d.id, now() - interval '1 second' * k, :base + case when k > 0 then 1 else low end, :base + 5, 1, 0,
       case when k > 0 then 0 else filtered end, 1, 1
from d
    join (values ('views_bi', 6, 0), ('views_crm', 4, 0), ('views_late', 6, 0), ('views_ops', 5, 4))
        c (name, low, filtered) on c.name = d.name,
    generate_series(0, 3) k;

-- receipts: bi has all it was sent, crm two; the rest waits, in its lane or ahead of it
insert into cxsig.delivery (destination_id, position, event_id, ticket_id, outcome, attempt, http_status,
                            superseded_by, occurred_at, recorded_at, sent_at, finished_at, backfill)
select d.id, :base + m.n, m.event_id, m.ticket_id, r.outcome::cxsig.delivery_outcome, r.attempt,
       r.status, r.newer, m.recorded_at - interval '1 second', m.recorded_at,
       m.recorded_at + took - interval '2 ms', m.recorded_at + took, false
from (values ('views_bi', 1, 'delivered', 1, 204, null::uuid, interval '12 ms'),
             ('views_bi', 2, 'delivered', 3, 204, null, interval '75 s'),
             ('views_bi', 3, 'dead', 2, 422, null, interval '1 s'),
             ('views_bi', 5, 'delivered', 1, 204, null, interval '8.25 ms'),
             ('views_crm', 1, 'superseded', 0, null, '01a20ca5-b903-774b-afe1-70a582e099e2', interval '5 ms'),
             ('views_crm', 2, 'delivered', 1, 200, null, interval '2.5 s'))
         r (name, n, outcome, attempt, status, newer, took)
    join d on d.name = r.name
    join made m on m.n = r.n;
insert into cxsig.dead_letter (destination_id, position, event_id, recorded_at, ticket_id, attempt,
                               http_status, reason, died_at)
select d.id, :base + m.n, m.event_id, m.recorded_at, m.ticket_id, 2, 422, 'no such record', now()
from d, made m where d.name = 'views_bi' and m.n = 3;
insert into cxsig.retry (destination_id, position, event_id, recorded_at, lane, attempt, strikes,
                         next_attempt_at, held, last_status, last_error)
select d.id, :base + m.n, m.event_id, m.recorded_at, 77, case m.n when 3 then 2 else 0 end, 0,
       case m.n when 3 then now() + interval '1 hour' end, false, case m.n when 3 then 503 end,
       case m.n when 3 then 'service unavailable' end
from d, made m where d.name = 'views_crm' and m.n in (3, 4);

select name, transport, state, state_reason, waiting,
       lag_seconds between 60 * 5 and 60 * 8 as minutes_behind, retrying_lanes, held_lanes, dead, filtered,
       date_trunc('second', now() - last_delivered_at) as last_delivered, last_error
from cxsig.destination_status where name like 'views\_%';

select destination, low - :base as low, high - :base as high, newest - :base as newest, in_doubt,
       events_behind, retrying, date_trunc('second', now() - waiting_since) as waiting_since,
       oldest_waiting >= now() - waiting_since as oldest, checkpoint_age < interval '1 minute' as fresh
from cxsig.consumer_lag where destination like 'views\_%';

-- percentiles of what was delivered
select * from cxsig.latency where destination like 'views\_%';

select destination, ticket_id, outcome, attempt, http_status, latency_ms, commit_latency_ms,
       position - :base as position, superseded_by, evidence_url
from cxsig.deliveries where destination like 'views\_%' order by position, destination;

select destination, ticket_id, reason, http_status, attempts, position - :base as position, evidence_url
from cxsig.dead_letters where destination like 'views\_%';

select destination, lane, ticket_id, account_id, events_waiting, attempts, held,
       retry_in between interval '59 min' and interval '1 hour' as in_an_hour, last_status, last_error,
       evidence_url
from cxsig.blocked_lanes where destination like 'views\_%';

-- the story of a ticket, destination by destination
select version, event_type, churn_risk, stale, deliveries, evidence_url from cxsig.history('V-1');
select version, churn_risk, deliveries from cxsig.history('V-2');
select count(*) as unknown_ticket from cxsig.history('V-none');

-- a destination that was dropped is still named in its receipts
delete from cxsig.destination where name = 'views_bi';
select replace(destination, d.id::text, 'N') as destination, outcome
from cxsig.deliveries, d where d.name = 'views_bi' and event_id = '01a20ca5-b903-774b-afe1-70a582e099e3';
select replace(deliveries, (select id::text from d where name = 'views_bi'), 'N') as deliveries
from cxsig.history('V-2');

-- a backlog is counted to 10,000 and reckoned above
insert into cxsig.outbox (position, event_id, recorded_at, ticket_id)
select :base + n, '01a20ca5-b903-774b-afe1-70a582e099e1', now(), 'V-1' from generate_series(6, 20005) n;
select destination, events_behind from cxsig.consumer_lag where destination like 'views\_%';

-- backfill and replays are counted apart, and are no lag: all of one destination's, another's replay, a retry
delete from cxsig.outbox where position > :base;
delete from cxsig.retry;
insert into cxsig.checkpoint (destination_id, written_at, low, high, backfill_low, backfill_high, system_identifier, database_oid)
select id, now() + interval '1 minute', :base, :base - 1, :base + 3, :base + 2, 1, 1 from d;
insert into cxsig.outbox (position, event_id, recorded_at, ticket_id, stream, destination_id)
select :base + n, '01a20ca5-b903-774b-afe1-70a582e099e1', now() - interval '1 day', 'V-1', 'backfill',
       case when n > 8 then (select id from d where name = 'views_ops') end
from generate_series(1, 20) n;
insert into cxsig.retry (destination_id, position, event_id, recorded_at, lane, backfill)
select id, :base + 1, '01a20ca5-b903-774b-afe1-70a582e099e1', now() - interval '1 day', 77, true
from d where name = 'views_late';
select destination, newest is null or newest < :base as nothing_live, events_behind, retrying, waiting_since, oldest_waiting,
       backfill_low - :base as backfill_low, backfill_high - :base as backfill_high,
       backfill_newest - :base as backfill_newest, backfill_behind, backfill_retrying,
       now() - backfill_waiting_since as backfill_waiting_since
from cxsig.consumer_lag where destination like 'views\_%';
select name, waiting, backfill_waiting, lag_seconds from cxsig.destination_status where name like 'views\_%';
insert into cxsig.delivery (destination_id, position, event_id, ticket_id, outcome, attempt, occurred_at,
                            recorded_at, sent_at, finished_at, backfill)
select id, :base + 2, '01a20ca5-b903-774b-afe1-70a582e099e1', 'V-1', 'delivered', 1, now(), now(), now(), now(), true
from d where name = 'views_late';
select * from cxsig.latency where destination = 'views_late';
-- many are reckoned, not counted
insert into cxsig.outbox (position, event_id, recorded_at, ticket_id, stream, destination_id)
select :base + n, '01a20ca5-b903-774b-afe1-70a582e099e1', now(), 'V-1', 'backfill',
       case when n % 2 = 0 then (select id from d where name = 'views_ops') end
from generate_series(21, 20020) n;
select destination, events_behind, round(backfill_behind, -2) as backfill_behind
from cxsig.consumer_lag where destination like 'views\_%';
rollback;

-- durations as people say them
select cxsig._duration_text(took::interval)
from unnest(array['0', '0.4 ms', '9.99 ms', '12.4 ms', '999 ms', '1 s', '59.94 s', '75 s', '1 h', '25 h', '-5 ms']) took;
