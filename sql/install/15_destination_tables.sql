-- Destinations, their secrets, and what the dispatcher writes about them.

create table cxsig.destination (
    destination_id     integer generated always as identity primary key,
    name               cxsig.name not null unique,
    transport          text not null,
    config             jsonb not null,
    projection         text not null default 'crm',
    mapping            jsonb,
    filter             jsonpath,
    order_scope        text not null default 'ticket',
    history            text not null default 'all',
    concurrency        integer not null default 16,
    "window"           integer not null default 4096,
    batch_size         integer not null default 1,
    batch_bytes        integer not null default 1048576,
    batch_linger_ms    integer not null default 0,
    rate_limit         numeric(9,3),
    rate_burst         integer,
    quota_reserve      integer not null default 10,
    quota_probe_ms     integer not null default 30000,
    urgent             jsonpath,
    connect_timeout_ms integer not null default 5000,
    first_byte_timeout_ms integer not null default 15000,
    total_timeout_ms   integer not null default 20000,
    retry_initial_ms   integer not null default 1000,
    retry_max_ms       integer not null default 3600000,
    max_attempts       integer not null default 12,
    poison_policy      text not null default 'skip',
    schema_version     integer not null default 1,
    sla_target_ms      integer not null default 1000,
    secret_names       text[] not null default '{}',
    state              text not null default 'active',
    state_reason       text not null default 'created',
    state_changed_at   timestamptz not null default pg_catalog.clock_timestamp(),
    created_at         timestamptz not null default pg_catalog.now(),
    constraint destination_config check (pg_catalog.jsonb_typeof(config) operator(pg_catalog.=) 'object'),
    constraint destination_projection check (projection operator(pg_catalog.=) any (array['crm', 'bi', 'ops'])),
    constraint destination_order_scope check (order_scope operator(pg_catalog.=) any (array['ticket', 'account', 'none'])),
    constraint destination_history check (history operator(pg_catalog.=) any (array['all', 'latest'])),
    constraint destination_concurrency check (concurrency between 1 and 1000),
    constraint destination_window check ("window" between 1 and 100000),
    constraint destination_batch check (batch_size between 1 and 1000
                                        and batch_bytes between 1024 and 67108864
                                        and batch_linger_ms between 0 and 60000),
    constraint destination_rate check (rate_limit operator(pg_catalog.>) 0 and rate_burst between 1 and 100000),
    constraint destination_quota check (quota_reserve between 0 and 90 and quota_probe_ms between 100 and 3600000),
    constraint destination_first_byte_timeout check (first_byte_timeout_ms between 1 and 3600000),
    constraint destination_connect_timeout check (connect_timeout_ms between 1 and 600000),
    constraint destination_total_timeout check (total_timeout_ms between 1 and 3600000),
    constraint destination_retry check (retry_initial_ms operator(pg_catalog.>=) 1
                                        and retry_max_ms operator(pg_catalog.>=) retry_initial_ms),
    constraint destination_max_attempts check (max_attempts operator(pg_catalog.>=) 1),
    constraint destination_poison_policy check (poison_policy operator(pg_catalog.=) any (array['skip', 'hold'])),
    constraint destination_sla_target check (sla_target_ms operator(pg_catalog.>=) 1),
    constraint destination_state check (state operator(pg_catalog.=) any (array['active', 'paused', 'stopped', 'disabled']))
);
comment on table cxsig.destination is 'where signals go; changed by create_destination(), alter_destination() and their like only';
comment on column cxsig.destination.destination_id is 'names the destination in outbox, delivery, retry and dead_letter';
comment on column cxsig.destination.name is 'its name for people and functions';
comment on column cxsig.destination.transport is 'how it is reached: webhook, salesforce, hubspot, zendesk, dynamics, slack, teams, pagerduty';
comment on column cxsig.destination.config is 'the transport''s settings, such as {"url": "https://..."}; no secrets';
comment on column cxsig.destination.projection is 'crm, bi or ops: which fields of the canonical event are sent';
comment on column cxsig.destination.mapping is 'instead of a projection: a template whose "$..." leaves are jsonpath into the canonical event';
comment on column cxsig.destination.filter is 'jsonpath predicate on the canonical event; only matching events are sent, the others are counted';
comment on column cxsig.destination.order_scope is 'what is kept in order: ticket, account or none';
comment on column cxsig.destination.history is 'all: each revision is sent; latest: a newer revision supersedes the waiting ones';
comment on column cxsig.destination.concurrency is 'requests in flight at most';
comment on column cxsig.destination."window" is 'events held in memory at most; full means the feed stops reading';
comment on column cxsig.destination.batch_size is 'events in a request at most; more than 1 needs a transport and format that can';
comment on column cxsig.destination.batch_bytes is 'bytes of a request''s body at most, unless one event alone is larger';
comment on column cxsig.destination.batch_linger_ms is 'milliseconds an event may wait for others to fill its batch';
comment on column cxsig.destination.rate_limit is 'requests a second at most; null for no limit';
comment on column cxsig.destination.rate_burst is 'requests that may go out at once after a pause; null for one second''s worth';
comment on column cxsig.destination.quota_reserve is 'percent of what the remote allows that is kept for urgent signals; ordinary ones slow down before';
comment on column cxsig.destination.quota_probe_ms is 'milliseconds between requests that learn whether a quota is whole again';
comment on column cxsig.destination.urgent is 'jsonpath predicate on the canonical event: what may use the reserve; null for $.churn_risk == "high"';
comment on column cxsig.destination.connect_timeout_ms is 'milliseconds to connect, TLS included';
comment on column cxsig.destination.first_byte_timeout_ms is 'milliseconds from sending a request to the first byte of its answer';
comment on column cxsig.destination.total_timeout_ms is 'milliseconds for a request as a whole';
comment on column cxsig.destination.retry_initial_ms is 'milliseconds before the second attempt; doubles, with jitter';
comment on column cxsig.destination.retry_max_ms is 'milliseconds between attempts at most';
comment on column cxsig.destination.max_attempts is 'failed attempts, made while other events passed, after which an event is dead';
comment on column cxsig.destination.poison_policy is 'what a dead event does to its lane: skip (the lane goes on) or hold (it waits for a person)';
comment on column cxsig.destination.schema_version is 'version of the canonical schema it gets';
comment on column cxsig.destination.sla_target_ms is 'milliseconds from occurred to applied that are promised';
comment on column cxsig.destination.secret_names is 'secrets that were set; one that is missing (after a restore, say) stops the destination';
comment on column cxsig.destination.state is 'active, paused (by a person), stopped (credentials refused) or disabled (410 Gone)';
comment on column cxsig.destination.state_reason is 'why it is in this state';
comment on column cxsig.destination.state_changed_at is 'since when';
comment on column cxsig.destination.created_at is 'when it was created';

