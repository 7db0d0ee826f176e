-- Verify in SQL: what verify() refuses, and what it knows without asking a remote. What it asks and mends is
-- tested where one answers. All in a transaction that is rolled back.
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
set client_min_messages = error;
begin;
select cxsig.create_destination('verify_hook', 'webhook', '{"url": "https://receiver.invalid/"}') > 0 as made;
select cxsig.create_destination('verify_crm', 'dynamics',
    '{"url": "https://acme.crm.dynamics.com", "tenant": "acme.example", "auth": {"client_id": "cx"},
      "entity_set": "cx_signals", "external_id": {"field": "cx_key"}}',
    '{"mapping": {"cx_sentiment": "$.sentiment"}, "paused": true}') > 0 as made;

-- what is refused
select * from cxsig.verify(null, array['T-1']);
select * from cxsig.verify('nobody', array['T-1']);
select * from cxsig.verify('verify_crm');
select * from cxsig.verify('verify_hook', since => '-infinity');
select * from cxsig.verify('verify_crm', array['T-1']);
set role cxsig_reader;
select * from cxsig.verify('verify_crm', array['T-1']);
reset role;
select cxsig.set_secret('verify_crm', 'client_secret', 's3cret');

-- nothing to be seen to
set role cxsig_admin;
select * from cxsig.verify('verify_crm', array[]::text[]);
select * from cxsig.verify('verify_crm', array[null]);
select * from cxsig.verify('verify_crm', since => 'infinity', repair => true);
reset role;

-- what needs no asking: an unknown ticket, one that was not sent, one that waits, one that is dead
do $$
begin
    for n in 1 .. 4 loop
        perform cxsig.ingest(jsonb_build_object('ticket_id', 'V-' || n, 'source_system', 'verify',
            'churn_risk', case n when 1 then 'high' else 'low' end,
            'occurred_at', '2026-11-24T08:00:00Z', 'evidence_url', 'https://acme.example/' || n));
    end loop;
end
$$;
insert into cxsig.retry (destination_id, position, event_id, recorded_at, lane, attempt, last_error, held)
    select d.destination_id, o.position, o.event_id, o.recorded_at, 1, 3, '503: later', o.ticket_id = 'V-3'
    from cxsig.outbox o, cxsig.destination d where d.name = 'verify_crm' and o.ticket_id in ('V-2', 'V-3');
with dead as
    (insert into cxsig.delivery (destination_id, position, event_id, ticket_id, outcome, attempt, occurred_at, recorded_at,
                                 finished_at, backfill)
     select d.destination_id, o.position, o.event_id, o.ticket_id, 'dead', 1, o.recorded_at, o.recorded_at, o.recorded_at, false
     from cxsig.outbox o, cxsig.destination d where d.name = 'verify_crm' and o.ticket_id = 'V-4'
     returning *)
insert into cxsig.dead_letter (destination_id, position, event_id, recorded_at, ticket_id, attempt, reason, died_at)
    select destination_id, position, event_id, recorded_at, ticket_id, 1, 'no such option', finished_at from dead;
select ticket_id, state, field, regexp_replace(detail, '\d+\]', 'N]') as detail, repaired
    from cxsig.verify('verify_crm', array['V-4', 'V-1', 'V-2', 'V-3', 'V-1', 'V-0'], repair => true);
select ticket_id, state from cxsig.verify('verify_crm', array['V-1', 'V-2', 'V-0'], since => now());
select ticket_id, state from cxsig.verify('verify_crm', since => now());

-- a filter decides what should be there
select cxsig.alter_destination('verify_crm', options => '{"filter": "$.churn_risk == \"high\""}');
select ticket_id, state from cxsig.verify('verify_crm', since => now());
select count(*) from cxsig.repairs where destination = 'verify_crm';
rollback;
