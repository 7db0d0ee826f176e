"""writers: the applications. Each is a client of its own that notes what it knows to be committed,
what to be rolled back, and what it cannot know because the connection went away.
"""
import datetime
import json
import random
import threading
import time

import pq

TICKETS = 120
ACCOUNTS = 15
OPTIONS = {"statement_timeout": "30s", "lock_timeout": "10s"}
COMMITTED, ABORTED, UNKNOWN = "committed", "aborted", "unknown"


class Ledger:
    """What the writers know. Entries: {tx, source, key, ticket, event_id, state, signal}."""

    def __init__(self):
        self.lock = threading.Lock()
        self.entries = []
        self.findings = []
        self.next_tx = 0
        self.last_us = 0

    def transaction(self):
        with self.lock:
            self.next_tx += 1
            return self.next_tx

    def note(self, entries):
        with self.lock:
            self.entries.extend(entries)

    def finding(self, text):
        with self.lock:
            self.findings.append(text)

    def moment(self):
        """Now, later than any before it, in microseconds."""
        with self.lock:
            self.last_us = max(self.last_us + 1, int(time.time() * 1e6))
            return self.last_us

    def known(self, rng):
        """Some entry whose event is known to be there."""
        with self.lock:
            for _ in range(20):
                entry = rng.choice(self.entries) if self.entries else None
                if entry is not None and entry["state"] == COMMITTED and entry["event_id"]:
                    return entry
        return None


