-- Repair in SQL: what redrive(), replay() and discard() choose and put into the outbox. A rule that the
-- dispatcher has a part in is tested where one sends. All in a transaction that is rolled back.
\set VERBOSITY terse
\set ON_ERROR_ROLLBACK on
set jit = off;
begin;
delete from cxsig.destination;
insert into cxsig.destination (name, transport, config, history, filter, state)
values ('repair_all', 'webhook', '{}', 'all', null, 'paused'),
       ('repair_latest', 'webhook', '{}', 'latest', null, 'paused'),
       ('repair_high', 'webhook', '{}', 'latest', '$.churn_risk == "high"', 'paused');

-- ticket R-1: high, low, high, low; R-2: one, a backfill; R-3: one. In the order of the log they alternate.
create temp table given (n int, ticket text, risk text, backfill boolean);
insert into given values (1, 'R-1', 'high', false), (2, 'R-2', 'low', true), (3, 'R-1', 'low', false),
    (4, 'R-3', 'high', false), (5, 'R-1', 'high', false), (6, 'R-1', 'low', false);
create temp table made (n int, event_id uuid, recorded_at timestamptz, position bigint);
do $$
declare
    g record;
    id uuid;
begin
    for g in select * from given order by n loop
        select event_id into id from cxsig.ingest(jsonb_build_object(
            'ticket_id', g.ticket, 'source_system', 'repair', 'churn_risk', g.risk, 'backfill', g.backfill,
            'occurred_at', '2026-11-24T08:00:00Z'::timestamptz + g.n * interval '1 second',
            'evidence_url', 'https://acme.example/' || g.n));
        insert into made select g.n, o.event_id, o.recorded_at, o.position from cxsig.outbox o where o.event_id = id;
    end loop;
end
$$;
-- what an event marked backfill is written to
select m.n, o.stream from made m join cxsig.outbox o using (position) order by n;

-- all are dead everywhere, R-3 for another reason
insert into cxsig.dead_letter (destination_id, position, event_id, recorded_at, ticket_id, attempt, reason, died_at)
select d.destination_id, m.position, m.event_id, m.recorded_at, g.ticket, 1,
       case when g.ticket = 'R-3' then 'record is locked' else 'no such record' end,
       '2026-11-24T09:00:00Z'::timestamptz + m.n * interval '1 minute'
from cxsig.destination d, made m join given g using (n) order by m.n desc;

-- sent(): what came into the outbox since it was asked last, in order
create temp table mark as select max(position) as position from cxsig.outbox;
create function pg_temp.sent() returns table (destination text, n int, stream cxsig.stream, forced boolean)
language sql as $$
    with fresh as materialized
        (select o.* from cxsig.outbox o, mark where o.position > mark.position),
    moved as (update mark set position = greatest(mark.position, (select max(f.position) from fresh f)))
    select d.name::text, m.n, f.stream, f.forced
    from fresh f join made m using (event_id) left join cxsig.destination d using (destination_id)
    order by f.position
$$;
create function pg_temp.letters(destination text, variadic n int[]) returns bigint[]
language sql as $$
    select array_agg(l.dead_letter_id)
    from cxsig.dead_letter l join cxsig.destination d using (destination_id) join made m using (event_id)
    where d.name = $1 and m.n = any ($2)
$$;

-- chosen by what is asked for, all of which must hold
savepoint here;
select * from cxsig.redrive('repair_all', reason => 'locked');
select * from pg_temp.sent();
select * from cxsig.redrive('repair_all', since => '2026-11-24 09:02+00', until => '2026-11-24 09:04+00');
select * from pg_temp.sent();
select * from cxsig.redrive('repair_all', filter => '$.churn_risk == "high"', ids => pg_temp.letters('repair_all', 1, 6));
select * from pg_temp.sent();
-- the rest, in the order of the log; nothing twice
select * from cxsig.redrive('repair_all');
select * from cxsig.redrive('repair_all');
select * from pg_temp.sent();
select m.n, l.resolution, l.resolved_by = session_user as by_us
from cxsig.dead_letter l join cxsig.destination d using (destination_id) join made m using (event_id)
where d.name = 'repair_all' order by m.n;
select kind, destination, stream, events, superseded, state, done_percent from cxsig.repairs;
rollback to here;