create table cxsig.secret (
    secret_id      bigint generated always as identity primary key,
    destination_id integer not null references cxsig.destination on delete cascade,
    name           cxsig.name not null,
    value          text,
    file           text,
    created_at     timestamptz not null default pg_catalog.now(),
    expires_at     timestamptz,
    constraint secret_value_or_file check ((value is null) operator(pg_catalog.<>) (file is null))
);
create index secret_destination on cxsig.secret (destination_id, name);
comment on table cxsig.secret is 'write-only secrets; only the worker can read them. Set with set_secret()';
comment on column cxsig.secret.secret_id is 'names the row';
comment on column cxsig.secret.destination_id is 'whose secret';
comment on column cxsig.secret.name is 'what for: signing, or the name the config refers to';
comment on column cxsig.secret.value is 'the secret';
comment on column cxsig.secret.file is 'or the file that holds it, under cxsig.secret_directory';
comment on column cxsig.secret.created_at is 'when it was set';
comment on column cxsig.secret.expires_at is 'no longer used after this, null for never';

create table cxsig.token (
    credential    bytea primary key,
    serial        bigint not null,
    access_token  text not null,
    refresh_token text,
    instance_url  text,
    obtained_at   timestamptz not null,
    expires_at    timestamptz
);
comment on table cxsig.token is 'tokens that dispatchers got for destinations with "auth"; only the worker can read them. Never dumped: where the remote gives a new refresh token each time, a restored database needs set_secret(..., ''refresh_token'', ...) with one made for it';
comment on column cxsig.token.credential is 'SHA-256 of what is proved with: destinations with the same credential share its token';
comment on column cxsig.token.serial is 'which of the credential''s tokens it is';
comment on column cxsig.token.access_token is 'what requests carry';
comment on column cxsig.token.refresh_token is 'the newest, where the remote gives a new one each time';
comment on column cxsig.token.instance_url is 'where the remote said requests are to be sent';
comment on column cxsig.token.obtained_at is 'when it was got';
comment on column cxsig.token.expires_at is 'until when it is good; null where the remote did not say';

