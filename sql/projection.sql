-- What a destination is sent: the same event always as the same members, nulls left out.
-- Everything happens in a transaction that is rolled back, so that no worker sees it.
\set VERBOSITY terse
\set ON_ERROR_ROLLBACK on
set timezone = 'America/New_York';
begin;
insert into cxsig.event
    (event_id, event_type, occurred_at, recorded_at, source_system, ticket_id, account_id, version,
     idempotency_key, sentiment, sentiment_start, sentiment_end, churn_risk, churn_score, effort,
     effort_score, confidence, model, canonical_tag, driver, raw_tags, custom_metrics, evidence_url,
     quotes, account, corrects, traceparent, tracestate, backfill, stale)
values
    ('01a20ca5-b903-774b-afe1-70a582e099d1', 'signal.updated', '2026-11-24 07:21:57.123456+00',
     '2026-11-24 08:21:57.123+00', 'zendesk', 'T-42', 'A-7', 3, 'zendesk:T-42:3', 'very_negative',
     'neutral', 'negative', 'high', 0.82, 'medium', 0.5, 1e-7, 'cx-7', 'billing_error', 'billing',
     '{"Billing Issue",double\\charge}', '{"reason_for_churn": "price", "mrr": 1200.50}',
     'https://acme.example/tickets/42#c1', array[E'I was charged "twice",\n[again]', 'Cancel my plan'],
     '{"name": "Acme \"{}\" GmbH", "plan": "pro", "owner": "kim", "crm_ids": {"salesforce": "001A", "hubspot": "77"}, "custom": {"name": "not this one"}}',
     '01a20ca5-b903-774b-afe1-70a582e099d0', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
     'vendor=1', false, true),
    -- the least an event can be, recorded long after the time in its id
    ('01a20ca5-b903-774b-afe1-70a582e099d2', 'signal.created', '1999-12-31 23:59:59.999999+00',
     '2026-11-25 00:00:00+00', 'csv', 'T-1', null, 1, 'k', null, null, null, null, null, null, null,
     null, null, null, null, null, null, 'https://acme.example/1', null, null, null, null, null, true,
     false);
insert into cxsig.event (event_id, event_type, occurred_at, recorded_at, source_system, ticket_id,
                         version, idempotency_key, evidence_url, quotes, account, raw_tags)
values ('01a20ca5-b903-774b-afe1-70a582e099d3', 'signal.created', '2024-02-29 12:00:00+00',
        '2026-11-24 08:21:57.123+00', 'csv', 'T-2', 1, 'k2', 'https://acme.example/2', '{}',
        '{"name": null, "crm_ids": {}}', '{}');

-- bi: the whole canonical event, the same as event_json
select jsonb_pretty(cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1', 'bi'));
select cxsig.preview(event_id, 'bi') = cxsig.event_json(event_id) as same
from cxsig.event where event_id::text like '01a20ca5-b903-774b-afe1-70a582e099d_';

-- its members are the columns of the log, those that are not null
select array_agg(key order by key) as missing
from (select key from cxsig.event e, jsonb_each(to_jsonb(e)) where ticket_id = 'T-42' and value <> 'null'
      except
      select jsonb_object_keys(cxsig.event_json('01a20ca5-b903-774b-afe1-70a582e099d1'))) m;

-- crm: of the account its name and ids, and stale and corrects where they are set
select jsonb_pretty(cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1'));
-- ops: the first quote, the link, stale where it is set
select jsonb_pretty(cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1', 'ops'));

-- nulls are left out, and of the projections an account or quotes with nothing in them
select ticket_id, projection,
       (select string_agg(k, ' ') from jsonb_object_keys(cxsig.preview(event_id, projection)) k) as members
from cxsig.event, unnest(array['crm', 'ops', 'bi']) projection
where ticket_id in ('T-1', 'T-2') and source_system = 'csv'
order by ticket_id, projection;
select jsonb_pretty(cxsig.event_json('01a20ca5-b903-774b-afe1-70a582e099d2'));

-- no setting changes what is sent
set datestyle = 'German, DMY';
set timezone = 'Asia/Kolkata';
set extra_float_digits = -10;
set intervalstyle = 'sql_standard';
select cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1') ->> 'occurred_at' as occurred_at,
       cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1') -> 'churn_score' as churn_score,
       cxsig.event_json('01a20ca5-b903-774b-afe1-70a582e099d1') -> 'confidence' as confidence;
reset datestyle;
reset extra_float_digits;
reset intervalstyle;

-- what is wrong is named
select cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1', 'everything');
select cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1', null);
select cxsig.preview('00000000-0000-0000-0000-000000000000');
select cxsig.preview(null);
select cxsig.event_json('00000000-0000-0000-0000-000000000000') is null as not_there;
rollback;
reset timezone;
