-- latency.sql: milliseconds to the arrival, by two clocks that start, and where they went. Joined by
-- event, so a missing one shows in the count.

with hop as (
    select (a.at_us - c.at_us) / 1000.0 as from_commit, (a.at_us - p.after_us) / 1000.0 as from_return,
           (p.after_us - c.at_us) / 1000.0 as flush
      from bench.paced p
      join bench.arrived a using (event_id)
      join cxsig.outbox o using (event_id)
     cross join lateral
           (select (extract(epoch from pg_xact_commit_timestamp(o.txid::xid)) * 1000000)::bigint as at_us) c)
select count(*), percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by from_commit)::numeric(12, 2)[],
       percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by from_return)::numeric(12, 2)[],
       percentile_disc(0.5) within group (order by flush)::numeric(12, 2)
  from hop;
