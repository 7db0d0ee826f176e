-- Taxonomy and enrichment: what a vendor's words mean, and who the customer is.
-- Every backend caches source, value_map, tag_mapping, canonical_tag and metric; the trigger in
-- 22_taxonomy.sql tells the caches when one of them changes.

create table cxsig.source (
    source_system  cxsig.name primary key,
    description    text not null default '',
    evidence_hosts text[] not null default '{}',
    created_at     timestamptz not null default pg_catalog.now()
);
comment on table cxsig.source is 'systems that produce signals; a source need not be listed to be accepted';
comment on column cxsig.source.source_system is 'the name events carry as source_system';
comment on column cxsig.source.description is 'free text for people';
comment on column cxsig.source.evidence_hosts is 'hosts an evidence_url of this source may point to; empty means any https host';
comment on column cxsig.source.created_at is 'when the source was defined';

create table cxsig.value_map (
    source_system cxsig.name not null,
    field         text not null,
    raw_value     text not null,
    canonical     text not null,
    primary key (source_system, field, raw_value),
    constraint value_map_field check (field operator(pg_catalog.=) any
        (array['sentiment', 'churn_risk', 'effort', 'confidence']))
);
comment on table cxsig.value_map is 'a source''s own value for a field, and the canonical value it stands for';
comment on column cxsig.value_map.source_system is 'the source whose word it is';
comment on column cxsig.value_map.field is 'sentiment (also for sentiment_start and sentiment_end), churn_risk, effort or confidence';
comment on column cxsig.value_map.raw_value is 'the vendor''s value, lower-case, with runs of spaces, dashes and underscores folded to one _';
comment on column cxsig.value_map.canonical is 'the canonical value; for confidence a number from 0 to 1';

create table cxsig.driver (
    driver      cxsig.name primary key,
    label       text not null default '',
    description text not null default ''
);
comment on table cxsig.driver is 'what drives contacts: the level at which a business acts';
comment on column cxsig.driver.driver is 'name events carry as driver';
comment on column cxsig.driver.label is 'what people call it';
comment on column cxsig.driver.description is 'free text for people';

create table cxsig.canonical_tag (
    canonical_tag cxsig.name primary key,
    driver        cxsig.name references cxsig.driver,
    label         text not null default '',
    description   text not null default ''
);
comment on table cxsig.canonical_tag is 'the agreed tags, each with its driver';
comment on column cxsig.canonical_tag.canonical_tag is 'name events carry as canonical_tag';
comment on column cxsig.canonical_tag.driver is 'the driver it belongs to';
comment on column cxsig.canonical_tag.label is 'what people call it';
comment on column cxsig.canonical_tag.description is 'free text for people';

create table cxsig.tag_mapping (
    source_system text not null default '*',
    raw_tag       text not null,
    canonical_tag cxsig.name not null references cxsig.canonical_tag,
    mapped_at     timestamptz not null default pg_catalog.now(),
    primary key (source_system, raw_tag)
);
comment on table cxsig.tag_mapping is 'raw tag to canonical tag; the source''s own row goes before the row of source *';
comment on column cxsig.tag_mapping.source_system is 'the source whose tag it is, or * for all';
comment on column cxsig.tag_mapping.raw_tag is 'the raw tag, lower-case, with runs of spaces, dashes and underscores folded to one _';
comment on column cxsig.tag_mapping.canonical_tag is 'the canonical tag it stands for';
comment on column cxsig.tag_mapping.mapped_at is 'when it was mapped last';

create table cxsig.metric (
    metric      cxsig.name primary key,
    type        text not null,
    allowed     text[],
    unit        text not null default '',
    description text not null default '',
    constraint metric_type check (type operator(pg_catalog.=) any
        (array['number', 'integer', 'boolean', 'text', 'timestamp']))
);
comment on table cxsig.metric is 'custom metrics a signal may carry, with their types; an undefined metric is taken as it comes';
comment on column cxsig.metric.metric is 'key in custom_metrics';
comment on column cxsig.metric.type is 'number, integer, boolean, text or timestamp';
comment on column cxsig.metric.allowed is 'for text: the values allowed, null for any';
comment on column cxsig.metric.unit is 'unit of a number, for people';
comment on column cxsig.metric.description is 'free text for people';

create table cxsig.account (
    account_id cxsig.account_id primary key,
    name       text,
    plan       text,
    owner      text,
    crm_ids    jsonb not null default '{}',
    custom     jsonb not null default '{}',
    updated_at timestamptz not null default pg_catalog.now(),
    constraint account_crm_ids check (pg_catalog.jsonb_typeof(crm_ids) operator(pg_catalog.=) 'object'),
    constraint account_custom check (pg_catalog.jsonb_typeof(custom) operator(pg_catalog.=) 'object')
);
comment on table cxsig.account is 'what an event is enriched with when it is recorded; upserted by the application';
comment on column cxsig.account.account_id is 'the account';
comment on column cxsig.account.name is 'its name';
comment on column cxsig.account.plan is 'its plan or tier';
comment on column cxsig.account.owner is 'who looks after it';
comment on column cxsig.account.crm_ids is 'its ids in other systems, {"salesforce": "001..."}';
comment on column cxsig.account.custom is 'anything else, as an object';
comment on column cxsig.account.updated_at is 'when it was upserted last';
