-- The outbox: the log of delivery intents. A position is drawn by next_position() only, which
-- first gives the transaction its xid: the feed's proof that it misses nothing rests on that order.

create sequence cxsig.outbox_position cache 1;
comment on sequence cxsig.outbox_position is 'positions in the outbox; drawn by cxsig.next_position() only';

create function cxsig.next_position() returns bigint
    language c volatile parallel unsafe
    as 'MODULE_PATHNAME', 'cxsig_next_position';
comment on function cxsig.next_position() is
    'next position of the outbox, drawn after the transaction has its xid; call it only while holding the ticket''s row lock';

create table cxsig.outbox (
    position       bigint not null default cxsig.next_position(),
    txid           xid8 not null default pg_catalog.pg_current_xact_id(),
    event_id       uuid not null,
    recorded_at    timestamptz not null,
    ticket_id      cxsig.ticket_id collate "C" not null,
    stream         cxsig.stream not null default 'live',
    destination_id integer,
    forced         boolean not null default false
) partition by range (position);
comment on table cxsig.outbox is 'delivery intents in log order; never updated, partitioned by position, a partition goes when every destination is past it';
comment on column cxsig.outbox.position is 'place in the log; within a ticket, position order is commit order';
comment on column cxsig.outbox.txid is 'the top-level transaction that wrote it';
comment on column cxsig.outbox.event_id is 'the event';
comment on column cxsig.outbox.recorded_at is 'its partition key in event';
comment on column cxsig.outbox.ticket_id is 'its ticket';
comment on column cxsig.outbox.stream is 'live or backfill';
comment on column cxsig.outbox.destination_id is 'null: every destination whose filter matches; set: a redrive, replay or repair for this one';
comment on column cxsig.outbox.forced is 'sent even where a newer revision is known';
create table cxsig.outbox_default partition of cxsig.outbox (primary key (stream, position)) default;
create index outbox_default_txid on cxsig.outbox_default (txid, position);
comment on table cxsig.outbox_default is 'catches what partition maintenance missed; emptied into partitions by cxsig.maintain()';

create table cxsig.remnant (like cxsig.outbox including comments);
comment on table cxsig.remnant is 'parent of the partitions that have left the outbox though a destination that is far behind still needs them; the outbox goes on without them';
create sequence cxsig.remnant_position minvalue 0 start 0;
comment on sequence cxsig.remnant_position is 'how far the remnant reaches; who reads the log from below must look there too';

create view cxsig._log as
    select o.position, o.txid, o.event_id, o.recorded_at, o.ticket_id, o.stream, o.destination_id, o.forced
    from cxsig.outbox o
    union all
    select r.position, r.txid, r.event_id, r.recorded_at, r.ticket_id, r.stream, r.destination_id, r.forced
    from cxsig.remnant r;
comment on view cxsig._log is 'internal: the outbox and its remnant';
comment on column cxsig._log.position is 'place in the log';
comment on column cxsig._log.txid is 'the top-level transaction that wrote it';
comment on column cxsig._log.event_id is 'the event';
comment on column cxsig._log.recorded_at is 'its partition key in event';
comment on column cxsig._log.ticket_id is 'its ticket';
comment on column cxsig._log.stream is 'live or backfill';
comment on column cxsig._log.destination_id is 'null: every destination whose filter matches; set: for this one';
comment on column cxsig._log.forced is 'sent even where a newer revision is known';

create function cxsig._floor() returns bigint
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    -- A row that is there, of a transaction that has not ended: it was written elsewhere and restored,
    -- and the number of its transaction is, or will be, one of ours. What ours write lies above it.
    select coalesce(max(o.position), 0)
    from pg_current_snapshot() s
    join cxsig._log o on o.txid >= pg_snapshot_xmin(s) and not pg_visible_in_snapshot(o.txid, s)
    where o.txid is distinct from pg_current_xact_id_if_assigned()
$$;
comment on function cxsig._floor() is
    'internal: rows up to this position cannot be of a transaction of this cluster that is open now or begins later';