create table cxsig.delivery (
    destination_id integer not null,
    position       bigint not null,
    event_id       uuid not null,
    ticket_id      cxsig.ticket_id not null,
    outcome        cxsig.delivery_outcome not null,
    attempt        integer not null,
    http_status    integer,
    remote_id      text,
    detail         text,
    superseded_by  uuid,
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null,
    sent_at        timestamptz,
    finished_at    timestamptz not null,
    backfill       boolean not null
) partition by range (finished_at);
comment on table cxsig.delivery is 'receipts: a row per destination and position that has its final outcome; insert only, partitioned by day';
comment on column cxsig.delivery.destination_id is 'the destination';
comment on column cxsig.delivery.position is 'position in the outbox';
comment on column cxsig.delivery.event_id is 'the event';
comment on column cxsig.delivery.ticket_id is 'its ticket';
comment on column cxsig.delivery.outcome is 'its final outcome';
comment on column cxsig.delivery.attempt is 'which attempt it was; 0 where none was made';
comment on column cxsig.delivery.http_status is 'status of the answer';
comment on column cxsig.delivery.remote_id is 'id the remote gave it';
comment on column cxsig.delivery.detail is 'the remote''s words, cut short';
comment on column cxsig.delivery.superseded_by is 'the event that stands for it: a newer one, or the one that opened the alert it counts for';
comment on column cxsig.delivery.occurred_at is 'when the signal was true';
comment on column cxsig.delivery.recorded_at is 'when it was recorded here';
comment on column cxsig.delivery.sent_at is 'when the last attempt was sent';
comment on column cxsig.delivery.finished_at is 'when the outcome was known';
comment on column cxsig.delivery.backfill is 'of the backfill stream: a backfill or a replay, counted apart from live events';
create table cxsig.delivery_default partition of cxsig.delivery default;
create index delivery_default_position on cxsig.delivery_default (destination_id, position);
create index delivery_default_event on cxsig.delivery_default (event_id);
comment on table cxsig.delivery_default is 'catches what partition maintenance missed; emptied into partitions by cxsig.maintain()';

create table cxsig.retry (
    destination_id  integer not null,
    position        bigint not null,
    event_id        uuid not null,
    recorded_at     timestamptz not null,
    lane            bigint not null,
    backfill        boolean not null default false,
    forced          boolean not null default false,
    attempt         integer not null default 0,
    strikes         integer not null default 0,
    next_attempt_at timestamptz,
    held            boolean not null default false,
    last_status     integer,
    last_error      text,
    queued_at       timestamptz not null default pg_catalog.clock_timestamp(),
    primary key (destination_id, position)
) with (fillfactor = 70);
create index retry_lane on cxsig.retry (destination_id, lane, position);
comment on table cxsig.retry is 'events that wait for another attempt, and those of their lanes behind them';
comment on column cxsig.retry.destination_id is 'the destination';
comment on column cxsig.retry.position is 'position in the outbox';
comment on column cxsig.retry.event_id is 'the event';
comment on column cxsig.retry.recorded_at is 'its partition key in event';
comment on column cxsig.retry.lane is 'hash of the order scope''s key';
comment on column cxsig.retry.backfill is 'of the backfill stream';
comment on column cxsig.retry.forced is 'as in outbox';
comment on column cxsig.retry.attempt is 'attempts made; 0 for one that waits behind another';
comment on column cxsig.retry.strikes is 'attempts that failed while other events passed';
comment on column cxsig.retry.next_attempt_at is 'when the head of the lane is tried again';
comment on column cxsig.retry.held is 'the lane waits for a person: see blocked_lanes and release_lane()';
comment on column cxsig.retry.last_status is 'status of the last answer';
comment on column cxsig.retry.last_error is 'what went wrong last';
comment on column cxsig.retry.queued_at is 'since when it waits';