-- no regression: where history is latest, only the newest of a ticket; a filter's newest is the newest it lets pass
select * from cxsig.redrive('repair_latest');
select * from pg_temp.sent();
select * from cxsig.redrive('repair_high', filter => '$.churn_risk == "high"');
select * from pg_temp.sent();
select m.n, l.resolution
from cxsig.dead_letter l join cxsig.destination d using (destination_id) join made m using (event_id)
where d.name = 'repair_latest' order by m.n;
rollback to here;
-- whatever the clock said meanwhile: the order of a ticket's revisions is that of its row lock
update cxsig.ticket_revision set recorded_at = recorded_at - interval '1 day', head_recorded_at = head_recorded_at - interval '1 day'
where ticket_id = 'R-1' and ordinal > 1;
select * from cxsig.redrive('repair_latest', ids => pg_temp.letters('repair_latest', 1));
rollback to here;
-- unless forced
select * from cxsig.redrive('repair_latest', ids => pg_temp.letters('repair_latest', 3), force => true);
select * from pg_temp.sent();
rollback to here;

-- discard: the same choice
select cxsig.discard('repair_all', filter => '$.churn_risk == "low"', until => '2026-11-24 09:06+00');
select cxsig.discard('repair_all', reason => 'locked');
select m.n, l.resolution
from cxsig.dead_letter l join cxsig.destination d using (destination_id) join made m using (event_id)
where d.name = 'repair_all' order by m.n;
select kind, destination, stream, events, state, arguments from cxsig.repairs;
select * from pg_temp.sent();
rollback to here;

-- replay: what was recorded in a stretch of time, in that order, in the backfill stream
select cxsig.replay('repair_all', (select recorded_at from made where n = 2), (select recorded_at from made where n = 5));
select * from pg_temp.sent();
select cxsig.replay('repair_latest', '-infinity', filter => '$.source_system == "repair" && $.churn_risk == "high"', force => true);
select * from pg_temp.sent();
select cxsig.replay('repair_all', 'infinity');

-- how far they are, as the destination's checkpoint tells
create function pg_temp.checkpoint(past bigint, doubt xid8[] default '{}') returns void
language sql as $$
    insert into cxsig.checkpoint (destination_id, low, high, backfill_low, backfill_high, backfill_doubt, system_identifier, database_oid)
    select d.destination_id, 1, 0, r.first_position + past, r.first_position + past - 1, doubt, 1, 1
    from cxsig.destination d join cxsig.repair r using (destination_id) where d.name = 'repair_all'
$$;
select destination, events, state, done_percent from cxsig.repairs;
select pg_temp.checkpoint(1);
select events, state, done_percent from cxsig.repairs where destination = 'repair_all';
select pg_temp.checkpoint(3, array[pg_current_xact_id()]);
select events, state, done_percent from cxsig.repairs where destination = 'repair_all';
select pg_temp.checkpoint(3);
select events, state, done_percent from cxsig.repairs where destination = 'repair_all';
delete from cxsig.destination where name = 'repair_latest';
select replace(destination, destination_id::text, 'N') as destination, state, done_percent
from cxsig.repairs join cxsig.repair using (repair_id) order by repair_id;

-- what is wrong is named
\set VERBOSITY default
\set SHOW_CONTEXT never
select * from cxsig.redrive(null);
select * from cxsig.redrive('repair_none');
select cxsig.replay('repair_all', null);
select cxsig.replay('repair_all', '2026-11-24 10:00+00', '2026-11-24 09:00+00');
select cxsig.replay('repair_all', '-infinity', filter => '$.churn_risk == $level');
select cxsig.discard('repair_all', filter => '$.churn_risk == $level');
rollback;

-- an older snapshot could miss a newer revision in spite of the lock
begin isolation level repeatable read;
insert into cxsig.destination (name, transport, config, history, state)
values ('repair_latest', 'webhook', '{}', 'latest', 'paused');
select * from cxsig.redrive('repair_latest');
rollback;
