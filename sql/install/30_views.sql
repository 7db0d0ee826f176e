-- What a person looks at. Names are resolved here and now, under the search_path the header sets, so
-- operators need no schema; a view reads its tables with the rights of the extension's owner.
--
-- None of these scans a table that grows, but deliveries, which is for looking up and is meant to be
-- asked with a where: counts stop at 10,000 rows and go on by position arithmetic, percentiles are of
-- the newest 10,000 receipts, and the newest row of each log is found by index. A stretch of the outbox
-- is asked for by comparing rows, live before backfill: of an equality with a stream the planner expects
-- next to nothing until the partition is analyzed, and would sort a million rows for the first 10,000.

-- A table never analyzed is taken for ten pages of rows. With 180 destinations on paper these views
-- would look dear enough to be compiled, which takes a hundred times as long as running them.
analyze cxsig.destination;

create view cxsig.consumer_lag as
select d.name as destination,
       c.low,
       c.high,
       newest.position as newest,
       pg_catalog.cardinality(c.doubt) as in_doubt,
       case when ahead.rows < 10000 then ahead.events
            else greatest(pg_catalog.round(ahead.events::numeric * (newest.position - ahead.first + 1)
                                           / (ahead.last - ahead.first + 1))::bigint, ahead.events)
       end as events_behind,
       pending.events as retrying,
       least(ahead.oldest, pending.oldest) as waiting_since,
       pg_catalog.date_trunc('milliseconds',
           pg_catalog.clock_timestamp() - least(ahead.oldest, pending.oldest)) as oldest_waiting,
       c.backfill_low,
       c.backfill_high,
       newest.backfill as backfill_newest,
       case when behind.rows < 10000 then behind.events
            else greatest(pg_catalog.round(behind.events::numeric * (newest.backfill - behind.first + 1)
                                           / (behind.last - behind.first + 1))::bigint, behind.events)
       end as backfill_behind,
       pending.backfill as backfill_retrying,
       least(behind.oldest, pending.backfill_oldest) as backfill_waiting_since,
       pg_catalog.date_trunc('milliseconds',
           pg_catalog.clock_timestamp() - c.written_at) as checkpoint_age
from cxsig.destination d
    cross join (select (select pg_catalog.max(o.position) from cxsig.outbox o where o.stream = 'live') as position,
                       (select pg_catalog.max(o.position) from cxsig.outbox o where o.stream = 'backfill') as backfill
                offset 0) newest
    left join lateral (select k.low, k.high, k.doubt, k.backfill_low, k.backfill_high, k.written_at
                       from cxsig.checkpoint k
                       where k.destination_id = d.destination_id
                       order by k.written_at desc
                       limit 1) c on true
    cross join lateral (select pg_catalog.count(*) as rows,
                               pg_catalog.min(w.position) as first, pg_catalog.max(w.position) as last,
                               pg_catalog.count(*) filter (where w.wanted) as events,
                               pg_catalog.min(w.recorded_at) filter (where w.wanted and not w.repair) as oldest
                        from (select o.position, o.recorded_at,
                                     coalesce(o.destination_id = d.destination_id, true) as wanted,
                                     o.destination_id is not null as repair
                              from ((select o.* from cxsig.outbox o
                                     where (o.stream, o.position) >= ('live'::cxsig.stream, c.low) and o.stream < 'backfill'
                                     order by o.stream, o.position limit 10000)
                                    union all
                                    (select o.* from cxsig.remnant o
                                     where (o.stream, o.position) >= ('live'::cxsig.stream, c.low) and o.stream < 'backfill'
                                     order by o.stream, o.position limit 10000)) o
                              order by o.stream, o.position
                              limit 10000) w) ahead
    cross join lateral (select pg_catalog.count(*) as rows,
                               pg_catalog.min(w.position) as first, pg_catalog.max(w.position) as last,
                               pg_catalog.count(*) filter (where w.wanted) as events,
                               pg_catalog.min(w.recorded_at) filter (where w.wanted) as oldest
                        from (select o.position, o.recorded_at,
                                     coalesce(o.destination_id = d.destination_id, true) as wanted
                              from ((select o.* from cxsig.outbox o
                                     where (o.stream, o.position) >= ('backfill'::cxsig.stream, c.backfill_low)
                                     order by o.stream, o.position limit 10000)
                                    union all
                                    (select o.* from cxsig.remnant o
                                     where (o.stream, o.position) >= ('backfill'::cxsig.stream, c.backfill_low)
                                     order by o.stream, o.position limit 10000)) o
                              order by o.stream, o.position
                              limit 10000) w) behind
    cross join lateral (select pg_catalog.count(*) filter (where not r.backfill) as events,
                               pg_catalog.min(r.recorded_at) filter (where not r.backfill) as oldest,
                               pg_catalog.count(*) filter (where r.backfill) as backfill,
                               pg_catalog.min(r.recorded_at) filter (where r.backfill) as backfill_oldest
                        from cxsig.retry r
                        where r.destination_id = d.destination_id) pending