create table cxsig.dead_letter (
    dead_letter_id bigint generated always as identity primary key,
    destination_id integer not null,
    position       bigint not null,
    event_id       uuid not null,
    recorded_at    timestamptz not null,
    ticket_id      cxsig.ticket_id not null,
    attempt        integer not null,
    http_status    integer,
    reason         text not null,
    died_at        timestamptz not null,
    resolution     text,
    resolved_at    timestamptz,
    resolved_by    text,
    constraint dead_letter_resolution check (resolution operator(pg_catalog.=) any (array['redriven', 'superseded', 'discarded']))
);
create index dead_letter_open on cxsig.dead_letter (destination_id, dead_letter_id) where resolution is null;
create index dead_letter_event on cxsig.dead_letter (event_id);
comment on table cxsig.dead_letter is 'events a destination will not take, with its words; redrive() or discard() them';
comment on column cxsig.dead_letter.dead_letter_id is 'names the row to redrive() and discard()';
comment on column cxsig.dead_letter.destination_id is 'the destination';
comment on column cxsig.dead_letter.position is 'position in the outbox';
comment on column cxsig.dead_letter.event_id is 'the event';
comment on column cxsig.dead_letter.recorded_at is 'its partition key in event';
comment on column cxsig.dead_letter.ticket_id is 'its ticket';
comment on column cxsig.dead_letter.attempt is 'attempts made';
comment on column cxsig.dead_letter.http_status is 'status of the last answer';
comment on column cxsig.dead_letter.reason is 'the remote''s words, or why it was given up';
comment on column cxsig.dead_letter.died_at is 'when it was given up';
comment on column cxsig.dead_letter.resolution is 'null while open, else redriven, superseded or discarded';
comment on column cxsig.dead_letter.resolved_at is 'when';
comment on column cxsig.dead_letter.resolved_by is 'by whom';

create table cxsig.checkpoint (
    destination_id    integer not null,
    written_at        timestamptz not null default pg_catalog.clock_timestamp(),
    low               bigint not null,
    high              bigint not null,
    doubt             xid8[] not null default '{}',
    filtered          bigint not null default 0,
    backfill_low      bigint not null,
    backfill_high     bigint not null,
    backfill_doubt    xid8[] not null default '{}',
    floor             bigint not null default 0,
    holding           text,
    holding_until     timestamptz,
    quota_used        bigint,
    quota_limit       bigint,
    quota_at          timestamptz,
    quota_resets_at   timestamptz,
    system_identifier bigint not null,
    database_oid      oid not null
) partition by range (written_at);
comment on table cxsig.checkpoint is 'how far each destination is; append-only, the newest row of a destination counts, partitioned by day';
comment on column cxsig.checkpoint.destination_id is 'the destination';
comment on column cxsig.checkpoint.written_at is 'when';
comment on column cxsig.checkpoint.low is 'everything seen below this position has a final outcome or is in retry';
comment on column cxsig.checkpoint.high is 'the greatest position read';
comment on column cxsig.checkpoint.doubt is 'transactions that may still bring rows at or below high';
comment on column cxsig.checkpoint.filtered is 'events its filter has left out since it was created';
comment on column cxsig.checkpoint.backfill_low is 'as low, for the backfill stream, which is read on its own';
comment on column cxsig.checkpoint.backfill_high is 'as high, for the backfill stream';
comment on column cxsig.checkpoint.backfill_doubt is 'as doubt, for the backfill stream';
comment on column cxsig.checkpoint.floor is 'rows up to this position are not looked for by transaction id: they were restored from another cluster, whose ids mean nothing here; 0 for none';
comment on column cxsig.checkpoint.holding is 'why it sends nothing, or less than it could; null where nothing holds it back';
comment on column cxsig.checkpoint.holding_until is 'until when, where that is known';
comment on column cxsig.checkpoint.quota_used is 'how much of what the remote allows was used, as it told last; null where it tells of no quota';
comment on column cxsig.checkpoint.quota_limit is 'how much it allows';
comment on column cxsig.checkpoint.quota_at is 'when it told';
comment on column cxsig.checkpoint.quota_resets_at is 'when it is whole again, where it told that';
comment on column cxsig.checkpoint.system_identifier is 'the cluster it was written in';
comment on column cxsig.checkpoint.database_oid is 'the database it was written in; elsewhere the destination is paused until a person resumes it';
create table cxsig.checkpoint_default partition of cxsig.checkpoint default;
create index checkpoint_default_latest on cxsig.checkpoint_default (destination_id, written_at desc);
comment on table cxsig.checkpoint_default is 'catches what partition maintenance missed';
