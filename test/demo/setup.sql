-- setup.sql: the extension, the application's role, and the demo's own tables (schema demo).

create extension cxsig;
create role helpdesk_app login in role cxsig_writer;

create schema demo;
grant usage on schema demo to helpdesk_app;

create table demo.account (account_id text, name text, plan text, owner text, crm_ids jsonb, custom jsonb);

-- the lines of the JSON files, as they are
create table demo.line (n bigint generated always as identity, file text, line text);
grant select on demo.line to helpdesk_app;

-- what ingest_batch answered
create table demo.answer (file text, outcome cxsig.ingest_outcome, detail text);

-- what the generator of the data expects ingest to answer
create table demo.expected (file text, outcome text, rows bigint);

-- the receiver's figures, and when the live part began
create table demo.receiver (stats jsonb, live_since timestamptz);
insert into demo.receiver default values;

create sequence demo.live_number;
grant usage on sequence demo.live_number to helpdesk_app;

-- A line of the export, marked as backfill; one that is no JSON is handed to ingest_batch as
-- a string, which quarantines it, whole.
create function demo.as_json(line text) returns jsonb language plpgsql as $$
declare
    event jsonb;
begin
    event := line;
    return case jsonb_typeof(event) when 'object' then event || '{"backfill": true}' else event end;
exception when invalid_text_representation then
    return to_jsonb(line);
end $$;
