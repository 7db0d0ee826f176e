"""world: what a run consists of: the server, the receivers, the destinations, and what was done to
them. The faults act on it, the history is read from it.
"""
import glob
import json
import os
import shutil
import threading
import time

import pq
from certificates import Certificates
from receiver import Receiver
from server import Server, Stuck

FAST = {"retry_initial_ms": 50, "retry_max_ms": 1000, "max_attempts": 1000, "connect_timeout_ms": 1500,
        "total_timeout_ms": 2500, "projection": "bi"}
# name: options beside FAST. What the checker has to know of each is in here too.
DESTINATIONS = {
    "all": {},
    "crm": {"history": "latest"},
    "high": {"filter": "$.churn_risk == \"high\""},
    "accounts": {"order_scope": "account"},
    "picky": {"poison_policy": "skip", "window": 200, "concurrency": 4},
    "held": {"poison_policy": "hold"},
    # Outages are all that happens to these two, and an outage burns no attempts.
    "away": {"max_attempts": 3},
    "quiet": {"max_attempts": 3, "filter": "$.ticket_id == \"T-7\""},
    "sealed": {"history": "latest"},
    "batched": {"batch_size": 20, "batch_linger_ms": 20},
    "array": {"batch_size": 50, "history": "latest", "order_scope": "account"},
}
AWAY = ("away", "quiet")  # those of the receiver that can be stopped
FORMATS = {"batched": "cloudevents_batch", "array": "json_array"}


class World:
    def __init__(self, plan, sink, disk, scratch):
        self.plan, self.sink, self.scratch = plan, sink, scratch
        self.stop = threading.Event()
        self.started = time.monotonic()
        self.done = []      # faults as they happened: the plan's and from_us, to_us
        self.findings = []  # what a fault itself saw go wrong
        self.certificates = Certificates(os.path.join(scratch, "certificates"))
        self.server = Server(disk, scratch, plan["workers"], self.certificates.directory)
        self.receiver = Receiver(sink)
        self.away = Receiver(sink)
        self.secure = Receiver(sink, self.certificates.pair("good"))

    def prepare(self):
        """A running server with all destinations."""
        self.server.ready()
        self.sql("create extension cxsig")
        for name, options in DESTINATIONS.items():
            self.sql("select cxsig.create_destination(%s, 'webhook', %s, %s)" % tuple(map(pq.literal, (
                name, json.dumps(self.config(name)), json.dumps({**FAST, **options})))))
        self.server.healthy()

    def receiver_of(self, name):
        if name == "sealed":
            return self.secure
        return self.away if name in AWAY else self.receiver

    def config(self, name, url=None):
        config = {"url": url or self.receiver_of(name).url(name)}
        if name in FORMATS:
            config["format"] = FORMATS[name]
        if name == "sealed":
            config["tls"] = {"ca_file": os.path.basename(self.certificates.authority)}
        return config

    def redirect(self, name, url=None):
        """Send to that URL from now on, or without one to the receiver of its own."""
        self.sql("select cxsig.alter_destination(%s, config => %s)"
                 % (pq.literal(name), pq.literal(json.dumps(self.config(name, url)))))

    def sql(self, statement, seconds=180):
        """The rows of a statement, tried until the server takes it: it may be down at the moment."""
        end = time.monotonic() + seconds
        while True:
            try:
                with self.server.connect(statement_timeout="60s") as conn:
                    return conn.rows(statement)
            except (pq.Lost, pq.Refused, pq.SqlError) as error:
                if time.monotonic() > end:
                    raise Stuck("%s: %s" % (statement[:60], error)) from error
                time.sleep(0.1)

    def finding(self, text):
        self.findings.append(text)
        self.say("FOUND  " + text)

    def say(self, text):
        print("%7.1f s  %s" % (time.monotonic() - self.started, text), flush=True)

    def close(self):
        """End every process of the run."""
        self.stop.set()
        try:
            self.receiver.freeze(False)
        except (OSError, AttributeError):
            pass
        for receiver in (self.receiver, self.away, self.secure):
            receiver.stop()
        self.server.stop("immediate")
        for data in glob.glob(os.path.join(self.server.disk, "data-*")):
            shutil.rmtree(data, ignore_errors=True)
