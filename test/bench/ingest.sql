\set ticket random(1, 15000)
select r.outcome from (select nextval('bench.number') as n offset 0) n, cxsig.ingest(bench.signal(n.n, :ticket)) r;
