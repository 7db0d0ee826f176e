-- What a vendor's words mean: sources, value maps, tags, metrics; and what was never mapped.
-- Rolled back at the end.
\set ON_ERROR_ROLLBACK on
\set SHOW_CONTEXT never
begin;
create function pg_temp.recorded(input jsonb) returns cxsig.event language plpgsql as $$
declare
    answer cxsig.ingest_result := cxsig.ingest(input);
    found  cxsig.event;
begin
    select e.* into found from cxsig.event e where e.event_id = answer.event_id;
    return found;
end
$$;
create function pg_temp.sig(change jsonb) returns jsonb language sql as $$
    select '{"ticket_id": "T-1", "occurred_at": "2026-03-01T10:00:00Z", "source_system": "tax",
             "evidence_url": "https://help.example.com/1"}'::jsonb || change
$$;
select cxsig.fold('  Billing - Issue__Now '), cxsig.fold('');

-- values
select outcome, detail from cxsig.ingest(pg_temp.sig('{"churn_risk": "Yes!"}'), 'quarantine');
select cxsig.define_source('tax', 'test', null, '{"churn_risk": {"Yes!": "High", "7": "medium"}, "sentiment": {"so so": "mixed"},
    "confidence": {"High": "0.9"}, "effort": {"low": "high"}}');
select churn_risk, churn_score, sentiment, sentiment_end, confidence, effort
  from pg_temp.recorded(pg_temp.sig('{"churn_risk": "YES!", "sentiment": "So-So", "sentiment_end": "so_so", "confidence": "high", "effort": "low"}'));
select churn_risk from pg_temp.recorded(pg_temp.sig('{"ticket_id": "T-2", "churn_risk": 7}'));
select cxsig.map_value('tax', 'sentiment', 'so so', 'neutral');
select sentiment from pg_temp.recorded(pg_temp.sig('{"ticket_id": "T-3", "sentiment": "so so"}'));
select cxsig.map_value('tax', 'sentiment', 'meh', 'bored');
select cxsig.map_value('tax', 'confidence', 'meh', '1.5');
select cxsig.map_value('tax', 'mood', 'meh', 'mixed');
select cxsig.map_value('tax', 'sentiment', ' ', 'mixed');
select cxsig.define_source('no spaces');
select cxsig.define_source('tax', evidence_hosts => array['https://x']);
select cxsig.define_source('tax', "values" => '[1]');
-- what is not given stays
select cxsig.define_source('tax', evidence_hosts => array['Help.Example.com']);
select source_system, description, evidence_hosts from cxsig.source where source_system = 'tax';

-- tags: while none is defined, a canonical tag is taken as it comes
select canonical_tag, driver from pg_temp.recorded(pg_temp.sig('{"ticket_id": "T-4", "canonical_tag": "Free For All"}'));
select cxsig.define_tag('billing_issue', 'billing');
select cxsig.define_driver('billing', 'Billing');
select cxsig.define_driver('access');
select cxsig.define_tag('billing_issue', 'billing', 'Billing issue');
select cxsig.define_tag('login_problem', 'access');
select cxsig.map_tag('Billing Issue', 'nope');
select cxsig.map_tag('', 'billing_issue');
select cxsig.map_tag('Billing Issue', 'billing_issue');
select cxsig.map_tag('invoice', 'login_problem', 'other');
select canonical_tag, driver, raw_tags
  from pg_temp.recorded(pg_temp.sig('{"ticket_id": "T-5", "raw_tags": ["Invoice", "billing-issue", "Odd"]}'));
-- the source's own mapping goes first; an explicit tag goes before all, with its driver
select cxsig.map_tag('billing issue', 'login_problem', 'other');
select canonical_tag, driver
  from pg_temp.recorded(pg_temp.sig('{"ticket_id": "T-6", "source_system": "other", "raw_tags": ["billing issue"]}'));
select canonical_tag, driver
  from pg_temp.recorded(pg_temp.sig('{"ticket_id": "T-7", "raw_tags": ["billing issue", "odd"], "canonical_tag": "Login Problem"}'));
