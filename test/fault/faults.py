"""faults: what is done to the server and to the receivers. Each fault is a context: entered it is
injected, left it is healed, and whatever has to come to pass for that is waited for.
"""
import contextlib
import os
import random
import signal
import threading
import time

import plan
import pq
from receiver import Receiver
from server import Stuck, WAIT, wait_until
from world import AWAY, DESTINATIONS

FAULTS = {}
GIGABYTE = 1 << 30
MEMORY_MAX_KB = 512 * 1024
# After these the dispatcher has forgotten what it had not written.
CRASHES = set(plan.SERVER_KINDS) - {"connections_used_up", "clock_back"}


def fault(function):
    FAULTS[function.__name__] = contextlib.contextmanager(function)
    return function


def run_track(world, faults, until):
    """Each fault at its time, or as soon after it as the one before is healed; none once it is past
    until, where that is given."""
    for spec in faults:
        world.stop.wait(max(0, world.started + spec["at"] - time.monotonic()))
        if world.stop.is_set() or (until is not None and time.monotonic() - world.started >= until):
            return
        run_fault(world, spec)


def missed(world, planned, all_of_them):
    """Kinds that were planned and never happened: a run without them proves less than it says."""
    happened = [spec["kind"] for spec in world.done]
    if all_of_them:
        return [spec["kind"] for spec in planned if spec["kind"] not in happened]
    return [kind for kind in plan.SERVER_KINDS + plan.RECEIVER_KINDS if kind not in happened]


def scope(world, spec):
    """The destinations whose answers it spoils."""
    if spec["kind"] == "refuse":
        return list(AWAY)
    if spec["kind"] == "half_open":
        return [name for name in DESTINATIONS if world.receiver_of(name) is world.receiver]
    return [spec["destination"]] if spec.get("destination") else []


def run_fault(world, spec):
    done = {**spec, "from_us": int(time.time() * 1e6), "crash": spec["kind"] in CRASHES, "scope": scope(world, spec)}
    try:
        with FAULTS[spec["kind"]](world, spec):
            world.say(plan.describe(spec))
            world.stop.wait(spec["seconds"])
    except Exception as error:  # whatever it is: the track goes on, and the run fails
        world.finding("%s: %s: %s" % (plan.describe(spec), type(error).__name__, error))
    done["to_us"] = int(time.time() * 1e6)
    world.done.append(done)


# --- the server -------------------------------------------------------------------------------------
def kill_one(world, spec, title):
    """Kill one of the processes with that title; the postmaster starts all anew."""
    def victim():
        found = sorted(world.server.processes(title))
        return found and random.Random(spec["dice"]).choice(found)
    pid, name = wait_until("a process \"%s\" to kill" % title, victim)
    world.server.kill(pid)
    world.say("killed %d, %s" % (pid, name))


def killing(title):
    def inject(world, spec):
        kill_one(world, spec, title)
        yield
        world.server.healthy()
    return inject


FAULTS["kill_dispatcher"] = contextlib.contextmanager(killing("cxsig dispatcher"))
FAULTS["kill_launcher"] = contextlib.contextmanager(killing("cxsig launcher"))
FAULTS["kill_backend"] = contextlib.contextmanager(killing("postgres:"))


@fault
def end_dispatcher(world, spec):
    """pg_terminate_backend: it has to write what it knows, and end soon."""
    for pid, _ in world.server.processes("cxsig dispatcher"):
        world.server.kill(pid, signal.SIGTERM)
        wait_until("the end of a dispatcher by SIGTERM", lambda pid=pid: pid not in dict(world.server.processes()),
                   seconds=10)
    yield
    world.server.healthy()


def stopping(mode):
    def inject(world, spec):
        world.server.stop(mode)
        yield
        world.server.healthy()
    return inject


FAULTS["stop_immediate"] = contextlib.contextmanager(stopping("immediate"))
FAULTS["stop_fast"] = contextlib.contextmanager(stopping("fast"))


@fault
def promote(world, spec):
    """A synchronous standby for a while; then it is the server, and the old one is gone."""
    place = world.server.add_standby()
    yield
    world.server.promote(*place)
    world.server.healthy()


@fault
def disk_full(world, spec):
    ballast = world.server.fill_disk()
    try:
        yield
    finally:
        os.unlink(ballast)
    world.server.healthy()


@fault
def connections_used_up(world, spec):
    held = []
    try:
        with contextlib.suppress(pq.Refused):
            while len(held) < 1000:
                held.append(world.server.connect(application_name="hog"))
        yield
    finally:
        for conn in held:
            conn.close()
    world.server.healthy()


