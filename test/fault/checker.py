"""checker: the promises, each a function that reads a history and yields what broke it: event, ticket
and destination. Pure: nothing here talks to a server.
"""
from collections import Counter, defaultdict

from history import UNCLEAR_ANSWERS
from writers import ABORTED, COMMITTED, UNKNOWN

# What waited in a receiver's socket is still taken this long after a fault of it was healed.
AFTERWARDS_US = 3 * 1000000
# How long before a crash an answer can have come whose receipt was still not written.
UNWRITTEN_US = 10 * 1000000
# The filters that destinations have, once more.
FILTERS = {
    '$.churn_risk == "high"': lambda event: event.churn_risk == "high",
    '$.ticket_id == "T-7"': lambda event: event.ticket == "T-7",
}
PROMISES = []


def promise(name):
    def register(function):
        PROMISES.append((name, function))
        return function
    return register


def check(history):
    """[(promise, [violation])], in the order of this file."""
    return [(name, list(function(history))) for name, function in PROMISES]


# --- what it is made of -----------------------------------------------------------------------------
def taken(arrival):
    return 200 <= arrival.status < 300


def first_arrivals(history, name):
    """event id -> (rank, arrival) of the first time it was taken."""
    first = {}
    for rank, arrival in enumerate(history.arrivals[name]):
        if taken(arrival) and arrival.id not in first:
            first[arrival.id] = (rank, arrival)
    return first


def wanted(history, name, event):
    test = FILTERS.get(history.destinations[name].get("filter"))
    return test is None or test(event)


def lane_of(history, name, event):
    return event.account if history.destinations[name].get("order_scope") == "account" else event.ticket


def shifted(history, moment):
    """Whether the server's clock was off about then."""
    return any(begin + shift - 5000000 <= moment <= end + 5000000 for begin, end, shift in history.shifts)


def real_time(history, moment):
    """The latest true time at which the server's clock can have said this."""
    times = [moment - shift for begin, end, shift in history.shifts if begin <= moment - shift <= end]
    return max([moment] + times)


def show(event):
    return "event %s of %s, version %d, position %s" % (event.id, event.ticket, event.version, event.positions)


def by_key(history):
    keys = defaultdict(list)
    for event in history.events.values():
        keys[event.source, event.key].append(event)
    return keys


# --- in ---------------------------------------------------------------------------------------------
@promise("never lost: what a client saw committed is there")
def committed_is_there(history):
    keys = by_key(history)
    for entry in history.ledger:
        if entry["state"] == COMMITTED and (entry["source"], entry["key"]) not in keys:
            yield "key %s of %s was committed as event %s" % (entry["key"], entry["ticket"], entry["event_id"])


@promise("atomic: what was rolled back is not there, what nobody could know is there whole or not at all")
def atomic(history):
    keys = by_key(history)
    fates = defaultdict(set)
    for entry in history.ledger:
        there = (entry["source"], entry["key"]) in keys
        if entry["state"] == ABORTED and there:
            yield "key %s of %s was rolled back" % (entry["key"], entry["ticket"])
        elif entry["state"] == UNKNOWN:
            fates[entry["tx"]].add(there)
    for tx, fate in fates.items():
        if len(fate) > 1:
            yield "of transaction %d a part is there" % tx


@promise("atomic: nothing is there that nobody wrote")
def written(history):
    asked = {(entry["source"], entry["key"]) for entry in history.ledger}
    for key, events in by_key(history).items():
        if key not in asked:
            yield "key %s: %s" % (key, show(events[0]))


@promise("idempotent: a key has one event and keeps its id")
def idempotent(history):
    keys = by_key(history)
    for key, events in keys.items():
        if len(events) > 1:
            yield "key %s has events %s" % (key, ", ".join(event.id for event in events))
    for entry in history.ledger:
        events = keys.get((entry["source"], entry["key"]), [])
        if entry["event_id"] and events and entry["state"] != ABORTED and events[0].id != entry["event_id"]:
            yield "key %s was answered event %s and is %s" % (entry["key"], entry["event_id"], show(events[0]))


@promise("atomic: each event stands in the outbox once")
def one_intent(history):
    for event in history.events.values():
        if len(event.positions) != 1:
            yield show(event)


# --- out --------------------------------------------------------------------------------------------
@promise("never lost: nothing waits any more")
def settled(history):
    for where, what in history.waiting:
        yield "%s: %s" % (where, what)


@promise("accounted: delivered + superseded + filtered + dead = events x destinations")
def accounted(history):
    for name in history.destinations:
        outcomes = Counter(receipt.event_id for receipt in history.receipts[name])
        left_out = 0
        for event in history.events.values():
            due = 1 if wanted(history, name, event) else 0
            left_out += 1 - due
            if outcomes[event.id] != due:
                yield "%s: %d outcomes where %d is due: %s" % (name, outcomes[event.id], due, show(event))
        if history.filtered[name] != left_out:
            yield "%s: %d filtered by its own account, %d left out" % (name, history.filtered[name], left_out)
        for event_id in set(outcomes) - set(history.events):
            yield "%s: a receipt for event %s, which is none" % (name, event_id)