order by d.name;
comment on view cxsig.consumer_lag is 'how far each destination is behind the log, live and backfill apart, as of its last checkpoint, which is about a second old at most';
comment on column cxsig.consumer_lag.destination is 'the destination';
comment on column cxsig.consumer_lag.low is 'every live event seen below this position has its outcome or waits in retry';
comment on column cxsig.consumer_lag.high is 'the greatest position read of the live stream';
comment on column cxsig.consumer_lag.newest is 'the greatest position in the live stream';
comment on column cxsig.consumer_lag.in_doubt is 'open transactions that may still bring events below high';
comment on column cxsig.consumer_lag.events_behind is 'live events from low on, filtered ones included; exact below 10,000, about right above';
comment on column cxsig.consumer_lag.retrying is 'live events that wait for another attempt, or behind one in their lane that does';
comment on column cxsig.consumer_lag.waiting_since is 'when the oldest waiting live event was recorded, redrives aside; null where nothing live waits';
comment on column cxsig.consumer_lag.oldest_waiting is 'the age of the oldest waiting live event';
comment on column cxsig.consumer_lag.backfill_low is 'as low, for the backfill stream';
comment on column cxsig.consumer_lag.backfill_high is 'as high, for the backfill stream';
comment on column cxsig.consumer_lag.backfill_newest is 'the greatest position in the backfill stream';
comment on column cxsig.consumer_lag.backfill_behind is 'as events_behind, for backfill and replays';
comment on column cxsig.consumer_lag.backfill_retrying is 'as retrying, for backfill and replays';
comment on column cxsig.consumer_lag.backfill_waiting_since is 'when the oldest waiting event of the backfill stream was recorded; no lag, since it may have been replayed just now';
comment on column cxsig.consumer_lag.checkpoint_age is 'how old these figures are; it grows while a destination has nothing to do';

create view cxsig.destination_status as
select d.name,
       d.transport,
       d.state,
       d.state_reason,
       pg_catalog.date_trunc('second', d.state_changed_at) as since,
       l.events_behind + pending.passed as waiting,
       l.backfill_behind + pending.backfill_passed as backfill_waiting,
       pg_catalog.round(coalesce(extract(epoch from l.oldest_waiting), 0), 1) as lag_seconds,
       pending.lanes as retrying_lanes,
       pending.held as held_lanes,
       dead.letters as dead,
       coalesce(c.filtered, 0) as filtered,
       case when d.state = 'active' and c.holding_until > pg_catalog.clock_timestamp()
            then pg_catalog.format('until %s: %s', pg_catalog.date_trunc('second', c.holding_until), c.holding)
            when d.state = 'active' and c.holding_until is null then c.holding
       end as holding,
       c.quota_used,
       c.quota_limit,
       c.quota_at,
       sent.last_delivered_at,
       coalesce(pending.last_error, dead.last_reason) as last_error
