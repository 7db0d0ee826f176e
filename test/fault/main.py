"""main: a run. Plans it from the seed, runs writers and faults beside each other, lets everything
settle, and has the history checked. The last line is "N passed, N failed".

usage: main.py [--seed N] [--seconds N] [--short] [--plan] [--keep DIRECTORY]
    --plan   print the plan and end: the same seed always has the same
    --short  a few faults of each sort
    --keep   leave the server's logs and the history there
$CXSIG_SINK is the receiver; $CXSIG_SMALL_DISK a small file system of its own for the server, made
here where it is not set and user namespaces are allowed. Servers do not run as root.
"""
import argparse
import glob
import json
import os
import pickle
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter

import checker
import faults
import history
import plan
import pq
from server import Stuck
from world import DESTINATIONS, World
from writers import Ledger, Writer

# A run of so many seconds has time for every kind of fault.
EVERY_KIND_FROM = 900
EXAMPLES = 20
DISK_SIZE = {True: "768m", False: "4g"}


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__.partition("usage: ")[2])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000000))
    parser.add_argument("--seconds", type=int, default=1800)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--keep")
    return parser.parse_args()


def on_small_disk(options, scratch):
    """The small disk; becomes a process that may mount one where that takes another namespace."""
    disk = os.environ.get("CXSIG_SMALL_DISK")
    if disk:
        return disk
    disk = os.path.join(scratch, "disk")
    os.mkdir(disk)
    unshare = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "sh", "-c",
               'mount -t tmpfs -o size="$1" cxsig "$2" && export CXSIG_SMALL_DISK="$2" && shift 2 && exec "$@"',
               "sh"]
    if os.spawnvp(os.P_WAIT, "unshare", unshare + ["1m", disk, "true"]) == 0:
        os.execvp("unshare", unshare + [DISK_SIZE[options.short], disk, sys.executable, *sys.argv,
                                        "--seed", str(options.seed)])
    return None


def settle(world, writers, seconds):
    """Nothing goes wrong any more: end what is open, resume what stopped, wait for the rest."""
    world.server.healthy()
    for writer in writers:
        writer.settle()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        world.sql("select cxsig.resume_destination(name) from cxsig.destination where state <> 'active'")
        world.sql("select cxsig.release_lane(destination, lane, true) from cxsig.blocked_lanes where held")
        if world.sql("select cxsig.wait_until_idle('10 s') and not exists (select from cxsig.retry)"
                     " and not exists (select from cxsig.destination where state <> 'active')")[0][0] == "t":
            return
    world.finding("not idle %d s after the last fault" % seconds)
    for query in (WAITING + WORKERS):
        for row in world.sql(query):
            world.say("  " + row[0])


# What to know of a run that does not come to rest.
WAITING = (
    "select row_to_json(d) from cxsig.destination_status d where waiting > 0",
    "select row_to_json(c) from cxsig.consumer_lag c",
    "select row_to_json(r) from cxsig.retry r order by destination_id, position limit 20",
)
WORKERS = ("select row_to_json(w) from cxsig.worker_status w", "select row_to_json(a) from pg_stat_activity a"
           " where backend_type like 'cxsig%'", "select row_to_json(l) from pg_locks l where locktype = 'advisory'")


def read_log(world):
    """What a server must never say, whatever happens to it."""
    said = Counter()
    for name in sorted(glob.glob(os.path.join(world.scratch, "data-*.log"))):
        with open(name, errors="replace") as log:
            for line in log:
                if re.search(r"TRAP:|terminated by signal (4|7|8|11)\b|stuck spinlock|invalid memory alloc", line):
                    said[re.sub(r"^.*? \[\d+\] |PID \d+", "", line.strip())] += 1
    for line, times in said.items():
        world.finding("the server's log, %d times: %s" % (times, line))


