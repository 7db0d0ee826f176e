-- A filter is a predicate that is true, or a path that finds something; one that fails on an event
-- leaves it out.
\set VERBOSITY terse
\set ON_ERROR_ROLLBACK on
begin;
insert into cxsig.event
    (event_id, event_type, occurred_at, recorded_at, source_system, ticket_id, account_id, version,
     idempotency_key, sentiment, churn_risk, churn_score, raw_tags, custom_metrics, evidence_url,
     account)
values
    ('01a20ca5-b903-774b-afe1-70a582e099d1', 'signal.updated', '2026-11-24 07:21:57.123456+00',
     '2026-11-24 08:21:57.123+00', 'zendesk', 'T-42', 'A-7', 3, 'k', 'very_negative', 'high', 0.82,
     '{"Billing Issue",refund}', '{"mrr": 1200.50}', 'https://acme.example/tickets/42',
     '{"name": "Acme", "plan": "pro"}');

create temp table filters (id serial, wanted boolean, filter jsonpath, kind text default 'predicate');
insert into filters (wanted, filter) values
    (true, null),
    (true, '$.churn_risk == "high"'),
    (false, '$.churn_risk == "low"'),
    (true, '$.churn_risk == "high" && $.churn_score > 0.8'),
    (false, '$.churn_risk == "high" && $.churn_score > 0.9'),
    (true, '$.driver == "billing" || $.account.plan == "pro"'),
    (true, '!($.sentiment == "positive")'),
    (true, '$.raw_tags[*] == "refund"'),
    (true, '$.raw_tags[*] like_regex "^billing" flag "i"'),
    (true, '$.ticket_id starts with "T-"'),
    (true, 'exists($.custom_metrics.mrr ? (@ > 1000))'),
    (false, 'exists($.model)'),
    (true, '$.version > 2'),
    (true, '$.occurred_at >= "2026-11-24" && $.occurred_at < "2026-11-25"'),
    (true, '$.stale == false'),
    -- unknown, wrong type, errors: no match
    (false, '$.driver == "billing"'),
    (false, '$.ticket_id > 5'),
    (false, 'strict $.driver == "billing"'),
    (false, '$.ticket_id.double() > 1'),
    (false, '$.ticket_id.datetime() > "2026-01-01".datetime()'),
    (false, '"2026-01-01".datetime() < "2026-01-01 00:00:00+01".datetime()'),
    (false, '$ == "T-42"'),
    -- quoted names, and strings that look like parts of a path
    (true, '$."churn_risk" == "high"'),
    (false, '$.churn_risk == "$.*"'),
    (false, '$.churn_risk == "\" * $\"x"');
-- paths that are no predicate pass the event where they find something, even false
insert into filters (wanted, filter, kind) values
    (true, '$ ? (@.churn_risk == "high")', 'exists'),
    (false, '$ ? (@.churn_risk == "low")', 'exists'),
    (true, '$.account', 'exists'),
    (false, '$.driver', 'exists'),
    (true, '$.stale', 'exists'),
    (true, '$.**.plan ? (@ == "pro")', 'exists'),
    (true, '$.* ? (@ == "T-42")', 'exists'),
    (true, '$.keyvalue() ? (@.key == "churn_risk" && @.value == "high")', 'exists'),
    (true, 'strict $.account.plan', 'exists'),
    (false, 'strict $.account.nope', 'exists');

-- every one decides as it should
select id, wanted, filter
from filters
where (cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1', 'crm', null, filter) is not null)
      is distinct from wanted;
select count(*) as tried, count(*) filter (where wanted) as passed from filters;

-- in a statement over many events too
select f.id, f.wanted, f.filter
from filters f, cxsig.event e
where e.event_id = '01a20ca5-b903-774b-afe1-70a582e099d1'
  and (f.filter is null or cxsig._matches(e, f.filter)) is distinct from f.wanted;

-- and as PostgreSQL decides on the whole event with @@ or @?
select f.id, f.wanted, f.filter
from filters f, cxsig.event_json('01a20ca5-b903-774b-afe1-70a582e099d1') e
where f.filter::text not like '%datetime%'
  and f.wanted is distinct from
      coalesce(case when f.kind = 'predicate' then e @@ f.filter else e @? f.filter end, false);

-- the time zone of the session decides nothing
set timezone = 'Pacific/Auckland';
select cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1', 'crm', null,
                     '$.occurred_at < "2026-11-24T08"') is not null as passes;
reset timezone;

-- a variable can never have a value
select cxsig.preview('01a20ca5-b903-774b-afe1-70a582e099d1', 'crm', null, '$.churn_risk == $level');
rollback;