from cxsig.destination d
    join cxsig.consumer_lag l on l.destination = d.name
    left join lateral (select k.filtered, k.holding, k.holding_until, k.quota_used, k.quota_limit, k.quota_at
                       from cxsig.checkpoint k
                       where k.destination_id = d.destination_id
                       order by k.written_at desc
                       limit 1) c on true
    cross join lateral (select pg_catalog.count(*) filter (where not r.backfill and r.position < l.low) as passed,
                               pg_catalog.count(*) filter (where r.backfill and r.position < l.backfill_low)
                                   as backfill_passed,
                               pg_catalog.count(distinct r.lane) as lanes,
                               pg_catalog.count(distinct r.lane) filter (where r.held) as held,
                               (pg_catalog.array_agg(r.last_error order by r.next_attempt_at desc nulls last)
                                    filter (where r.last_error is not null))[1] as last_error
                        from cxsig.retry r
                        where r.destination_id = d.destination_id) pending
    cross join lateral (select pg_catalog.count(*) as letters,
                               (select n.reason
                                from cxsig.dead_letter n
                                where n.destination_id = d.destination_id and n.resolution is null
                                order by n.dead_letter_id desc
                                limit 1) as last_reason
                        from cxsig.dead_letter m
                        where m.destination_id = d.destination_id and m.resolution is null) dead
    cross join lateral (select pg_catalog.max(n.finished_at) as last_delivered_at
                        from (select v.finished_at, v.outcome
                              from cxsig.delivery v
                              where v.destination_id = d.destination_id
                              order by v.position desc
                              limit 100) n
                        where n.outcome = 'delivered') sent
order by d.name;
comment on view cxsig.destination_status is 'each destination at a glance';
comment on column cxsig.destination_status.name is 'its name';
comment on column cxsig.destination_status.transport is 'how it is reached';
comment on column cxsig.destination_status.state is 'active, paused, stopped or disabled';
comment on column cxsig.destination_status.state_reason is 'why it is in this state';
comment on column cxsig.destination_status.since is 'since when';
comment on column cxsig.destination_status.waiting is 'live events that have no final outcome yet; exact below 10,000, about right above';
comment on column cxsig.destination_status.backfill_waiting is 'the same of the backfill stream, which takes what live events leave: backfill and replays';
comment on column cxsig.destination_status.lag_seconds is 'age of the oldest waiting live event in seconds, 0 where none waits';
comment on column cxsig.destination_status.retrying_lanes is 'lanes with an event that waits for another attempt: see blocked_lanes';
comment on column cxsig.destination_status.held_lanes is 'those of them that wait for a person';
comment on column cxsig.destination_status.dead is 'open dead letters: see dead_letters';
comment on column cxsig.destination_status.filtered is 'events its filter has left out since it was created';
comment on column cxsig.destination_status.holding is 'what keeps it from sending, or from sending all it could: a rate limit, the quota, an open breaker, a token that is not there yet; null where nothing does';
comment on column cxsig.destination_status.quota_used is 'how much of what the remote allows was used, as it told last; null where it tells of no quota';
comment on column cxsig.destination_status.quota_limit is 'how much it allows';
comment on column cxsig.destination_status.quota_at is 'when it told';
comment on column cxsig.destination_status.last_delivered_at is 'the last delivery among its newest 100 receipts';
comment on column cxsig.destination_status.last_error is 'what the event tried last waits for, else the reason of the newest open dead letter';

create view cxsig.latency as
select t.destination,
       t.stage,
       t.events,
       pg_catalog.round(t.shares[1]::numeric, 1) as p50_ms,
       pg_catalog.round(t.shares[2]::numeric, 1) as p95_ms,
       pg_catalog.round(t.shares[3]::numeric, 1) as p99_ms,
       pg_catalog.round(t.longest::numeric, 1) as max_ms
from (select d.name as destination,
             s.stage,
             pg_catalog.count(*) as events,
             pg_catalog.percentile_cont(array[0.5, 0.95, 0.99]) within group (order by s.ms) as shares,
             pg_catalog.max(s.ms) as longest
      from cxsig.destination d
          cross join lateral (select v.event_id, v.outcome, v.backfill, v.occurred_at, v.recorded_at, v.sent_at, v.finished_at
                              from cxsig.delivery v
                              where v.destination_id = d.destination_id
                              order by v.position desc
                              limit 10000) r
          cross join lateral (values
              ('occurred -> applied', extract(epoch from r.finished_at - r.occurred_at)::float8 * 1000),
              ('commit -> applied', extract(epoch from r.finished_at - r.recorded_at)::float8 * 1000),
              ('sent -> applied', extract(epoch from r.finished_at - r.sent_at)::float8 * 1000)) s (stage, ms)
      where r.outcome = 'delivered'
        and not r.backfill
        and r.finished_at > pg_catalog.now() - interval '1 hour'
        and not exists (select from cxsig.dead_letter l
                        where l.event_id = r.event_id and l.destination_id = d.destination_id)
      group by d.name, s.stage) t
