-- A mapping makes any object of an event, and functions cannot be called from one.
\set VERBOSITY terse
\set ON_ERROR_ROLLBACK on
begin;
insert into cxsig.event
    (event_id, event_type, occurred_at, recorded_at, source_system, ticket_id, account_id, version,
     idempotency_key, sentiment, churn_risk, churn_score, raw_tags, custom_metrics, evidence_url,
     quotes, account)
values
    ('01a20ca5-b903-774b-afe1-70a582e099d1', 'signal.updated', '2026-11-24 07:21:57.123456+00',
     '2026-11-24 08:21:57.123+00', 'zendesk', 'T-42', 'A-7', 3, 'zendesk:T-42:3', 'very_negative',
     'high', 0.82, '{"Billing Issue",refund}', '{"mrr": 1200.50, "reason": null}',
     'https://acme.example/tickets/42', '{"Twice!"}',
     '{"name": "Acme", "crm_ids": {"salesforce": "001A"}}');
create function pg_temp.mapped(template jsonb) returns jsonb language sql
as $$ select cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1', 'crm', template) $$;

-- leaves that start with $ are paths, others stand as they are
select jsonb_pretty(pg_temp.mapped('{
    "attributes": {"type": "CX_Signal__c", "retries": 3, "nothing": null, "on": true, "list": [1, "two"]},
    "Ticket__c": "$.ticket_id",
    "Account": {"External_Id__c": "$.account.crm_ids.salesforce", "Name": "$.account.name"},
    "Score__c": "$.churn_score",
    "High_Risk__c": "$.churn_risk == \"high\"",
    "First_Tag__c": "$.raw_tags[0]",
    "Tags__c": "$.raw_tags",
    "Mrr__c": "$.custom_metrics.mrr",
    "Price": "$$12",
    "Text": "costs $5"}'));

-- a path that finds nothing takes its member or element away; a null that is there stays
select pg_temp.mapped('{"a": "$.driver", "b": ["$.driver", "$.ticket_id", "$.model"], "c": {"d": "$.model"}, "e": "$.custom_metrics.reason"}');
select pg_temp.mapped('{"only": "$.driver"}') as nothing_left, pg_temp.mapped('{}') as empty;

-- a path that fails on this event finds nothing
select pg_temp.mapped('{"sum": "$.ticket_id + 1", "zone": "$.raw_tags[0].datetime()", "ok": 1}');

-- the event itself, and wildcards
select pg_temp.mapped('{"data": "$"}') -> 'data'
       = cxsig.event_json('01a20ca5-b903-774b-afe1-70a582e099d1') as whole;
select pg_temp.mapped('{"data": "$ ? (@.churn_risk == \"high\")"}') -> 'data'
       = cxsig.event_json('01a20ca5-b903-774b-afe1-70a582e099d1') as whole_where_high;
select pg_temp.mapped('{"any": "$.* ? (@ == \"T-42\")", "deep": "$.**.salesforce", "pair": "$.keyvalue() ? (@.key == \"version\").value"}');

-- keys are taken as data, whatever they hold
select pg_temp.mapped('{"a\"b\\c": "$.ticket_id", "": 1, "$.ticket_id": "x", "ü": "$.version"}');

-- a value map takes what is found to another value; a webhook leaves out what it has nothing for
select pg_temp.mapped('{"a": {"$path": "$.churn_risk", "$map": {"high": "High"}}, "b": {"$path": "$.version", "$map": {"3": 300}}, "c": {"$path": "$.sentiment", "$map": {"positive": 1}, "$else": 0}, "d": {"$path": "$.driver", "$map": {}, "$else": "none"}, "e": {"$path": "$.sentiment", "$map": {"positive": 1}}, "f": {"$path": "$.driver", "$omit": true}}');
select pg_temp.mapped('{"Risk__c": {"$path": "$.churn_risk", "$maps": {}}}');
select pg_temp.mapped('{"Risk__c": {"$map": {"high": 1}}}');
select pg_temp.mapped('{"Risk__c": {"$path": "churn_risk"}}');
select pg_temp.mapped('{"Risk__c": {"$path": "$.churn_risk", "$map": []}}');
select pg_temp.mapped('{"Risk__c": {"$path": "$.churn_risk", "$omit": 1}}');
select pg_temp.mapped('{"Risk__c": {"$path": "$.churn_risk", "label": 1}}');
select pg_temp.mapped('{"deep": [{"Risk__c": {"$path": "$.churn_risk["}}]}');

-- a member that no event has is refused, with the one that is meant
\set SHOW_CONTEXT never
\set VERBOSITY default
select pg_temp.mapped('{"Risk__c": "$.chrun_risk"}');
select pg_temp.mapped('{"Account": {"Name": "$.customer.name"}}');
select pg_temp.mapped('{"Name": "$.account.anything"}');
select cxsig.create_destination('mapped', 'webhook', '{"url": "https://receiver.invalid/"}',
                                '{"mapping": {"risk": "$.risk"}}');
select cxsig.create_destination('mapped', 'webhook', '{"url": "https://receiver.invalid/"}',
                                '{"filter": "$.risk == \"high\""}');
-- and so is what is wrong in a config, by its key
select cxsig.create_destination('mapped', 'webhook', '{"url": "https://receiver.invalid/", "formats": "plain"}');
select cxsig.create_destination('mapped', 'webhook', '{"url": "ftp://receiver.invalid/"}');
select cxsig.create_destination('mapped', 'webhook', '{"url": ""}');
select cxsig.create_destination('mapped', 'webhook', '{}');
select cxsig.create_destination('mapped', 'webhook', '{"url": "https://receiver.invalid/", "format": "xml"}');
select cxsig.create_destination('mapped', 'webhook', '{"url": "https://receiver.invalid/", "headers": {"Authorization": "x"}}');
select cxsig.create_destination('mapped', 'webhook', '{"url": "https://receiver.invalid/", "headers": []}');
select count(*) from cxsig.destination where name = 'mapped';
\set VERBOSITY terse

-- what is wrong is named, with the key it stands under
select pg_temp.mapped('{"ok": 1, "Account": {"Name": "$.account..name"}}');
select pg_temp.mapped('{"list": ["$.ticket_id", {"deep": "$["}]}');
select pg_temp.mapped('{"Ticket__c": "$ticket_id"}');
select pg_temp.mapped('{"Ticket__c": "$.raw_tags[*] ? (@ == $tag)"}');
select pg_temp.mapped('{"Ticket__c": "$"}') is not null as alone_is_a_path;
select pg_temp.mapped('["$.ticket_id"]');
select pg_temp.mapped('"$.ticket_id"');
\set VERBOSITY default
select pg_temp.mapped('{"Ticket__c": "$."}');
\set VERBOSITY terse
rollback;