@promise("never lost: what has a receipt as delivered was taken by the receiver")
def arrived(history):
    for name in history.destinations:
        first = first_arrivals(history, name)
        for receipt in history.receipts[name]:
            if receipt.outcome == "delivered" and receipt.event_id not in first:
                yield "%s: event %s, position %d" % (name, receipt.event_id, receipt.position)


@promise("stable ids: what arrives is an event, under its id, ticket, version and body, every time")
def identical(history):
    for name in history.destinations:
        for arrival in history.arrivals[name]:
            event = history.events.get(arrival.id)
            if event is None:
                yield "%s: event %s of %s arrived, which is none" % (name, arrival.id, arrival.ticket)
            elif (event.ticket, event.version) != (arrival.ticket, arrival.version):
                yield "%s: %s arrived as %s, version %s" % (name, show(event), arrival.ticket, arrival.version)
            elif not wanted(history, name, event):
                yield "%s: %s arrived, which the filter leaves out" % (name, show(event))
            elif arrival.key_header not in (None, arrival.id) and "batch_size" not in history.destinations[name]:
                yield "%s: %s arrived with the key %s" % (name, show(event), arrival.key_header)
        for counter in ("body_mismatch", "identity_mismatch", "malformed", "unkeyed", "unrecorded"):
            if history.counters[name].get(counter):
                yield "%s: the receiver counts %d %s" % (name, history.counters[name][counter], counter)


@promise("stable ids: the key of a batch stands for the same events every time")
def identical_batches(history):
    for name, options in history.destinations.items():
        batches = defaultdict(list)
        if "batch_size" in options:
            for arrival in history.arrivals[name]:
                batches[arrival.key_header, arrival.at_us].append(arrival.id)
        first = {}
        for (key, _), ids in batches.items():
            if key is not None and first.setdefault(key, ids) != ids:
                yield "%s: key %s came with events %s and with %s" % (name, key, first[key], ids)


@promise("ordered: first arrivals of a lane are in the order of the log")
def ordered(history):
    for name in history.destinations:
        last = {}
        first = sorted(first_arrivals(history, name).values(), key=lambda pair: pair[0])
        for _, arrival in first:
            event = history.events.get(arrival.id)
            if event is None or not event.positions:
                continue
            # Of an account only what one transaction wrote has an order; the tickets have theirs.
            lanes = [("ticket", event.ticket, event.backfill)]
            if lane_of(history, name, event) != event.ticket:
                lanes.append(("account", event.account, event.txid, event.backfill))
            for lane in lanes:
                before = last.get(lane)
                if before is not None and before.positions[0] > event.positions[0]:
                    yield "%s: %s came after %s" % (name, show(event), show(before))
                else:
                    last[lane] = event


@promise("ordered: one at a time per lane")
def one_at_a_time(history):
    for name in history.destinations:
        lanes = defaultdict(list)
        for receipt in history.receipts[name]:
            event = history.events.get(receipt.event_id)
            if event is not None and receipt.outcome == "delivered" and receipt.sent_us is not None:
                lanes[lane_of(history, name, event)].append(receipt)
        for lane, receipts in lanes.items():
            receipts.sort(key=lambda r: (r.sent_us, r.finished_us))
            for before, after in zip(receipts, receipts[1:]):
                # Events of one batch are sent at the same moment.
                if before.sent_us < after.sent_us < before.finished_us \
                        and not shifted(history, before.finished_us) and not shifted(history, after.sent_us):
                    yield "%s, lane %s: event %s was sent while %s was out" % (
                        name, lane, after.event_id, before.event_id)
        if history.counters[name].get("overlaps"):
            yield "%s: the receiver counts %d overlaps" % (name, history.counters[name]["overlaps"])


@promise("no regression: the last that a receiver took of a ticket is the newest that was delivered")
def no_regression(history):
    for name in history.destinations:
        newest, last = {}, {}
        for receipt in history.receipts[name]:
            event = history.events.get(receipt.event_id)
            if event is not None and receipt.outcome == "delivered" and not event.stale:
                if event.ticket not in newest or event.occurred_us > newest[event.ticket].occurred_us:
                    newest[event.ticket] = event
        for arrival in history.arrivals[name]:
            event = history.events.get(arrival.id)
            if event is not None and taken(arrival) and not event.stale:
                last[event.ticket] = event
        for ticket, event in newest.items():
            if ticket in last and last[ticket].occurred_us < event.occurred_us:
                yield "%s: after %s came %s" % (name, show(event), show(last[ticket]))


