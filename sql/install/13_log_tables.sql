-- The canonical log and what keeps it unique and in order. Append-only: no row here is updated.
-- Lock order of an ingest: ticket rows by ticket_id, then processed_key by (source_system,
-- idempotency_key), then positions are drawn.
--
-- Keys and indexes of partitioned tables stand on the default partition, from which the others are
-- copied, and not on the parent: a dump holds run-time partitions with their indexes, and an index of the
-- extension's on the parent would make them a second time when they are attached.

create table cxsig.ticket (
    ticket_id     cxsig.ticket_id collate "C" primary key,
    first_seen_at timestamptz not null default pg_catalog.now()
);
comment on table cxsig.ticket is
    'one row per ticket, never updated; its row lock serialises a ticket''s ingests. Its state is the last row of ticket_revision, so a held xmin horizon costs nothing';
comment on column cxsig.ticket.ticket_id is 'the ticket';
comment on column cxsig.ticket.first_seen_at is 'when its first signal was recorded';

create table cxsig.ticket_revision (
    ticket_id        cxsig.ticket_id collate "C" not null,
    ordinal          bigint not null,
    version          bigint not null,
    event_id         uuid not null,
    recorded_at      timestamptz not null,
    head_version     bigint,
    head_occurred_at timestamptz,
    head_event_id    uuid,
    head_recorded_at timestamptz,
    primary key (ticket_id, ordinal)
);
comment on table cxsig.ticket_revision is 'the state of a ticket after each of its events; the greatest ordinal is the current one';
comment on column cxsig.ticket_revision.ticket_id is 'the ticket';
comment on column cxsig.ticket_revision.ordinal is 'counts the ticket''s events from 1, without gaps';
comment on column cxsig.ticket_revision.version is 'version of this event';
comment on column cxsig.ticket_revision.event_id is 'this event';
comment on column cxsig.ticket_revision.recorded_at is 'its partition key in event';
comment on column cxsig.ticket_revision.head_version is 'version of the newest event that was not stale, as of this row';
comment on column cxsig.ticket_revision.head_occurred_at is 'its occurred_at';
comment on column cxsig.ticket_revision.head_event_id is 'its event_id';
comment on column cxsig.ticket_revision.head_recorded_at is 'its partition key in event';

create table cxsig.processed_key (
    source_system   cxsig.name collate "C" not null,
    idempotency_key cxsig.idempotency_key collate "C" not null,
    event_id        uuid not null,
    recorded_at     timestamptz not null,
    version         bigint not null,
    digest          bytea not null,
    primary key (source_system, idempotency_key)
);
comment on table cxsig.processed_key is 'which event an idempotency key made; outlives the event';
comment on column cxsig.processed_key.source_system is 'the source';
comment on column cxsig.processed_key.idempotency_key is 'the producer''s key, or the default made of source, ticket and revision time';
comment on column cxsig.processed_key.event_id is 'the event the first use made';
comment on column cxsig.processed_key.recorded_at is 'its partition key in event';
comment on column cxsig.processed_key.version is 'its version';
comment on column cxsig.processed_key.digest is 'SHA-256 of its canonical content: a repeat with another digest is a conflict';

create table cxsig.event (
    event_id        uuid not null,
    event_type      cxsig.event_type not null,
    schema_version  integer not null default 1,
    occurred_at     timestamptz not null,
    recorded_at     timestamptz not null,
    source_system   cxsig.name not null,
    ticket_id       cxsig.ticket_id collate "C" not null,
    account_id      cxsig.account_id,
    version         bigint not null,
    idempotency_key cxsig.idempotency_key not null,
    sentiment       cxsig.sentiment,
    sentiment_start cxsig.sentiment,
    sentiment_end   cxsig.sentiment,
    churn_risk      cxsig.churn_risk,
    churn_score     cxsig.score,
    effort          cxsig.effort,
    effort_score    cxsig.score,
    confidence      cxsig.score,
    model           text,
    canonical_tag   text,
    driver          text,
    raw_tags        text[],
    custom_metrics  jsonb,
    evidence_url    cxsig.evidence_url not null,
    quotes          text[],
    account         jsonb,
    corrects        uuid,
    traceparent     text,
    tracestate      text,
    backfill        boolean not null default false,
    stale           boolean not null default false
) partition by range (recorded_at);
comment on table cxsig.event is 'the canonical log: the source of truth, and what CDC publishes; never updated, partitioned by recorded_at';
comment on column cxsig.event.event_id is 'UUIDv7; what identifies the event to every receiver, on every attempt';
comment on column cxsig.event.event_type is 'what happened to the ticket''s signal';
comment on column cxsig.event.schema_version is 'version of the canonical schema';
comment on column cxsig.event.occurred_at is 'when the signal was true: the revision time';
comment on column cxsig.event.recorded_at is 'when it was recorded here';
comment on column cxsig.event.source_system is 'who produced it';
comment on column cxsig.event.ticket_id is 'the ticket: the lane where order_scope is ticket';
comment on column cxsig.event.account_id is 'the customer: the lane where order_scope is account';
comment on column cxsig.event.version is 'revision of the ticket''s signal: the producer''s, else counted per ticket without gaps';
comment on column cxsig.event.idempotency_key is 'unique per source_system';
comment on column cxsig.event.sentiment is 'sentiment of the ticket as a whole';
comment on column cxsig.event.sentiment_start is 'sentiment when it was opened';
comment on column cxsig.event.sentiment_end is 'sentiment in the last message';
comment on column cxsig.event.churn_risk is 'level of churn risk';
comment on column cxsig.event.churn_score is 'churn risk from 0 to 1';
comment on column cxsig.event.effort is 'level of customer effort';
comment on column cxsig.event.effort_score is 'customer effort from 0 to 1';
comment on column cxsig.event.confidence is 'confidence of the model from 0 to 1';
comment on column cxsig.event.model is 'the model that found the signal';
comment on column cxsig.event.canonical_tag is 'the agreed tag';
comment on column cxsig.event.driver is 'the driver of the tag';
comment on column cxsig.event.raw_tags is 'the tags as they came';
comment on column cxsig.event.custom_metrics is 'further metrics, typed by cxsig.metric';
comment on column cxsig.event.evidence_url is 'link to the words the customer wrote';
comment on column cxsig.event.quotes is 'short quotes from the customer';
comment on column cxsig.event.account is 'the account''s metadata as it was when the event was recorded';
comment on column cxsig.event.corrects is 'the event this one retracts, flags or remaps';
comment on column cxsig.event.traceparent is 'W3C trace context of the producer';
comment on column cxsig.event.tracestate is 'W3C trace state of the producer';
comment on column cxsig.event.backfill is 'part of a backfill: goes after live events, counted apart';
comment on column cxsig.event.stale is 'older than what was known when it came';
create table cxsig.event_default partition of cxsig.event (primary key (event_id, recorded_at)) default;
create index event_default_ticket on cxsig.event_default (ticket_id, recorded_at);
comment on table cxsig.event_default is 'catches what partition maintenance missed; emptied into partitions by cxsig.maintain()';