def instant(microseconds):
    moment = datetime.datetime.fromtimestamp(microseconds // 1000000, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + "%06dZ" % (microseconds % 1000000)


class Writer(threading.Thread):
    """Runs its kind of transaction until it is told to stop."""

    def __init__(self, spec, server, ledger, stop):
        super().__init__(name=spec["name"], daemon=True)
        self.kind, self.pause = spec["kind"], spec["pause"]
        self.rng = random.Random(spec["seed"])
        self.server, self.ledger, self.stop = server, ledger, stop
        self.count = 0
        self.conn = None
        self.open = []  # prepared transactions whose end is not known: (gid, wanted, entries)

    def run(self):
        step = getattr(self, "step_" + self.kind)
        while not self.stop.is_set():
            try:
                if self.conn is None:
                    self.conn = self.server.connect(application_name=self.name, **OPTIONS)
                self.finish_prepared()
                step()
            except (pq.Lost, pq.Refused):
                self.disconnect()
                self.stop.wait(0.2)
            except pq.SqlError:
                self.reset()
            self.stop.wait(self.rng.uniform(0.5, 1.5) * self.pause)
        self.disconnect()

    def disconnect(self):
        if self.conn is not None:
            self.conn.close()
            self.conn = None

    def reset(self):
        """After an error: out of the transaction it was in."""
        try:
            self.conn.exec("rollback")
        except (pq.Lost, pq.SqlError):
            self.disconnect()

    # --- signals -----------------------------------------------------------------------------------
    def signal(self, ticket=None, late=0.03, **fields):
        self.count += 1
        number = ticket or self.rng.randint(1, TICKETS)
        at = self.ledger.moment()
        if self.rng.random() < late:
            at -= 86400 * 1000000
        name = "T-%d" % number
        return {"ticket_id": name, "account_id": "A-%d" % (number % ACCOUNTS), "occurred_at": instant(at),
                "source_system": self.kind, "idempotency_key": "%s-%d" % (self.name, self.count),
                "evidence_url": "https://help.example.com/" + name,
                "churn_risk": self.rng.choice(("low", "medium", "high")),
                "sentiment": self.rng.choice(("negative", "neutral", "positive")), **fields}

    def entry(self, tx, signal, event_id=None, state=UNKNOWN):
        return {"tx": tx, "source": signal["source_system"], "key": signal["idempotency_key"],
                "ticket": signal["ticket_id"], "event_id": event_id, "state": state, "signal": signal}

    def tickets(self, count):
        """Different tickets, in an order that cannot deadlock."""
        return sorted(self.rng.sample(range(1, TICKETS + 1), count), key=lambda n: "T-%d" % n)

    def ingest(self, signal):
        event_id, outcome = self.conn.rows(
            "select event_id, outcome from cxsig.ingest(%s)" % pq.literal(json.dumps(signal)))[0]
        return event_id, outcome

    # --- transactions ------------------------------------------------------------------------------
    def transaction(self, body, end="commit"):
        """Run body(entries) in a transaction and end it so; the entries know how it ended."""
        entries = []
        try:
            self.conn.exec("begin")
            body(entries)
        except (pq.SqlError, pq.Lost):
            self.ended(entries, ABORTED)
            raise
        try:
            tag, _ = self.conn.exec(end)
        except pq.Lost:
            self.ended(entries, UNKNOWN if end == "commit" else ABORTED)
            raise
        except pq.SqlError:
            self.ended(entries, ABORTED)
            raise
        self.ended(entries, COMMITTED if tag == "COMMIT" else ABORTED)

    def ended(self, entries, state):
        for entry in entries:
            if entry["state"] == UNKNOWN:
                entry["state"] = state
        self.ledger.note(entries)

    def add(self, entries, tx, signal):
        entry = self.entry(tx, signal)
        entries.append(entry)
        entry["event_id"] = self.ingest(signal)[0]
        return entry

    def step_short(self):
        """One signal; after a lost connection the same again, as an application does."""
        signal = self.signal()
        entry = self.entry(self.ledger.transaction(), signal)
        try:
            entry["event_id"] = self.ingest(signal)[0]
            entry["state"] = COMMITTED
        except pq.SqlError:
            entry["state"] = ABORTED
            raise
        except pq.Lost:
            self.again(entry)
        finally:
            self.ledger.note([entry])

    def again(self, entry):
        while not self.stop.is_set():
            self.disconnect()
            try:
                self.conn = self.server.connect(application_name=self.name, **OPTIONS)
                entry["event_id"] = self.ingest(entry["signal"])[0]
                entry["state"] = COMMITTED
                return
            except (pq.Lost, pq.Refused, pq.SqlError):
                self.stop.wait(0.2)

    def many(self, tickets, dawdle=0.0):
        tx = self.ledger.transaction()

        def body(entries):
            for ticket in tickets:
                self.add(entries, tx, self.signal(ticket))
                if dawdle:
                    self.stop.wait(self.rng.uniform(0, dawdle))
        return body

    def step_long(self):
        self.transaction(self.many(self.tickets(self.rng.randint(1, 4)), dawdle=1.0))

    def step_several(self):
        tickets = self.tickets(self.rng.randint(2, 6))
        self.transaction(self.many(sorted(tickets + tickets[:2], key=lambda n: "T-%d" % n)))

    def step_aborting(self):
        self.transaction(self.many(self.tickets(self.rng.randint(1, 3))),
                         end=self.rng.choice(("rollback", "select 1/0")))

    def step_savepoints(self):
        tx = self.ledger.transaction()
        tickets = self.tickets(4)

        def body(entries):
            self.add(entries, tx, self.signal(tickets[0]))
            for ticket in tickets[1:]:
                self.conn.exec("savepoint s")
                entry = self.add(entries, tx, self.signal(ticket))
                if self.rng.random() < 0.5:
                    self.conn.exec("rollback to s")
                    entry["state"] = ABORTED
                else:
                    self.conn.exec("release s")
        self.transaction(body)

    # --- batches -----------------------------------------------------------------------------------
    def batch(self, signals):
        tx = self.ledger.transaction()
        entries = [self.entry(tx, signal) for signal in signals]
        state = UNKNOWN
        try:
            rows = self.conn.rows("select event_id from cxsig.ingest_batch(%s, 'raise')"
                                  % pq.literal(json.dumps(signals)))
            for entry, (event_id,) in zip(entries, rows):
                entry["event_id"] = event_id
            state = COMMITTED
        except pq.SqlError:
            state = ABORTED
            raise
        finally:
            self.ended(entries, state)

    def step_bulk(self):
        self.batch([self.signal() for _ in range(self.rng.randint(10, 80))])

    def step_backfill(self):
        """Old signals, of tickets that are live and of some that are not."""
        tickets = [self.rng.choice((None, TICKETS + self.rng.randint(1, 40))) for _ in range(20)]
        self.batch([self.signal(ticket, late=1, backfill=True) for ticket in tickets])

    def step_import(self):
        tx = self.ledger.transaction()
        signals = [self.signal() for _ in range(self.rng.randint(5, 40))]
        columns = list(signals[0])
        rows = "".join(",".join(signal[c] for c in columns) + "\n" for signal in signals)
        entries = [self.entry(tx, signal) for signal in signals]
        state = UNKNOWN
        try:
            self.conn.copy("copy cxsig.signal_import (%s) from stdin csv" % ", ".join(columns), rows)
            state = COMMITTED
        except pq.SqlError:
            state = ABORTED
            raise
        finally:
            self.ended(entries, state)

    # --- two phases --------------------------------------------------------------------------------
    def step_prepared(self):
        gid = "%s-%d" % (self.name, self.count)
        entries = []
        body = self.many(self.tickets(self.rng.randint(1, 3)))
        try:
            self.conn.exec("begin")
            body(entries)
        except (pq.SqlError, pq.Lost):
            self.ended(entries, ABORTED)
            raise
        wanted = self.rng.choice(("commit", "commit", "rollback"))
        try:
            tag, _ = self.conn.exec("prepare transaction %s" % pq.literal(gid))
        except pq.SqlError:
            self.ended(entries, ABORTED)
            raise
        except pq.Lost:
            self.open.append((gid, wanted, entries))
            raise
        if tag != "PREPARE TRANSACTION":
            self.ended(entries, ABORTED)
            return
        self.open.append((gid, wanted, entries))
        self.stop.wait(self.rng.uniform(0, 2))
        self.finish_prepared()

    def finish_prepared(self):
        """As a transaction manager does: until each of them is known to be over."""
        while self.open:
            gid, wanted, entries = self.open[0]
            there = self.conn.rows("select from pg_prepared_xacts where gid = %s" % pq.literal(gid))
            if there:
                self.conn.exec("%s prepared %s" % (wanted, pq.literal(gid)))
                self.ended(entries, COMMITTED if wanted == "commit" else ABORTED)
            else:
                # Never prepared, or ended in a call whose answer was lost.
                self.ended(entries, UNKNOWN if wanted == "commit" else ABORTED)
            self.open.pop(0)

    def settle(self):
        """After the run: end what is still prepared."""
        self.conn = self.server.connect(**OPTIONS)
        self.finish_prepared()
        self.disconnect()

    # --- the same again ----------------------------------------------------------------------------
    def step_repeating(self):
        entry = self.ledger.known(self.rng)
        if entry is None:
            return
        event_id, outcome = self.ingest(entry["signal"])
        if outcome != "duplicate" or event_id != entry["event_id"]:
            self.ledger.finding("key %s made event %s; repeated, it answered %s %s"
                                % (entry["key"], entry["event_id"], outcome, event_id))
