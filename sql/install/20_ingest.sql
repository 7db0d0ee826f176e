-- Signals in: one, many, with typed arguments, by COPY; and their retraction.

create function cxsig.fold(value text) returns text
    language c immutable strict parallel safe
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_fold';
comment on function cxsig.fold(text) is
    'how raw tags and vendors'' values are compared: lower-case, trimmed, runs of spaces, dashes and underscores as one _';

create function cxsig.ingest(event jsonb, on_error text default 'raise') returns cxsig.ingest_result
    language c volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_ingest';
comment on function cxsig.ingest(jsonb, text) is
    'records one signal: an object with ticket_id, occurred_at, source_system, evidence_url and what else is known. on_error: raise, or quarantine';

create function cxsig.ingest_batch(events jsonb, on_error text default 'quarantine')
    returns setof cxsig.ingest_result
    language c volatile parallel unsafe security definer rows 1000
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_ingest_batch';
comment on function cxsig.ingest_batch(jsonb, text) is
    'records an array of signals in a handful of statements; answers in the order of the array. on_error: quarantine, or raise';

-- Runs as its caller: it only puts the arguments together.
create function cxsig.upsert_signal(
    ticket_id       text,
    occurred_at     timestamptz,
    source_system   text,
    evidence_url    text,
    account_id      text default null,
    version         bigint default null,
    idempotency_key text default null,
    event_type      text default null,
    sentiment       text default null,
    sentiment_start text default null,
    sentiment_end   text default null,
    churn_risk      text default null,
    churn_score     double precision default null,
    effort          text default null,
    effort_score    double precision default null,
    confidence      double precision default null,
    model           text default null,
    canonical_tag   text default null,
    driver          text default null,
    raw_tags        text[] default null,
    custom_metrics  jsonb default null,
    quotes          text[] default null,
    traceparent     text default null,
    tracestate      text default null,
    backfill        boolean default null,
    schema_version  integer default null,
    on_error        text default 'raise'
) returns cxsig.ingest_result
    language plpgsql volatile parallel unsafe
    set search_path = pg_catalog, pg_temp
    as $$
declare
    signal jsonb;
begin
    signal := jsonb_build_object(
        'ticket_id', ticket_id, 'occurred_at', occurred_at, 'source_system', source_system,
        'evidence_url', evidence_url, 'account_id', account_id, 'version', version,
        'idempotency_key', idempotency_key, 'event_type', event_type, 'sentiment', sentiment,
        'sentiment_start', sentiment_start, 'sentiment_end', sentiment_end,
        'churn_risk', churn_risk, 'churn_score', churn_score, 'effort', effort,
        'effort_score', effort_score, 'confidence', confidence, 'model', model,
        'canonical_tag', canonical_tag, 'driver', driver, 'raw_tags', raw_tags,
        'custom_metrics', custom_metrics, 'quotes', quotes, 'traceparent', traceparent,
        'tracestate', tracestate, 'backfill', backfill, 'schema_version', schema_version);
    return cxsig.ingest(jsonb_strip_nulls(signal), on_error);
end
$$;
comment on function cxsig.upsert_signal(text, timestamptz, text, text, text, bigint, text, text, text, text, text, text, double precision, text, double precision, double precision, text, text, text, text[], jsonb, text[], text, text, boolean, integer, text) is
    'ingest() with typed, named arguments';

create function cxsig.retract_signal(ticket_id text, reason text default null)
    returns cxsig.ingest_result
    language c volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_retract_signal';
comment on function cxsig.retract_signal(text, text) is
    'takes back what is known of a ticket: a signal.retracted event that corrects its newest one; again, it answers duplicate';

-- COPY cxsig.signal_import FROM ... CSV HEADER: a column for each field of an input, as text.

create view cxsig.signal_import as
    select null::text as ticket_id,
           null::text as occurred_at,
           null::text as source_system,
           null::text as evidence_url,
           null::text as account_id,
           null::text as version,
           null::text as idempotency_key,
           null::text as event_type,
           null::text as sentiment,
           null::text as sentiment_start,
           null::text as sentiment_end,
           null::text as churn_risk,
           null::text as churn_score,
           null::text as effort,
           null::text as effort_score,
           null::text as confidence,
           null::text as model,
           null::text as canonical_tag,
           null::text as driver,
           null::text as raw_tags,
           null::text as custom_metrics,
           null::text as quotes,
           null::text as traceparent,
           null::text as tracestate,
           null::text as backfill,
           null::text as schema_version
     where false;
comment on view cxsig.signal_import is
    'write-only: COPY or INSERT rows here to ingest them as batches; bad rows go to quarantine, an empty string is as good as null';
comment on column cxsig.signal_import.ticket_id is 'required';
comment on column cxsig.signal_import.occurred_at is 'required: date, time and zone';
comment on column cxsig.signal_import.source_system is 'required';
comment on column cxsig.signal_import.evidence_url is 'required: https link';
comment on column cxsig.signal_import.account_id is 'the customer';
comment on column cxsig.signal_import.version is 'revision of the ticket''s signal; counted where empty';
comment on column cxsig.signal_import.idempotency_key is 'made of source, ticket and revision time where empty';
comment on column cxsig.signal_import.event_type is 'signal.created or signal.updated, found where empty';
comment on column cxsig.signal_import.sentiment is 'canonical or the source''s own word';
comment on column cxsig.signal_import.sentiment_start is 'canonical or the source''s own word';
comment on column cxsig.signal_import.sentiment_end is 'canonical or the source''s own word';
comment on column cxsig.signal_import.churn_risk is 'level, the source''s own word, or a score such as 8/10, 80% or 0.8';
comment on column cxsig.signal_import.churn_score is 'score';
comment on column cxsig.signal_import.effort is 'level, the source''s own word, or a score';
comment on column cxsig.signal_import.effort_score is 'score';
comment on column cxsig.signal_import.confidence is 'score, or the source''s own word';
comment on column cxsig.signal_import.model is 'the model that found the signal';
comment on column cxsig.signal_import.canonical_tag is 'an agreed tag; found by raw_tags where empty';
comment on column cxsig.signal_import.driver is 'a driver; that of the tag where empty';
comment on column cxsig.signal_import.raw_tags is 'JSON array, or tags separated by ; or ,';
comment on column cxsig.signal_import.custom_metrics is 'JSON object of strings, numbers and booleans';
comment on column cxsig.signal_import.quotes is 'JSON array, or quotes separated by ;';
comment on column cxsig.signal_import.traceparent is 'W3C trace context';
comment on column cxsig.signal_import.tracestate is 'W3C trace state';
comment on column cxsig.signal_import.backfill is 'true for old signals that go after live ones';
comment on column cxsig.signal_import.schema_version is '1';

create function cxsig._import_row() returns trigger
    language c volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_import_row';
comment on function cxsig._import_row() is 'collects a row of signal_import';

create function cxsig._import_end() returns trigger
    language c volatile parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_import_end';
comment on function cxsig._import_end() is 'ingests what a statement on signal_import collected';

create trigger import_row instead of insert on cxsig.signal_import
    for each row execute function cxsig._import_row();
create trigger import_end after insert on cxsig.signal_import
    for each statement execute function cxsig._import_end();
