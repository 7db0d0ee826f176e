-- Promise: nothing silent, for destinations that alert people. A config that cannot work is refused with
-- the name of its key, and nothing is half-created; the URL that gives access stands in no table a reader
-- sees.
set client_min_messages = error;

create function refused(transport text, config jsonb, options jsonb default '{}') returns text
    language plpgsql
as $$
declare
    hint text;
begin
    perform cxsig.create_destination('alerts_bad', transport, config, options);
    perform cxsig.drop_destination('alerts_bad');
    return 'taken';
exception
    when invalid_parameter_value then
        get stacked diagnostics hint = pg_exception_hint;
        return concat_ws(' | ', sqlerrm, nullif(hint, ''));
end
$$;

\pset format unaligned
\pset tuples_only on

-- Where to: a secret, not a key of the config.
select refused('slack', '{"url": "https://hooks.slack.com/services/T/B/x"}');
select refused('teams', '{"url": "https://x.logic.azure.com/workflows/1"}');
select refused('slack', '{"source": "cx"}');
select refused('pagerduty', '{"url": "ftp://events.example.com"}') ~ '"url"';

-- What there is to alert about.
select refused('slack', '{"condition": "$.churn_risk = high"}');
select refused('slack', '{"condition": "$.churn_risk == $level"}');
select refused('slack', '{"condition": 7}') ~ '"condition"';
select refused('slack', '{"condition_name": "two words"}');
select refused('slack', '{"conditions": "$.churn_risk == \"high\""}') ~ '"conditions"';

-- Noise.
select refused('slack', '{"noise": {"per": "account"}}', '{"order_scope": "ticket"}');
select refused('slack', '{}', '{"order_scope": "none"}');
select refused('slack', '{"noise": {"per": "region"}}') ~ 'per"';
select refused('slack', '{"noise": {"window": "soon"}}');
select refused('slack', '{"noise": {"window": "-1 hour"}}');
select refused('slack', '{"noise": {"window": "2 years"}}');
select refused('slack', '{"noise": {"windows": "1 hour"}}') ~ 'windows"';
select refused('slack', '{"noise": "1 hour"}') ~ '"noise"';

-- How bad, and the link to flag it wrong.
select refused('slack', '{"severity": "bad"}') ~ '"severity"';
select refused('slack', '{"severity": {"high": "worst"}}') ~ 'high"';
select refused('slack', '{"severity": {"highest": "info"}}') ~ 'highest"';
select refused('slack', '{"flag_url": "http://tools.example.com/flag"}');
select refused('slack', '{"flag_url": "https://tools.example.com/{event}"}');
select refused('slack', '{"flag_url": "https://tools.example.com/a b"}');
select refused('slack', '{"flag_url": "https://tools.example.com/a}"}');

-- Options that are for nothing here.
select refused('slack', '{}', '{"mapping": {"text": "$.ticket_id"}}');
select refused('slack', '{}', '{"history": "latest"}');
select refused('slack', '{}', '{"batch_size": 2}') ~ 'batch_size';
select count(*) from cxsig.destination where name = 'alerts_bad';

-- What is right is taken; what folds is kept in order.
select refused('pagerduty', '{}');
select refused('slack', '{"condition": "$.churn_score > 0.9", "condition_name": "churn", "resolve": false,
    "severity": {"high": "critical", "else": "info"}, "noise": {"per": "ticket", "window": "30 min"},
    "flag_url": "https://tools.example.com/flag?e={event_id}&t={ticket_id}"}');
select cxsig.create_destination('alerts_good', 'teams', '{"noise": {"per": "account", "window": "PT2H"}}', '{"paused": true}') > 0;
select order_scope, history from cxsig.destination where name = 'alerts_good';
select cxsig.alter_destination('alerts_good', '{"noise": {"per": "ticket"}}');
select order_scope from cxsig.destination where name = 'alerts_good';

-- The URL is a secret: it cannot be read back, and a test without it says so.
select cxsig.test_destination('alerts_good');
select cxsig.set_secret('alerts_good', 'url', 'https://x.logic.azure.com/workflows/1?sig=hidden');
select d::text ~ 'hidden' from cxsig.destination d where name = 'alerts_good';
select cxsig.drop_destination('alerts_good');

\pset tuples_only off
\pset format aligned
drop function refused(text, jsonb, jsonb);
