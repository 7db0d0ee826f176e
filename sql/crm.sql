-- Promise: what a destination to Salesforce or HubSpot cannot work with is refused when it is made, with
-- the name of the key; nothing is half made.
\set VERBOSITY terse
create function pg_temp.sf(config jsonb, mapping jsonb default '{"A__c": "$.sentiment"}') returns void language sql as $$
    select cxsig.create_destination('crm_sf', 'salesforce',
        '{"url": "https://acme.my.salesforce.com", "auth": {"client_id": "c"}, "object": "S__c",
          "external_id": {"field": "Key__c"}}' || config,
        jsonb_build_object('mapping', mapping))
$$;
create function pg_temp.hs(config jsonb, mapping jsonb default '{"a": "$.sentiment"}') returns void language sql as $$
    select cxsig.create_destination('crm_hs', 'hubspot',
        '{"auth": {"flow": "bearer"}, "object_type": "tickets", "external_id": {"field": "key"}}' || config,
        jsonb_build_object('mapping', mapping))
$$;

select pg_temp.sf('{"colour": 1}');
select pg_temp.sf('{"url": "ftp://acme"}');
select pg_temp.sf('{"api_version": "60"}');
select pg_temp.sf('{"api_version": "v60.0/x"}');
select pg_temp.sf('{"auth": {"flow": "password"}}');
select pg_temp.sf('{"object": "S c"}');
select pg_temp.sf('{"object": "S__e"}');
select pg_temp.sf('{"mode": "bulk"}');
select pg_temp.sf('{"mode": "event"}');
select pg_temp.sf('{"mode": "event", "object": "S__e"}');
select pg_temp.sf('{"event_id_field": "E__c"}');
select pg_temp.sf('{"external_id": {"field": "Id"}}');
select pg_temp.sf('{"external_id": {}}');
select pg_temp.sf('{"limit_backoff_ms": 0}');
select pg_temp.sf('{}', '{"id": "$.ticket_id"}');
select pg_temp.sf('{}', '{"attributes": {"type": "x"}}');
select pg_temp.sf('{}', '{"KEY__C": "$.ticket_id"}');
select pg_temp.sf('{}', '{"a b": "$.sentiment"}');
select pg_temp.sf('{}', '{"A__c": "$.sentimet"}');
select pg_temp.sf('{}', null);
select pg_temp.hs('{"colour": 1}');
select pg_temp.hs('{"object_type": "../x"}');
select pg_temp.hs('{"path": "/crm/v3"}');
select pg_temp.hs('{"path": "/crm?x={type}"}');
select pg_temp.hs('{"external_id": {"field": "hs_object_id"}}');
select pg_temp.hs('{"daily_backoff_ms": -1}');
select pg_temp.hs('{}', '{"key": "$.ticket_id"}');
select pg_temp.hs('{}', '{"a": {"b": "$.ticket_id"}}');
select pg_temp.hs('{}', '{"a": "$.nothing"}');
select count(*) from cxsig.destination where name like 'crm\_%';

-- and what they can work with is taken
select pg_temp.sf('{"mode": "single"}', '{"A__c": {"$path": "$.churn_risk", "$map": {"high": "High"}}, "Account": {"K__c": "$.account_id"}}') is null as taken;
select pg_temp.hs('{"path": "/crm/objects/2026-03/{type}"}') is null as taken;
select name, history, batch_size, batch_linger_ms, concurrency from cxsig.destination where name like 'crm\_%' order by name;
select cxsig.drop_destination('crm_sf'), cxsig.drop_destination('crm_hs');