select cxsig.ingest(pg_temp.sig('{"ticket_id": "T-8", "canonical_tag": "shipping"}'));

-- unmapped tags are counted, with an example
select outcome from cxsig.ingest_batch(jsonb_build_array(
    pg_temp.sig('{"ticket_id": "T-9", "raw_tags": ["ODD", "odd", "dark mode"]}'),
    pg_temp.sig('{"ticket_id": "T-9", "raw_tags": ["odd"], "occurred_at": "2026-03-01T11:00:00Z"}'),
    pg_temp.sig('{"ticket_id": "T-10", "raw_tags": ["odd"], "canonical_tag": "login_problem"}')));
select source_system, raw_tag, events, tickets, example_ticket, evidence_url from cxsig.unmapped_tags
 where source_system in ('tax', 'other') order by raw_tag;

-- mapped later: the newest signals it changes go out again, those that name their own tag do not
select cxsig.map_tag('odd', 'billing_issue', 'tax', re_emit => true);
select cxsig.map_tag('odd', 'billing_issue', 'tax', re_emit => true);
select e.ticket_id, e.event_type, e.version, e.canonical_tag, e.driver, e.raw_tags, c.version as corrects,
       e.occurred_at = c.occurred_at as same_time, e.stale
  from cxsig.event e join cxsig.event c on c.event_id = e.corrects
 where e.source_system = 'tax' order by e.ticket_id;
select source_system, raw_tag, events from cxsig.unmapped_tags where source_system in ('tax', 'other') order by raw_tag;
-- a tag that was derived and is mapped otherwise by now
select outcome from cxsig.ingest(pg_temp.sig('{"ticket_id": "T-14", "raw_tags": ["odd"]}'));
-- and mapped otherwise
select cxsig.map_tag('odd', 'login_problem', 'tax', true);
select ticket_id, version, canonical_tag from cxsig.event where ticket_id = 'T-9' order by version;

-- metrics with a type
select cxsig.define_metric('upsell', 'boolean');
select cxsig.define_metric('seats', 'integer');
select cxsig.define_metric('mrr', 'number', unit => 'EUR');
select cxsig.define_metric('reason', 'text', array['price', 'quality']);
select cxsig.define_metric('renewal', 'timestamp');
select cxsig.define_metric('bad', 'money');
select cxsig.define_metric('bad', 'number', array['1']);
select custom_metrics from pg_temp.recorded(pg_temp.sig('{"ticket_id": "T-11", "custom_metrics":
    {"upsell": "Yes", "seats": "42", "mrr": "1.5e3", "reason": "price", "renewal": "2026-12-31 23:00-01:00", "free": "42"}}'));
select cxsig.ingest(pg_temp.sig('{"ticket_id": "T-12", "custom_metrics": {"upsell": "maybe"}}'));
select cxsig.ingest(pg_temp.sig('{"ticket_id": "T-12", "custom_metrics": {"seats": 1.5}}'));
select cxsig.ingest(pg_temp.sig('{"ticket_id": "T-12", "custom_metrics": {"mrr": "lots"}}'));
select cxsig.ingest(pg_temp.sig('{"ticket_id": "T-12", "custom_metrics": {"reason": "mood"}}'));
select cxsig.ingest(pg_temp.sig('{"ticket_id": "T-12", "custom_metrics": {"renewal": "soon"}}'));

-- accounts
select cxsig.upsert_account('', 'x');
select cxsig.upsert_account('A', crm_ids => '[]');

-- a change that is rolled back is forgotten
savepoint before;
select cxsig.map_value('tax', 'sentiment', 'grumpy', 'negative');
select outcome from cxsig.ingest(pg_temp.sig('{"ticket_id": "T-13", "sentiment": "grumpy"}'), 'quarantine');
rollback to before;
select outcome from cxsig.ingest(pg_temp.sig('{"ticket_id": "T-13", "sentiment": "grumpy"}'), 'quarantine');
rollback;