order by t.destination, t.stage;
comment on view cxsig.latency is 'how long live deliveries of the last hour took, among the newest 10,000 receipts of each destination; backfill, and what was dead and redriven, is left out';
comment on column cxsig.latency.destination is 'the destination';
comment on column cxsig.latency.stage is 'from when to when: occurred -> applied (since the signal was true), commit -> applied (since it was recorded here), sent -> applied (the last request)';
comment on column cxsig.latency.events is 'deliveries counted';
comment on column cxsig.latency.p50_ms is 'half took at most this, in milliseconds';
comment on column cxsig.latency.p95_ms is '95 of 100 took at most this, in milliseconds';
comment on column cxsig.latency.p99_ms is '99 of 100 took at most this, in milliseconds';
comment on column cxsig.latency.max_ms is 'the longest, in milliseconds';

create view cxsig.deliveries as
select v.finished_at,
       coalesce(d.name, pg_catalog.format('(dropped %s)', v.destination_id)) as destination,
       v.ticket_id::text as ticket_id,
       v.outcome,
       v.attempt,
       v.http_status,
       case when v.outcome = 'delivered'
            then pg_catalog.round(extract(epoch from v.finished_at - v.occurred_at) * 1000, 1)
       end as latency_ms,
       case when v.outcome = 'delivered'
            then pg_catalog.round(extract(epoch from v.finished_at - v.recorded_at) * 1000, 1)
       end as commit_latency_ms,
       v.remote_id,
       v.detail,
       v.event_id,
       v.superseded_by,
       v.position,
       v.occurred_at,
       v.recorded_at,
       v.sent_at,
       v.backfill,
       (select e.evidence_url::text
        from cxsig.event e
        where e.event_id = v.event_id and e.recorded_at = v.recorded_at) as evidence_url
from cxsig.delivery v
    left join cxsig.destination d on d.destination_id = v.destination_id;
comment on view cxsig.deliveries is 'the receipts; large, so ask it with a where: event_id is the quickest, and a range of finished_at looks at those days only';
comment on column cxsig.deliveries.finished_at is 'when the outcome was known';
comment on column cxsig.deliveries.destination is 'the destination';
comment on column cxsig.deliveries.ticket_id is 'the ticket; cxsig.history() tells its story';
comment on column cxsig.deliveries.outcome is 'delivered, superseded, folded, dead or discarded';
comment on column cxsig.deliveries.attempt is 'which attempt it was; 0 where none was made';
comment on column cxsig.deliveries.http_status is 'status of the answer';
comment on column cxsig.deliveries.latency_ms is 'of a delivery: milliseconds since the signal was true';
comment on column cxsig.deliveries.commit_latency_ms is 'of a delivery: milliseconds since it was recorded here';
comment on column cxsig.deliveries.remote_id is 'id the remote gave it';
comment on column cxsig.deliveries.detail is 'the remote''s words, cut short';
comment on column cxsig.deliveries.event_id is 'the event';
comment on column cxsig.deliveries.superseded_by is 'the event that stands for it: a newer one, or the one that opened the alert it counts for';
comment on column cxsig.deliveries.position is 'position in the outbox';
comment on column cxsig.deliveries.occurred_at is 'when the signal was true';
comment on column cxsig.deliveries.recorded_at is 'when it was recorded here';
comment on column cxsig.deliveries.sent_at is 'when the last attempt was sent';
comment on column cxsig.deliveries.backfill is 'part of a backfill or a replay: counted apart';
comment on column cxsig.deliveries.evidence_url is 'link to the words the customer wrote; null once retention has dropped the event';

