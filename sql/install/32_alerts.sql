-- What people were alerted about.

create view cxsig.alerts as
select coalesce(d.name, pg_catalog.format('(dropped %s)', a.destination_id)) as destination,
       a.condition,
       case when a.resolved_at is null then 'open' else 'resolved' end as state,
       coalesce(e.account ->> 'name', a.account_id::text) as who,
       a.ticket_id::text as ticket_id,
       a.account_id::text as account_id,
       a.occurred_at as since,
       a.last_sent_at,
       a.last_signal_at,
       a.folded_in_all as folded,
       pg_catalog.cardinality(a.tickets) as tickets,
       a.resolved_at,
       a.key,
       a.event_id,
       e.evidence_url::text as evidence_url
from cxsig.alert a
    left join cxsig.destination d on d.destination_id = a.destination_id
    left join cxsig.event e on e.event_id = a.event_id and e.recorded_at = a.recorded_at
where a.resolved_at is null
   or a.resolved_at > pg_catalog.now() - interval '7 days'
order by a.resolved_at desc nulls first, a.occurred_at desc;
comment on view cxsig.alerts is 'alerts that are open, and those resolved within seven days';
comment on column cxsig.alerts.destination is 'whom it was sent to';
comment on column cxsig.alerts.condition is 'name of the condition that was met';
comment on column cxsig.alerts.state is 'open or resolved';
comment on column cxsig.alerts.who is 'the account: its name when the alert was opened, else its id';
comment on column cxsig.alerts.ticket_id is 'the ticket that opened it; cxsig.history() tells its story';
comment on column cxsig.alerts.account_id is 'its account';
comment on column cxsig.alerts.since is 'when the signal that opened it was true';
comment on column cxsig.alerts.last_sent_at is 'when the last message about it was sent; one more than the window later is a reminder';
comment on column cxsig.alerts.last_signal_at is 'when the newest signal that met the condition was true';
comment on column cxsig.alerts.folded is 'signals that met the condition since it was opened, without a message of their own';
comment on column cxsig.alerts.tickets is 'tickets of which the condition holds now, 1,000 at most';
comment on column cxsig.alerts.resolved_at is 'when it was over; null while it is open';
comment on column cxsig.alerts.key is 'its key, the same in each of its messages';
comment on column cxsig.alerts.event_id is 'the event that opened it';
comment on column cxsig.alerts.evidence_url is 'link to the words the customer wrote; null once retention has dropped the event';