def run(options, what, disk, scratch):
    """The history of the run."""
    world = World(what, os.environ["CXSIG_SINK"], disk or scratch, scratch)
    ledger = Ledger()
    try:
        world.prepare()
        writers = [Writer(spec, world.server, ledger, world.stop) for spec in what["writers"]]
        world.started = time.monotonic()
        tracks = [threading.Thread(target=faults.run_track, args=(world, what[name], None if options.short else options.seconds))
                  for name in ("server", "receiver")]
        for thread in writers + tracks:
            thread.start()
        for track in tracks:
            track.join()
        if options.short or options.seconds >= EVERY_KIND_FROM:
            for kind in faults.missed(world, what["server"] + what["receiver"], options.short):
                world.finding("%s was planned and never happened" % kind)
        world.stop.set()
        for writer in writers:
            writer.join(60)
        world.say("healed; waiting for all outcomes")
        settle(world, writers, 180 if options.short else 600)
        world.say("settled")
        read_log(world)
        past = history.gather(world, ledger)
        if options.keep:
            with open(os.path.join(options.keep, "history.pickle"), "wb") as out:
                pickle.dump(past, out)
        return past
    except (Stuck, pq.Refused, pq.Lost, pq.SqlError):
        read_log(world)
        raise
    finally:
        if options.keep:
            for name in glob.glob(os.path.join(scratch, "data-*.log")):
                shutil.copy(name, options.keep)
        world.close()


def summary(past, seed):
    kinds = Counter(fault["kind"] for fault in past.faults)
    states = Counter(entry["state"] for entry in past.ledger)
    print("\nseed %d" % seed)
    print("signals written   %d: %s" % (len(past.ledger), ", ".join("%d %s" % (n, s) for s, n in states.items())))
    print("events            %d, of them %d backfill, %d stale" % (
        len(past.events), sum(e.backfill for e in past.events.values()),
        sum(e.stale for e in past.events.values())))
    print("faults            %d: %s" % (
        len(past.faults), ", ".join("%s %d" % pair for pair in sorted(kinds.items()))))
    print("%-10s %9s %9s %9s %9s %6s %8s %8s" % (
        "to", "requests", "repeats", "delivered", "superseded", "dead", "filtered", "refused"))
    for name in past.destinations:
        outcomes = Counter(receipt.outcome for receipt in past.receipts[name])
        requests = past.arrivals[name]
        print("%-10s %9d %9d %9d %9d %6d %8d %8d" % (
            name, len(requests), checker.repeats(past, name), outcomes["delivered"], outcomes["superseded"],
            outcomes["dead"], past.filtered[name], sum(not checker.taken(a) for a in requests)))
    print()


def judge(past):
    """Print each promise with what broke it; how many were kept and how many not."""
    broken = 0
    for name, violations in checker.check(past):
        print("%s - %s" % ("not ok" if violations else "ok", name))
        for violation in violations[:EXAMPLES]:
            print("#   " + violation)
        if len(violations) > EXAMPLES:
            print("#   and %d more" % (len(violations) - EXAMPLES))
        broken += bool(violations)
    print("%d passed, %d failed" % (len(checker.PROMISES) - broken, broken))
    return broken


def main():
    options = arguments()
    what = plan.make(options.seed, options.seconds, options.short)
    if options.plan:
        print(json.dumps(what, indent=1))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    scratch = os.environ.get("CXSIG_FAULT_SCRATCH") or tempfile.mkdtemp(prefix="fault-")
    os.environ["CXSIG_FAULT_SCRATCH"] = scratch
    disk = on_small_disk(options, scratch)
    if disk is None:
        # Never the disk that others live on.
        what["server"] = [fault for fault in what["server"] if fault["kind"] != "disk_full"]
    print("seed %d, %d s, %d faults of the server and %d of receivers planned" % (
        options.seed, options.seconds, len(what["server"]), len(what["receiver"])), flush=True)
    try:
        past = run(options, what, disk, scratch)
    except (Stuck, pq.Refused, pq.Lost, pq.SqlError) as error:
        print("not ok - the run came to its end\n#   %s\n0 passed, 1 failed" % error)
        return 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if disk is None:
        past.findings.append("disk_full was not run: no small disk can be made here; name one in CXSIG_SMALL_DISK")
    summary(past, options.seed)
    return 1 if judge(past) else 0


if __name__ == "__main__":
    sys.exit(main())
