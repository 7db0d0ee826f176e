-- The worker seen from SQL: waking it, waiting for it, looking at it.

create function cxsig._notify_workers() returns void
    language c volatile parallel unsafe
    as 'MODULE_PATHNAME', 'cxsig_notify_workers';
comment on function cxsig._notify_workers() is
    'internal: at commit, the dispatchers of this database read destinations, secrets and held lanes again';

create function cxsig._announce() returns void
    language c volatile parallel unsafe
    as 'MODULE_PATHNAME', 'cxsig_announce';
comment on function cxsig._announce() is
    'internal: at commit, the launcher learns that this database has the extension';

create function cxsig._worker_slots(
    out process text,
    out pid integer,
    out state text,
    out database_oid oid,
    out ordinal integer,
    out started_at timestamptz,
    out last_turn_at timestamptz,
    out turns bigint,
    out destinations integer,
    out lanes integer,
    out held integer,
    out in_flight integer,
    out sent bigint,
    out delivered bigint,
    out failed bigint,
    out memory_bytes bigint,
    out last_error text,
    out health text,
    out behind integer,
    out stalled_lanes integer
) returns setof record
    language c volatile strict parallel restricted
    as 'MODULE_PATHNAME', 'cxsig_worker_slots';
comment on function cxsig._worker_slots() is
    'internal: the launcher and the dispatchers as shared memory shows them; no row where the library is not preloaded';

create function cxsig._backoff(attempt integer, initial_ms bigint, max_ms bigint, share double precision)
    returns bigint
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'cxsig_backoff';
comment on function cxsig._backoff(integer, bigint, bigint, double precision) is
    'internal: milliseconds before the attempt after this one; share, from 0 to 1, is the jitter';

create function cxsig.wait_until_idle(timeout interval default '1 minute') returns boolean
    language c volatile strict parallel unsafe
    as 'MODULE_PATHNAME', 'cxsig_wait_until_idle';
comment on function cxsig.wait_until_idle(interval) is
    'waits until everything committed before the call has its final outcome at every active destination; false at the timeout';

create view cxsig.worker_status as
    select s.process,
           s.state,
           s.health,
           s.pid,
           d.datname as database,
           s.ordinal as number,
           pg_catalog.date_trunc('second', s.started_at) as started_at,
           pg_catalog.date_trunc('milliseconds', pg_catalog.clock_timestamp()
                                 operator(pg_catalog.-) s.last_turn_at) as last_turn_ago,
           s.destinations,
           s.lanes,
           s.behind,
           s.stalled_lanes,
           s.held as events_in_memory,
           s.in_flight,
           s.sent,
           s.delivered,
           s.failed,
           pg_catalog.pg_size_pretty(s.memory_bytes) as memory,
           s.last_error
    from cxsig._worker_slots() s
    left join pg_catalog.pg_database d on d.oid operator(pg_catalog.=) s.database_oid
    union all
    select 'launcher', 'not loaded: add cxsig to shared_preload_libraries and restart', 'not loaded', null,
           null, null, null, null, null, null, null, null, null, null, null, null, null, null, null
    where not exists (select from cxsig._worker_slots());
comment on view cxsig.worker_status is 'the launcher and the dispatchers of the cluster: do they run, what do they hold, what went wrong last';
comment on column cxsig.worker_status.process is 'launcher or dispatcher';
comment on column cxsig.worker_status.state is 'running, starting or not running; not loaded where the library is not preloaded';
comment on column cxsig.worker_status.health is 'ok; or since when it does not run or hangs, why it waits, or how many destinations fail or are behind and how many lanes make no progress';
comment on column cxsig.worker_status.pid is 'process id';
comment on column cxsig.worker_status.database is 'database of the dispatcher';
comment on column cxsig.worker_status.number is 'which of the database''s dispatchers, from 0';
comment on column cxsig.worker_status.started_at is 'since when it runs';
comment on column cxsig.worker_status.last_turn_ago is 'how long ago it showed its figures; more than a few seconds means that it hangs';
comment on column cxsig.worker_status.destinations is 'destinations it serves';
comment on column cxsig.worker_status.lanes is 'lanes with events, in memory or in retry';
comment on column cxsig.worker_status.behind is 'destinations whose oldest live event has waited longer than their SLA target and cxsig.behind_after';
comment on column cxsig.worker_status.stalled_lanes is 'lanes whose first event was tried cxsig.stall_after ago and has no outcome yet: see blocked_lanes';
comment on column cxsig.worker_status.events_in_memory is 'events it holds in memory';
comment on column cxsig.worker_status.in_flight is 'requests without an answer yet';
comment on column cxsig.worker_status.sent is 'requests sent since the server started';
comment on column cxsig.worker_status.delivered is 'of those, applied';
comment on column cxsig.worker_status.failed is 'of those, not applied';
comment on column cxsig.worker_status.memory is 'memory of the process';
comment on column cxsig.worker_status.last_error is 'its last error';