@fault
def worker_slots_used_up(world, spec):
    """Parallel queries take every slot, and a dispatcher loses its own meanwhile."""
    over = threading.Event()

    def hog():
        while not over.is_set():
            with contextlib.suppress(pq.Lost, pq.Refused, pq.SqlError):
                with world.server.connect(statement_timeout="20s", **{parallel: "on"}) as conn:
                    while not over.is_set():
                        conn.exec("select pg_sleep(0.3)")

    parallel = "force_parallel_mode"
    if int(world.sql("show server_version_num")[0][0]) >= 160000:
        parallel = "debug_parallel_query"
    hogs = [threading.Thread(target=hog, daemon=True) for _ in range(10)]
    for thread in hogs:
        thread.start()
    try:
        wait_until("parallel workers", lambda: len(world.server.processes("parallel worker")) >= 3, seconds=30)
        for pid, _ in world.server.processes("cxsig dispatcher"):
            world.server.kill(pid, signal.SIGTERM)
        yield
    finally:
        over.set()
        for thread in hogs:
            thread.join(WAIT)
    world.server.healthy()


@fault
def clock_back(world, spec):
    """The server's clock jumps back, and later to the right time again."""
    begin = int(time.time() * 1e6)
    world.server.set_clock(-spec["back"])
    try:
        yield
    finally:
        world.server.set_clock(0)
        # Each process looks at the file once a second.
        world.server.shifts.append((begin, int(time.time() * 1e6) + 3000000, -spec["back"] * 1000000))
    world.server.healthy()


# --- receivers --------------------------------------------------------------------------------------
def behaving(settings):
    def inject(world, spec):
        receiver = world.receiver_of(spec["destination"])
        receiver.behave(spec["destination"], **settings(spec))
        yield
        receiver.behave(spec["destination"])
    return contextlib.contextmanager(inject)


def storm(**more):
    return behaving(lambda spec: {"status": spec["status"], "fail_rate": spec["share"], "seed": spec["wait"],
                                  **{name: spec["wait"] for name in more}})


FAULTS["reset"] = behaving(lambda spec: {"reset_after": 700})
FAULTS["hang"] = behaving(lambda spec: {"hang": 1})
FAULTS["close"] = behaving(lambda spec: {"close": 1})
FAULTS["slow_bytes"] = behaving(lambda spec: {"slow_bytes": spec["milliseconds"]})
FAULTS["garbage_http"] = behaving(lambda spec: {"garbage": 1})
FAULTS["garbage_json"] = behaving(lambda spec: {"body_text": "{\"results\":[{\"id\":"})
FAULTS["storm"] = storm()
FAULTS["storm_seconds"] = storm(retry_after=1)
FAULTS["storm_date"] = storm(retry_after_in=1)
FAULTS["flaky"] = behaving(lambda spec: {"status": 503, "fail_rate": spec["share"], "seed": spec["seed"]})
FAULTS["redirect"] = behaving(lambda spec: {"redirect": "http://10.0.0.1/"})
FAULTS["poison"] = behaving(lambda spec: {"poison_key": spec["ticket"]})


@fault
def gigabyte(world, spec):
    """An answer of a gigabyte is neither read whole nor kept."""
    world.receiver.behave(spec["destination"], body_bytes=GIGABYTE)
    yield
    world.receiver.behave(spec["destination"])
    for pid, name in world.server.processes("cxsig dispatcher"):
        with contextlib.suppress(OSError):
            with open("/proc/%d/status" % pid) as file:
                peak = [int(line.split()[1]) for line in file if line.startswith("VmHWM:")]
            if peak and peak[0] > MEMORY_MAX_KB:
                world.finding("%s took %d kB of memory" % (name, peak[0]))


def answering(status):
    """A status that stops the destination until a person resumes it."""
    def inject(world, spec):
        world.receiver.behave(spec["destination"], status=status)
        yield
        world.receiver.behave(spec["destination"])
        resume(world, spec["destination"])
    return contextlib.contextmanager(inject)


def resume(world, name):
    world.sql("select cxsig.resume_destination(%s)" % pq.literal(name))


FAULTS["gone"] = answering(410)
FAULTS["unauthorised"] = answering(401)


@fault
def pause(world, spec):
    world.sql("select cxsig.pause_destination(%s)" % pq.literal(spec["destination"]))
    yield
    resume(world, spec["destination"])


@fault
def half_open(world, spec):
    """The receiver of most of them: the kernel takes connections and bytes, nobody reads them."""
    world.receiver.freeze(True)
    try:
        yield
    finally:
        world.receiver.freeze(False)


@fault
def refuse(world, spec):
    world.away.refuse(AWAY)
    yield
    world.away.start()


@fault
def dns(world, spec):
    world.redirect("away", world.away.url("away", host="receiver.invalid"))
    yield
    world.redirect("away")


@fault
def certificate(world, spec):
    """A receiver with a certificate that proves nothing must not be given anything."""
    impostor = Receiver(world.sink, world.certificates.pair(spec["certificate"]))
    try:
        world.redirect("sealed", impostor.url("sealed"))
        yield
        world.redirect("sealed")
        received = impostor.stats("sealed")["received"]
        if received:
            world.finding("a receiver with a %s certificate was given %d events" % (spec["certificate"], received))
    finally:
        impostor.stop()