def last_successor(history, outcomes, receipt):
    """The event at the end of what supersedes what, None where that leads nowhere."""
    seen = set()
    while receipt is not None and receipt.outcome == "superseded" and receipt.event_id not in seen:
        seen.add(receipt.event_id)
        receipt = outcomes.get(receipt.superseded_by)
    return None if receipt is None or receipt.event_id in seen else history.events.get(receipt.event_id)


@promise("no regression: what is superseded has a newer revision that is not")
def superseded(history):
    for name, options in history.destinations.items():
        outcomes = {receipt.event_id: receipt for receipt in history.receipts[name]}
        newest = {}
        for event in history.events.values():
            if event.ticket not in newest or event.occurred_us > newest[event.ticket].occurred_us:
                newest[event.ticket] = event
        for receipt in outcomes.values():
            event = history.events.get(receipt.event_id)
            if receipt.outcome != "superseded" or event is None:
                continue
            newer = last_successor(history, outcomes, receipt)
            if receipt.superseded_by is None and event.stale:
                # Old when it came: what was newer then was there before it.
                newer = newest.get(event.ticket)
            if options.get("history") != "latest":
                yield "%s: superseded where all are wanted: %s" % (name, show(event))
            elif newer is None or newer.ticket != event.ticket:
                yield "%s: superseded by %s, which leads nowhere: %s" % (name, receipt.superseded_by, show(event))
            elif newer.occurred_us < event.occurred_us:
                yield "%s: superseded by an older one, %s: %s" % (name, newer.id, show(event))


@promise("nothing silent: what is dead was refused by the receiver, and has its dead letter")
def dead(history):
    for name in history.destinations:
        refused = {arrival.id for arrival in history.arrivals[name] if 300 <= arrival.status < 500}
        letters = Counter(history.letters[name])
        for receipt in history.receipts[name]:
            if receipt.outcome == "dead" and receipt.event_id not in refused:
                yield "%s: event %s is dead and was never refused" % (name, receipt.event_id)
            if (receipt.outcome == "dead") != (letters[receipt.event_id] == 1):
                yield "%s: event %s is %s with %d dead letters" % (
                    name, receipt.event_id, receipt.outcome, letters[receipt.event_id])


# --- again ------------------------------------------------------------------------------------------
@promise("receipted: what has a receipt is not sent again")
def no_repeat_after_receipt(history):
    for name in history.destinations:
        finished = {}
        for receipt in history.receipts[name]:
            if receipt.outcome == "delivered":
                finished[receipt.event_id] = real_time(history, receipt.finished_us)
        for arrival in history.arrivals[name]:
            if arrival.id in finished and arrival.at_us > finished[arrival.id]:
                yield "%s: event %s of %s came %d ms after its receipt" % (
                    name, arrival.id, arrival.ticket, (arrival.at_us - finished[arrival.id]) // 1000)


def explained(history, name, before, again):
    """Whether a fault accounts for an event that was taken before and came again."""
    for fault in history.faults:
        if fault["from_us"] > again or fault["to_us"] + AFTERWARDS_US < before:
            continue
        if fault["crash"] and before >= fault["from_us"] - UNWRITTEN_US:
            return True
        if fault["kind"] in UNCLEAR_ANSWERS and name in fault["scope"] \
                and fault["from_us"] <= before <= fault["to_us"] + AFTERWARDS_US:
            return True
    return False


def around(history, moment):
    """The faults about then, by the seconds from their beginning and since their end."""
    return ", ".join("%s (%+.1f s, %+.1f s)" % (
        fault["kind"], (moment - fault["from_us"]) / 1e6, (moment - fault["to_us"]) / 1e6)
        for fault in history.faults if fault["from_us"] - 2e6 < moment < fault["to_us"] + 2e7) or "nothing"


@promise("repeats are bounded: each was taken without a receipt when a fault struck")
def repeats_explained(history):
    for name in history.destinations:
        before = {}
        for arrival in history.arrivals[name]:
            if arrival.id in before and not explained(history, name, before[arrival.id], arrival.at_us):
                yield "%s: event %s of %s came again after %d ms, and nothing had happened but %s" % (
                    name, arrival.id, arrival.ticket, (arrival.at_us - before[arrival.id]) // 1000,
                    around(history, before[arrival.id]))
            if taken(arrival):
                before[arrival.id] = arrival.at_us


@promise("the server and its workers came back after every fault, and nothing else was seen to go wrong")
def findings(history):
    yield from history.findings


def repeats(history, name):
    """How many arrivals were of events that had been taken before."""
    before, count = set(), 0
    for arrival in history.arrivals[name]:
        count += arrival.id in before
        if taken(arrival):
            before.add(arrival.id)
    return count