create table cxsig.unmapped_tag (
    source_system text not null,
    raw_tag       text not null,
    event_id      uuid not null,
    recorded_at   timestamptz not null,
    ticket_id     cxsig.ticket_id not null
);
create index unmapped_tag_tag on cxsig.unmapped_tag (source_system, raw_tag, recorded_at);
comment on table cxsig.unmapped_tag is 'a row for each raw tag that had no mapping when its event was recorded; see the view unmapped_tags';
comment on column cxsig.unmapped_tag.source_system is 'the source whose tag it is';
comment on column cxsig.unmapped_tag.raw_tag is 'the raw tag, folded as in tag_mapping';
comment on column cxsig.unmapped_tag.event_id is 'the event that carries it';
comment on column cxsig.unmapped_tag.recorded_at is 'when it was recorded';
comment on column cxsig.unmapped_tag.ticket_id is 'its ticket';

create table cxsig.quarantine (
    quarantine_id bigint generated always as identity primary key,
    received_at   timestamptz not null default pg_catalog.now(),
    input         jsonb not null,
    field         text,
    reason        text not null,
    hint          text,
    received_by   text not null default session_user,
    state         text not null default 'open',
    resolved_at   timestamptz,
    event_id      uuid,
    constraint quarantine_state check (state operator(pg_catalog.=) any (array['open', 'released', 'discarded']))
);
create index quarantine_open on cxsig.quarantine (quarantine_id) where state operator(pg_catalog.=) 'open';
comment on table cxsig.quarantine is 'inputs that were refused, whole, with the reason; fix and release with release_quarantined()';
comment on column cxsig.quarantine.quarantine_id is 'names the row to release_quarantined() and discard_quarantined()';
comment on column cxsig.quarantine.received_at is 'when it came';
comment on column cxsig.quarantine.input is 'the input, whole';
comment on column cxsig.quarantine.field is 'the field that was wrong';
comment on column cxsig.quarantine.reason is 'what was wrong, with the value cut short';
comment on column cxsig.quarantine.hint is 'what is allowed';
comment on column cxsig.quarantine.received_by is 'the role that sent it';
comment on column cxsig.quarantine.state is 'open, released or discarded';
comment on column cxsig.quarantine.resolved_at is 'when it was released or discarded';
comment on column cxsig.quarantine.event_id is 'the event its release made';

create table cxsig.contract_violation (
    violation_id    bigint generated always as identity primary key,
    seen_at         timestamptz not null default pg_catalog.now(),
    kind            text not null,
    source_system   text not null,
    idempotency_key text,
    event_id        uuid,
    input           jsonb not null,
    detail          text not null
);
comment on table cxsig.contract_violation is 'what producers did against the contract, such as the same key with other content';
comment on column cxsig.contract_violation.violation_id is 'names the row';
comment on column cxsig.contract_violation.seen_at is 'when';
comment on column cxsig.contract_violation.kind is 'what kind: key_conflict';
comment on column cxsig.contract_violation.source_system is 'who';
comment on column cxsig.contract_violation.idempotency_key is 'under which key';
comment on column cxsig.contract_violation.event_id is 'the event that was kept';
comment on column cxsig.contract_violation.input is 'the input that was not taken, whole';
comment on column cxsig.contract_violation.detail is 'what differs';
