-- setup.sql: what the measurements need beside the extension. All signals come from bench.signal(),
-- so that every part, and the baselines too, handle the same content.

create extension cxsig;

select cxsig.upsert_account('A-' || i, 'Example Bakeries ' || i, 'growth', 'j.doe')
  from generate_series(1000, 1079) i;

create schema bench;
create sequence bench.number;

-- What a helpdesk's AI says of a ticket: a sentiment in words, a score, a tag in its own spelling.
create function bench.signal(n bigint, ticket bigint) returns jsonb language sql volatile as $$
    select jsonb_build_object(
        'ticket_id', 'ZD-' || ticket, 'account_id', 'A-' || (1000 + ticket % 80),
        'source_system', 'zendesk', 'idempotency_key', 'signal-' || n,
        'occurred_at', clock_timestamp(), 'sentiment', 'Very Negative', 'churn_score', 0.82,
        'effort', 'medium', 'confidence', 0.9, 'model', 'cx-large-1',
        'raw_tags', jsonb_build_array('Billing Issue'),
        'custom_metrics', jsonb_build_object('reason_for_churn', 'price', 'seats_at_risk', 12),
        'evidence_url', 'https://helpdesk.acme.example/agent/tickets/' || ticket || '#' || n)
$$;

-- Ingests batches of 1,000, a transaction each, until there are so many events or so many seconds
-- went into it. The clock runs for ingest_batch and COMMIT, not while a batch is made up.
create procedure bench.fill(events bigint, seconds double precision, tickets bigint,
                            inout recorded bigint default 0, inout rate double precision default 0)
    language plpgsql as $$
declare
    batch jsonb;
    began timestamptz;
    spent interval := '0';
    good bigint;
begin
    while recorded < events and extract(epoch from spent) < seconds loop
        select jsonb_agg(bench.signal(n.n, n.n % tickets)) into batch
          from (select nextval('bench.number') as n
                  from generate_series(1, least(1000, events - recorded))) n;
        began := clock_timestamp();
        select count(*) filter (where r.outcome = 'inserted') into good
          from cxsig.ingest_batch(batch, 'raise') r;
        commit;
        spent := spent + (clock_timestamp() - began);
        if good <> jsonb_array_length(batch) then
            raise exception '% of % events were not recorded', jsonb_array_length(batch) - good,
                jsonb_array_length(batch);
        end if;
        recorded := recorded + good;
    end loop;
    rate := round(recorded / greatest(extract(epoch from spent), 0.001));
end
$$;

-- The baseline of ingest: the event under a unique key, and a line in a queue.
create table bench.bare_event (source text, key text, payload jsonb, primary key (source, key));
create table bench.bare_queue (position bigint generated always as identity primary key,
                               key text, recorded_at timestamptz default clock_timestamp());

-- The latency part: what the client and the receiver wrote down.
create table bench.paced (event_id uuid, before_us bigint, after_us bigint);
create table bench.arrived (event_id uuid, at_us bigint);
