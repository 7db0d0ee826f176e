select cxsig.ingest(line::jsonb || jsonb_build_object('occurred_at', clock_timestamp())) from demo.line where n = (select nextval('demo.live_number'));
