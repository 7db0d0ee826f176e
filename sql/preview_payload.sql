-- What would be sent can be seen before it is, and what of a mapping finds nothing; never a secret.
set client_min_messages = error;
begin;
insert into cxsig.event
    (event_id, event_type, occurred_at, recorded_at, source_system, ticket_id, account_id, version,
     idempotency_key, sentiment, churn_risk, evidence_url)
values
    ('01a20ca5-b903-774b-afe1-70a582e099d1', 'signal.updated', '2026-11-24 07:21:57.123456+00',
     '2026-11-24 08:21:57.123+00', 'zendesk', 'T-42', 'A-7', 3, 'zendesk:T-42:3', 'very_negative',
     'high', 'https://acme.example/tickets/42');
select cxsig.create_destination('previewed', 'webhook',
    '{"url": "https://receiver.invalid/in/", "format": "plain", "headers": {"Authorization": {"secret": "key"}, "X-Team": "a"}}',
    '{"mapping": {"ticket": "$.ticket_id", "driver": "$.driver", "mood": {"$path": "$.sentiment", "$map": {"positive": "+"}},
                  "risk": {"$path": "$.churn_risk", "$map": {"high": "High"}}, "source": "cxsig"}}') > 0 as made;
select cxsig.set_secret('previewed', 'key', 'Bearer do-not-show');
\x on
select method, url, headers - 'webhook-timestamp' - 'traceparent' as headers, body, unmapped
    from cxsig.preview_payload('previewed', '01a20ca5-b903-774b-afe1-70a582e099d1');
select cxsig.alter_destination('previewed', options => '{"filter": "$.churn_risk == \"low\""}');
select * from cxsig.preview_payload('previewed', '01a20ca5-b903-774b-afe1-70a582e099d1');
\x off
-- the request of a CRM with the token hidden, and why there is none
select cxsig.create_destination('crm', 'salesforce',
    '{"url": "https://acme.invalid", "object": "CX_Signal__c", "external_id": {"field": "Key__c"},
      "auth": {"flow": "client_credentials", "client_id": "c"}}',
    '{"mapping": {"Mood__c": {"$path": "$.sentiment", "$map": {"very_negative": "Angry"}}, "Driver__c": "$.driver",
                  "Version__c": "$.version"}}') > 0 as made;
select cxsig.create_destination('desk', 'zendesk', '{"url": "https://acme.invalid", "auth": {"flow": "bearer"}}',
    '{"mapping": {"custom_fields": {"360001": "$.version"}}}') > 0 as made;
select cxsig.create_destination('oncall', 'pagerduty', '{"noise": {"per": "account"}}') > 0 as made;
select cxsig.create_destination('team', 'slack', '{}') > 0 as made;
\x on
select * from cxsig.preview_payload('crm', '01a20ca5-b903-774b-afe1-70a582e099d1');
select * from cxsig.preview_payload('desk', '01a20ca5-b903-774b-afe1-70a582e099d1');
select method, url, jsonb_pretty(body::jsonb) as body from cxsig.preview_payload('oncall', '01a20ca5-b903-774b-afe1-70a582e099d1');
select method, url, body::jsonb ->> 'text' as text from cxsig.preview_payload('team', '01a20ca5-b903-774b-afe1-70a582e099d1');
\x off
savepoint a;
select * from cxsig.preview_payload('previewed', '01a20ca5-b903-774b-afe1-70a582e099d2');
rollback to a;
select * from cxsig.preview_payload('nobody', '01a20ca5-b903-774b-afe1-70a582e099d1');
rollback;
