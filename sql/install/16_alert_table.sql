-- Alerts that a destination has sent to people. The dispatcher writes a row beside the receipts; it is
-- updated while the alert is open, at most once with each batch of receipts.

create table cxsig.alert (
    destination_id   integer not null,
    position         bigint not null,
    key              text not null,
    condition        text not null,
    event_id         uuid not null,
    last_event_id    uuid not null,
    ticket_id        cxsig.ticket_id not null,
    account_id       cxsig.account_id,
    occurred_at      timestamptz not null,
    recorded_at      timestamptz not null,
    last_sent_at     timestamptz not null,
    last_signal_at   timestamptz not null,
    folded           bigint not null,
    folded_in_all    bigint not null,
    resolved_at      timestamptz,
    resolved_by      uuid,
    tickets          text[],
    ticket_positions bigint[],
    primary key (destination_id, position)
) with (fillfactor = 50);
create index alert_open on cxsig.alert (destination_id) where resolved_at is null;
comment on table cxsig.alert is 'alerts that were sent to people, open and resolved; see the view alerts';
comment on column cxsig.alert.destination_id is 'the destination';
comment on column cxsig.alert.position is 'position in the outbox of the event that opened it';
comment on column cxsig.alert.key is 'names it to the remote: the same in each of its messages';
comment on column cxsig.alert.condition is 'name of the condition';
comment on column cxsig.alert.event_id is 'the event that opened it';
comment on column cxsig.alert.last_event_id is 'the newest event that met the condition';
comment on column cxsig.alert.ticket_id is 'ticket of the event that opened it';
comment on column cxsig.alert.account_id is 'its account';
comment on column cxsig.alert.occurred_at is 'since when: when the signal that opened it was true';
comment on column cxsig.alert.recorded_at is 'partition key in event of the event that opened it';
comment on column cxsig.alert.last_sent_at is 'when the last message about it was sent';
comment on column cxsig.alert.last_signal_at is 'when the newest signal that met the condition was true';
comment on column cxsig.alert.folded is 'signals that met the condition since the last message, without one of their own';
comment on column cxsig.alert.folded_in_all is 'the same since it was opened';
comment on column cxsig.alert.resolved_at is 'when it was over; null while it is open';
comment on column cxsig.alert.resolved_by is 'the event that ended it';
comment on column cxsig.alert.tickets is 'tickets of which the condition holds, 1,000 at most; it is over when it holds of none of them';
comment on column cxsig.alert.ticket_positions is 'position of the newest event that said so, for each of them';

create function cxsig._alert_condition(transport text) returns text
    language c stable strict parallel unsafe
    as 'MODULE_PATHNAME', 'cxsig_alert_condition';
comment on function cxsig._alert_condition(text) is
    'internal: the condition of a transport''s alerts where the config has none; null where it alerts nobody; raises where there is no such transport';

create function cxsig._alert_options(destination cxsig.destination, options jsonb) returns cxsig.destination
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    d alias for destination;
begin
    if cxsig._alert_condition(d.transport) is null then
        return d;
    end if;
    if d.history = 'latest' then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('option "history" cannot be "latest" with transport "%s"', d.transport),
            hint = 'Signals fold into the alert that is open; each has to be looked at.';
    end if;
    -- What folds is kept in order.
    if not options ? 'order_scope' and d.config #>> '{noise,per}' = any (array['ticket', 'account']) then
        d.order_scope := d.config #>> '{noise,per}';
    end if;
    return d;
end
$$;
comment on function cxsig._alert_options(cxsig.destination, jsonb) is
    'internal: a destination with the options that follow from its noise; as it is where its transport alerts nobody';
