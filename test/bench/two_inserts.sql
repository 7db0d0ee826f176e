\set ticket random(1, 15000)
begin;
insert into bench.bare_event select s ->> 'source_system', s ->> 'idempotency_key', s from (select bench.signal(n.n, :ticket) as s from (select nextval('bench.number') as n offset 0) n offset 0) s;
insert into bench.bare_queue (key) values ('signal-' || currval('bench.number'));
commit;