create view cxsig.dead_letters as
select l.dead_letter_id,
       coalesce(d.name, pg_catalog.format('(dropped %s)', l.destination_id)) as destination,
       l.ticket_id::text as ticket_id,
       l.reason,
       l.http_status,
       l.attempt as attempts,
       l.died_at,
       l.event_id,
       l.position,
       (select e.evidence_url::text
        from cxsig.event e
        where e.event_id = l.event_id and e.recorded_at = l.recorded_at) as evidence_url
from cxsig.dead_letter l
    left join cxsig.destination d on d.destination_id = l.destination_id
where l.resolution is null;
comment on view cxsig.dead_letters is 'events a destination will not take and nobody has dealt with yet: cxsig.redrive() sends one again, cxsig.discard() lets it go';
comment on column cxsig.dead_letters.dead_letter_id is 'what redrive() and discard() want to know';
comment on column cxsig.dead_letters.destination is 'the destination';
comment on column cxsig.dead_letters.ticket_id is 'its ticket; cxsig.history() tells its story';
comment on column cxsig.dead_letters.reason is 'the remote''s words, or why it was given up';
comment on column cxsig.dead_letters.http_status is 'status of the last answer';
comment on column cxsig.dead_letters.attempts is 'attempts made';
comment on column cxsig.dead_letters.died_at is 'when it was given up';
comment on column cxsig.dead_letters.event_id is 'the event; cxsig.event_json() shows it';
comment on column cxsig.dead_letters.position is 'position in the outbox';
comment on column cxsig.dead_letters.evidence_url is 'link to the words the customer wrote; null once retention has dropped the event';

create view cxsig.blocked_lanes as
select d.name as destination,
       h.lane,
       e.ticket_id::text as ticket_id,
       e.account_id::text as account_id,
       h.events as events_waiting,
       h.attempt as attempts,
       h.held,
       h.next_attempt_at,
       pg_catalog.date_trunc('second', greatest(h.next_attempt_at - pg_catalog.clock_timestamp(), interval '0'))
           as retry_in,
       h.last_status,
       h.last_error,
       h.queued_at as waiting_since,
       h.event_id,
       e.evidence_url::text as evidence_url
from (select distinct on (r.destination_id, r.lane)
             r.destination_id, r.lane, r.event_id, r.recorded_at, r.attempt, r.next_attempt_at,
             r.last_status, r.last_error, r.queued_at,
             pg_catalog.count(*) over w as events,
             pg_catalog.bool_or(r.held) over w as held
      from cxsig.retry r
      window w as (partition by r.destination_id, r.lane)
      order by r.destination_id, r.lane, r.position) h
    join cxsig.destination d on d.destination_id = h.destination_id
    left join cxsig.event e on e.event_id = h.event_id and e.recorded_at = h.recorded_at
order by d.name, h.queued_at, h.lane;
comment on view cxsig.blocked_lanes is 'lanes whose first event waits for another attempt, or for a person: cxsig.release_lane() lets a held one go on';
comment on column cxsig.blocked_lanes.destination is 'the destination';
comment on column cxsig.blocked_lanes.lane is 'the lane, what release_lane() wants to know';
comment on column cxsig.blocked_lanes.ticket_id is 'ticket of its first event';
comment on column cxsig.blocked_lanes.account_id is 'account of its first event';
comment on column cxsig.blocked_lanes.events_waiting is 'events in the lane, the first included';
comment on column cxsig.blocked_lanes.attempts is 'attempts made at the first event';
comment on column cxsig.blocked_lanes.held is 'true where it waits for a person';
comment on column cxsig.blocked_lanes.next_attempt_at is 'when it is tried again';
comment on column cxsig.blocked_lanes.retry_in is 'in how long that is';
comment on column cxsig.blocked_lanes.last_status is 'status of the last answer';
comment on column cxsig.blocked_lanes.last_error is 'what went wrong last';
comment on column cxsig.blocked_lanes.waiting_since is 'since when the first event waits';
comment on column cxsig.blocked_lanes.event_id is 'the first event';
comment on column cxsig.blocked_lanes.evidence_url is 'link to the words the customer wrote; null once retention has dropped the event';
