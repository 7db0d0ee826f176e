-- Canonical types: what a signal can say, whatever the vendor calls it.

create type cxsig.sentiment as enum
    ('very_negative', 'negative', 'neutral', 'positive', 'very_positive', 'mixed', 'unknown');
comment on type cxsig.sentiment is 'how the customer feels, in five levels, mixed or unknown';

create type cxsig.churn_risk as enum ('none', 'low', 'medium', 'high', 'unknown');
comment on type cxsig.churn_risk is 'how likely the account is to leave';

create type cxsig.effort as enum ('low', 'medium', 'high', 'unknown');
comment on type cxsig.effort is 'how hard the customer had to work';

create type cxsig.event_type as enum
    ('signal.created', 'signal.updated', 'signal.retracted', 'signal.flagged', 'signal.remapped');
comment on type cxsig.event_type is 'what happened to the ticket''s signal';

create type cxsig.ingest_outcome as enum
    ('inserted', 'duplicate', 'conflict', 'stale', 'quarantined');
comment on type cxsig.ingest_outcome is
    'what became of an input: inserted; duplicate (same key and content, first event kept); conflict (same key, other content, first event kept, a contract violation recorded); stale (older than what is known: logged, not sent where history is latest); quarantined (kept whole with its reason)';

create type cxsig.delivery_outcome as enum
    ('delivered', 'superseded', 'folded', 'dead', 'discarded', 'filtered');
comment on type cxsig.delivery_outcome is
    'final outcome of an event at a destination: delivered; superseded (a newer revision stands for it); folded (it counts for an alert, or is nothing to alert about: no message of its own); dead (see dead_letter); discarded (a person let it go); filtered (counted, no receipt)';

create type cxsig.stream as enum ('live', 'backfill');
comment on type cxsig.stream is 'live events go first; backfill takes what capacity is left';

create domain cxsig.name as text
    constraint name_shape check (value operator(pg_catalog.~) '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}$');
comment on domain cxsig.name is '1 to 63 letters, digits and _ . : -, starting with a letter or digit';

create domain cxsig.idempotency_key as text
    constraint idempotency_key_length check (pg_catalog.length(value) between 1 and 255);
comment on domain cxsig.idempotency_key is '1 to 255 characters';

create domain cxsig.ticket_id as text
    constraint ticket_id_length check (pg_catalog.length(value) between 1 and 128);
comment on domain cxsig.ticket_id is '1 to 128 characters, unique across sources';

create domain cxsig.account_id as text
    constraint account_id_length check (pg_catalog.length(value) between 1 and 128);
comment on domain cxsig.account_id is '1 to 128 characters';

create domain cxsig.evidence_url as text
    constraint evidence_url_https check (value operator(pg_catalog.~) '^https://[^\s/?#]+'
                                         and pg_catalog.length(value) operator(pg_catalog.<=) 2048);
comment on domain cxsig.evidence_url is 'https link to the words the customer wrote, at most 2048 characters';

create domain cxsig.score as double precision
    constraint score_range check (value operator(pg_catalog.>=) 0 and value operator(pg_catalog.<=) 1);
comment on domain cxsig.score is 'a share from 0 to 1';

create type cxsig.ingest_result as (
    event_id uuid,
    outcome  cxsig.ingest_outcome,
    version  bigint,
    detail   text
);
comment on type cxsig.ingest_result is
    'answer to one input: the event (the first one for duplicate and conflict, null for quarantined), the outcome, the revision of the ticket''s signal, and detail for a person';
