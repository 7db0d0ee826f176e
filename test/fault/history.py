"""history: what the database says, what the receivers saw and what the writers know, gathered after a
run as plain values. The checker reads nothing else.
"""
from collections import namedtuple

import pq
from world import DESTINATIONS

Event = namedtuple("Event", "id ticket account source key version stale backfill churn_risk occurred_us "
                            "positions txid")
Receipt = namedtuple("Receipt", "position event_id outcome superseded_by sent_us finished_us")
Arrival = namedtuple("Arrival", "at_us id ticket version status key_header")
# What a sender is shown of a fault of this kind can leave it in doubt about what was taken.
UNCLEAR_ANSWERS = {"reset", "slow_bytes", "gigabyte", "half_open", "refuse"}

EVENTS = """
select e.event_id, e.ticket_id, e.account_id, e.source_system, e.idempotency_key, e.version, e.stale,
    e.backfill, e.churn_risk, (extract(epoch from e.occurred_at) * 1000000)::bigint, o.positions, o.txid
from cxsig.event e
    left join (select event_id, string_agg(position::text, ' ') as positions, min(txid::text::bigint) as txid
               from cxsig.outbox group by event_id) o using (event_id)
"""
RECEIPTS = """
select d.name, v.position, v.event_id, v.outcome, v.superseded_by,
    (extract(epoch from v.sent_at) * 1000000)::bigint, (extract(epoch from v.finished_at) * 1000000)::bigint
from cxsig.delivery v join cxsig.destination d using (destination_id)
"""
FILTERED = "select name, filtered from cxsig.destination_status"
WAITING = """
select d.name, r.event_id::text from cxsig.retry r join cxsig.destination d using (destination_id)
union all
select 'prepared transaction', gid from pg_prepared_xacts
"""
LETTERS = """
select d.name, l.event_id from cxsig.dead_letter l join cxsig.destination d using (destination_id)
"""


class History:
    def __init__(self):
        self.events = {}        # id -> Event
        self.destinations = {}  # name -> options, as in world.DESTINATIONS
        self.receipts = {}      # name -> [Receipt]
        self.arrivals = {}      # name -> [Arrival] in the order of arrival
        self.counters = {}      # name -> the receiver's own counters
        self.filtered = {}      # name -> how many the destination says its filter left out
        self.waiting = []       # (where, what) that has no outcome
        self.letters = {}       # name -> [event id] of the dead letters
        self.ledger = []        # what the writers know (writers.Ledger.entries)
        self.findings = []      # what was seen to be wrong on the way
        self.faults = []        # {kind, scope (destinations), from_us, to_us, crash}
        self.shifts = []        # (from_us, to_us, shift_us) of the server's clock


def integer(text):
    return None if text is None else int(text)


def event(row):
    return Event(*row[:5], int(row[5]), row[6] == "t", row[7] == "t", row[8], int(row[9]),
                 [int(p) for p in (row[10] or "").split()], integer(row[11]))


def arrival(attempt):
    return Arrival(attempt["at_us"], attempt["id"], attempt["key"], attempt["version"], attempt["status"],
                   attempt["idempotency_key"])


def gather(world, ledger):
    history = History()
    history.destinations = dict(DESTINATIONS)
    history.faults, history.shifts = list(world.done), list(world.server.shifts)
    history.ledger = ledger.entries
    history.findings = world.findings + ledger.findings
    for name in DESTINATIONS:
        attempts, history.counters[name] = world.receiver_of(name).history(name)
        history.arrivals[name] = [arrival(attempt) for attempt in attempts]
        history.receipts[name], history.letters[name] = [], []
    with world.server.connect() as conn:
        for row in conn.rows(EVENTS):
            history.events[row[0]] = event(row)
        for name, position, event_id, outcome, newer, sent, finished in conn.rows(RECEIPTS):
            history.receipts[name].append(
                Receipt(int(position), event_id, outcome, newer, integer(sent), int(finished)))
        history.filtered = {name: int(n) for name, n in conn.rows(FILTERED)}
        history.waiting = conn.rows(WAITING)
        for name, event_id in conn.rows(LETTERS):
            history.letters[name].append(event_id)
    return history


__all__ = ["Arrival", "Event", "History", "Receipt", "UNCLEAR_ANSWERS", "gather", "pq"]
