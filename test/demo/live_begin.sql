-- live_begin.sql: the live part starts with the first of its lines.

update demo.receiver set live_since = clock_timestamp();
select setval('demo.live_number', min(n), false) from demo.line where file = 'live_signals.jsonl';
