"""server: the private PostgreSQL the faults happen to. Knows its processes and its standby, and can
be told what time it is. Every wait is for a state and has a bound.
"""
import glob
import os
import shutil
import signal
import socket
import subprocess
import time

import pq

SETTINGS = """
shared_preload_libraries = 'cxsig'
cxsig.allowed_networks = 'loopback'
listen_addresses = ''
max_connections = 40
max_prepared_transactions = 20
max_worker_processes = 8
max_parallel_workers = 8
max_wal_size = 192MB
min_wal_size = 64MB
checkpoint_timeout = 60s
log_line_prefix = '%m [%p] %b '
log_min_messages = warning
restart_after_crash = on
autovacuum_naptime = 10s
timezone = 'UTC'
"""
WAIT = 180  # seconds for anything the server has to get done


class Stuck(Exception):
    """Something did not come to pass within its bound."""


def wait_until(what, condition, seconds=WAIT):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Stuck("%s did not come to pass within %d s" % (what, seconds))
        time.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clock_library():
    found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1") + glob.glob("/usr/lib*/faketime/libfaketime.so.1")
    return found[0] if found else None


class Server:
    def __init__(self, disk, scratch, workers, ca_directory):
        self.disk, self.scratch = disk, scratch
        self.sockets = os.path.join(scratch, "s")
        os.makedirs(self.sockets, mode=0o700, exist_ok=True)
        self.clock_file = os.path.join(scratch, "clock")
        self.clock = clock_library()
        self.shifts = []  # (from_us, to_us, shift_us) while the clock was off
        self.generation = 0
        self.data, self.port = self._new_place()
        self.set_clock(0)
        self._run(["initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                   "--locale=C.UTF-8"])
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write("%scxsig.workers = %d\ncxsig.ca_directory = '%s'\nunix_socket_directories = '%s'\n"
                       % (SETTINGS, workers, ca_directory, self.sockets))

    def _new_place(self):
        self.generation += 1
        return os.path.join(self.disk, "data-%d" % self.generation), free_port()

    def _run(self, command, check=True, seconds=WAIT):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, timeout=seconds, env=self.environment())
        if check and done.returncode != 0:
            raise Stuck("%s: %s" % (" ".join(command[:2]), done.stdout.strip()[-2000:]))
        return done

    def environment(self):
        return {**os.environ, "PGUSER": "postgres", "PGDATABASE": "postgres", "PGHOST": self.sockets}

    # --- the clock ---------------------------------------------------------------------------------
    def set_clock(self, seconds):
        """Seconds the server's clock is off from now on; the monotonic one goes on as it is."""
        with open(self.clock_file + ".new", "w") as out:
            out.write("%+d\n" % seconds)
        os.rename(self.clock_file + ".new", self.clock_file)

    def clock_environment(self):
        if self.clock is None:
            return self.environment()
        return {**self.environment(), "LD_PRELOAD": self.clock, "NO_FAKE_STAT": "1",
                "FAKETIME_TIMESTAMP_FILE": self.clock_file, "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}

    # --- start and stop ----------------------------------------------------------------------------
    def conninfo(self, **options):
        settings = "".join(" -c %s=%s" % pair for pair in options.items())
        return "host=%s port=%d user=postgres dbname=postgres connect_timeout=10 options='%s'" % (
            self.sockets, self.port, settings.strip())

    def connect(self, **options):
        return pq.Connection(self.conninfo(**options))

    def start(self, data=None, port=None):
        data, port = data or self.data, port or self.port
        log = os.path.join(self.scratch, os.path.basename(data) + ".log")
        with open(log, "a") as out:
            subprocess.Popen(["postgres", "-D", data, "-p", str(port)], stdin=subprocess.DEVNULL, stdout=out,
                             stderr=out, env=self.clock_environment(), start_new_session=True)

    def postmaster(self, data=None):
        """Process id of the running postmaster, or None."""
        try:
            with open(os.path.join(data or self.data, "postmaster.pid")) as file:
                pid = int(file.readline())
            with open("/proc/%d/stat" % pid) as file:
                return None if file.read().rpartition(")")[2].split()[0] == "Z" else pid
        except (OSError, ValueError):
            return None

    def stop(self, mode, data=None):
        data = data or self.data
        self._run(["pg_ctl", "stop", "-D", data, "-m", mode, "-t", "60"], check=False)
        wait_until("the end of the server", lambda: self.postmaster(data) is None)

    def accepts(self):
        try:
            with self.connect(statement_timeout="10s") as conn:
                return conn.value("select not pg_is_in_recovery()") == "t"
        except (pq.Refused, pq.Lost, pq.SqlError):
            return False

    def ready(self):
        """Running and taking commands; started where it had ended. Waits for it."""
        def try_again():
            self.reap()
            if self.postmaster() is None:
                self.start()
                time.sleep(0.5)
            return self.accepts()
        wait_until("the server taking commands again", try_again)

    def healthy(self):
        """Ready, and its dispatchers are there."""
        self.ready()
        wait_until("the launcher being there again", lambda: self.processes("cxsig launcher"))
        wait_until("a dispatcher being there again", lambda: self.processes("cxsig dispatcher"))

    @staticmethod
    def reap():
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    # --- its processes -----------------------------------------------------------------------------
    def processes(self, title=""):
        """[(pid, title)] of the postmaster's children whose title has that text in it."""
        postmaster, found = self.postmaster(), []
        if postmaster is None:
            return found
        try:
            with open("/proc/%d/task/%d/children" % (postmaster, postmaster)) as file:
                children = [int(pid) for pid in file.read().split()]
        except OSError:
            return found
        for pid in children:
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as file:
                    name = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            if title in name:
                found.append((pid, name))
        return found

    def kill(self, pid, number=signal.SIGKILL):
        """Only ever a child of our own postmaster."""
        if any(pid == child for child, _ in self.processes()):
            try:
                os.kill(pid, number)
                return True
            except ProcessLookupError:
                pass
        return False

    # --- the standby -------------------------------------------------------------------------------
    def add_standby(self):
        """A synchronous standby: what a client saw committed is on it. Its (data, port)."""
        data, port = self._new_place()
        self._run(["pg_basebackup", "-h", self.sockets, "-p", str(self.port), "-U", "postgres", "-D", data,
                   "-c", "fast", "-X", "stream", "-R"])
        self.start(data, port)
        with self.connect(statement_timeout="60s") as conn:
            wait_until("the standby streaming", lambda: conn.rows(
                "select from pg_stat_replication where state = 'streaming'"))
            conn.exec("alter system set synchronous_standby_names = '*'")
            conn.exec("select pg_reload_conf()")
            wait_until("the standby being synchronous", lambda: conn.rows(
                "select from pg_stat_replication where sync_state = 'sync'"))
            # Commits wait for the standby once the checkpointer has read the setting, which it does
            # before it checkpoints.
            conn.exec("checkpoint")
        return data, port

    def drop_standby(self, data):
        """Give up a standby that was not promoted; the server goes on alone."""
        with self.connect(statement_timeout="60s", synchronous_commit="off") as conn:
            conn.exec("alter system reset synchronous_standby_names")
            conn.exec("select pg_reload_conf()")
        self.stop("immediate", data)
        shutil.rmtree(data, ignore_errors=True)

    def promote(self, data, port):
        """End the server at once and go on with its standby."""
        old = self.data
        self.stop("immediate")
        self._run(["pg_ctl", "promote", "-D", data, "-w", "-t", str(WAIT)])
        self.data, self.port = data, port
        self.ready()
        shutil.rmtree(old, ignore_errors=True)

    # --- the disk ----------------------------------------------------------------------------------
    def fill_disk(self):
        """Leave not a byte of the small disk; the file that does it."""
        ballast = os.path.join(self.disk, "ballast")
        with open(ballast, "wb") as out:
            for step in (1 << 26, 1 << 20, 1 << 12):
                try:
                    while True:
                        os.posix_fallocate(out.fileno(), os.fstat(out.fileno()).st_size, step)
                except OSError:
                    continue
        return ballast
