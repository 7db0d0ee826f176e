-- load_jsonl.sql: the JSON lines, 200 a call, each call a transaction of its own.

select format($$
    insert into demo.answer
    select 'helpdesk_export.jsonl', outcome, detail
      from cxsig.ingest_batch((select jsonb_agg(demo.as_json(line) order by n)
                                 from demo.line
                                where n between %s and %s))$$, first, first + 199)
  from demo.line, generate_series(1, (select max(n) from demo.line), 200) as first
 group by first
 order by first
\gexec
