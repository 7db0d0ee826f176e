"""plan: from a seed alone, what will go wrong when, and who writes what meanwhile.

Two tracks run beside each other, so that faults of the server meet faults of the receivers. Within a
track one fault is healed before the next. Every kind is drawn once before any is drawn again.
"""
import random

SERVER_KINDS = (
    "kill_dispatcher", "kill_launcher", "kill_backend", "end_dispatcher", "stop_immediate", "stop_fast",
    "promote", "disk_full", "connections_used_up", "worker_slots_used_up", "clock_back",
)
RECEIVER_KINDS = (
    "refuse", "half_open", "reset", "hang", "close", "slow_bytes", "gigabyte", "garbage_http",
    "garbage_json", "storm", "storm_seconds", "storm_date", "flaky", "gone", "unauthorised", "redirect",
    "poison", "dns", "certificate", "pause",
)
# What a short run has time for: a kind of each sort, the rest by the seed.
SHORT_SERVER = ("kill_dispatcher", "disk_full", "promote", "stop_immediate")
SHORT_RECEIVER = ("refuse", "reset", "storm_date", "unauthorised", "certificate", "gone")

# Destinations a fault of a receiver can be drawn for.
TARGETS = ("all", "crm", "high", "accounts", "picky", "held", "batched", "array")

WRITERS = (
    ("short", 2, 0.08), ("long", 1, 0.2), ("several", 1, 0.15), ("bulk", 1, 1.5), ("prepared", 1, 0.4),
    ("aborting", 1, 0.3), ("savepoints", 1, 0.2), ("backfill", 1, 3.0), ("repeating", 1, 0.3),
    ("import", 1, 1.5),
)


def bag(rng, kinds):
    """Kinds without end: all of them in a random order, again and again."""
    while True:
        order = list(kinds)
        rng.shuffle(order)
        yield from order


def server_fault(rng, kind):
    fault = {"kind": kind, "seconds": round(rng.uniform(1, 6), 1), "dice": rng.randrange(1 << 30)}
    if kind == "clock_back":
        fault["back"] = rng.choice((2, 15, 60, 120))
    return fault


def receiver_fault(rng, kind):
    fault = {"kind": kind, "seconds": round(rng.uniform(1.5, 8), 1), "destination": rng.choice(TARGETS)}
    if kind in ("storm", "storm_seconds", "storm_date"):
        fault["status"] = rng.choice((500, 429, 503))
        fault["share"] = rng.choice((0.3, 1))
        fault["wait"] = rng.randint(1, 3)
    elif kind == "slow_bytes":
        fault["milliseconds"] = rng.choice((5, 100))
    elif kind == "flaky":
        fault["share"] = 0.2
        fault["seed"] = rng.randrange(1000)
    elif kind == "poison":
        fault["ticket"] = "T-%d" % rng.randint(1, 20)
        fault["destination"] = rng.choice(("picky", "held", "crm", "batched"))
    elif kind == "refuse":
        fault["destination"] = None
    elif kind == "dns":
        fault["destination"] = "away"
    elif kind == "certificate":
        fault["destination"] = "sealed"
        fault["certificate"] = rng.choice(("self-signed", "expired", "wrong-host"))
    elif kind == "half_open":
        fault["destination"] = None
        fault["seconds"] = min(fault["seconds"], 4)
    elif kind == "gigabyte":
        fault["seconds"] = min(fault["seconds"], 3)
    return fault


def track(rng, kinds, draw, seconds, gap):
    at = rng.uniform(*gap)
    for kind in kinds:
        if at >= seconds:
            return
        fault = draw(rng, kind)
        fault["at"] = round(at, 1)
        yield fault
        at += fault["seconds"] + rng.uniform(*gap)


def make(seed, seconds, short=False):
    """The plan: {seed, seconds, workers, server: [...], receiver: [...], writers: [...]}."""
    rng = random.Random("faults %s" % seed)
    if short:
        server, receiver = list(SHORT_SERVER), list(SHORT_RECEIVER)
        server.append(rng.choice([k for k in SERVER_KINDS if k not in server]))
        receiver += rng.sample([k for k in RECEIVER_KINDS if k not in receiver], 3)
        rng.shuffle(server)
        rng.shuffle(receiver)
        tracks = (server, (0.5, 2)), (receiver, (0.2, 0.8))
    else:
        tracks = (bag(rng, SERVER_KINDS), (3, 12)), (bag(rng, RECEIVER_KINDS), (0.5, 3))
    return {
        "seed": seed,
        "seconds": seconds,
        "workers": rng.choice((1, 2)),
        "server": list(track(rng, tracks[0][0], server_fault, seconds, tracks[0][1])),
        "receiver": list(track(rng, tracks[1][0], receiver_fault, seconds, tracks[1][1])),
        "writers": [{"name": "%s-%d" % (kind, n), "kind": kind, "pause": pause,
                     "seed": rng.randrange(1 << 30)}
                    for kind, count, pause in WRITERS for n in range(1, count + 1)],
    }


def describe(fault):
    """A fault in a line, for people."""
    rest = ", ".join("%s %s" % (key, value) for key, value in fault.items()
                     if key not in ("kind", "at", "dice") and value is not None)
    return "%s (%s)" % (fault["kind"], rest)
