-- destinations.sql: where the signals go. :sink is the receiver's address.

select cxsig.create_destination('crm', 'webhook',
    jsonb_build_object('url', :'sink' || '/in/crm'),
    '{"projection": "crm", "history": "latest"}');

select cxsig.create_destination('bi', 'webhook',
    jsonb_build_object('url', :'sink' || '/in/bi'),
    '{"projection": "bi", "history": "all", "concurrency": 32}');

select cxsig.create_destination('ops', 'webhook',
    jsonb_build_object('url', :'sink' || '/in/ops'),
    '{"projection": "ops", "history": "all", "filter": "$.churn_risk == \"high\""}');
