"""receiver: test/sink as a process of its own, which goes on whatever becomes of the server."""
import json
import os
import signal
import ssl
import subprocess
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

# What we ask of a receiver is asked of our own process: no proxy, and no need of its certificate.
TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                     urllib.request.HTTPSHandler(context=TRUSTING))
# A receiver ends with the thread that started it, so this is one that lasts.
STARTER = ThreadPoolExecutor(1)


class Receiver:
    def __init__(self, program, pair=None):
        """With (certificate file, key file) it speaks TLS."""
        self.program = program
        self.args = ["--cert", pair[0], "--key", pair[1]] if pair else []
        self.scheme = "https" if pair else "http"
        self.port = 0
        self.process = None
        self.kept = {}  # path -> [(log lines, counters)] of runs that ended
        self.start()

    def start(self):
        """On the port it had before, where it had one."""
        self.process = STARTER.submit(
            subprocess.Popen, [self.program, "--with-parent", "--port", str(self.port), *self.args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).result()
        line = self.process.stdout.readline()
        if not line.startswith("port "):
            raise RuntimeError("the receiver did not start")
        self.port = int(line.split()[1])

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process.stdout.close()
            self.process = None

    def refuse(self, paths):
        """No connection from now on. Nothing is taken any more before what was taken is read."""
        for path in paths:
            self.behave(path, status=503)
            self.kept.setdefault(path, []).append((self.log_lines(path), self.stats(path)))
        self.stop()

    def freeze(self, frozen):
        os.kill(self.process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def url(self, path, host="127.0.0.1"):
        return "%s://%s:%d/in/%s" % (self.scheme, host, self.port, path)

    def call(self, method, url, body=None, **query):
        target = "%s://127.0.0.1:%d%s?%s" % (self.scheme, self.port, url, urllib.parse.urlencode(query))
        data = None if body is None else body.encode()
        with OPENER.open(urllib.request.Request(target, data, method=method), timeout=60) as answer:
            return answer.read().decode()

    def behave(self, path, **how):
        """Answer so from now on; without settings, well."""
        self.call("POST", "/behave", json.dumps({"path": "/in/" + path, **(how or {"from_url": True})}))

    def stats(self, path):
        return json.loads(self.call("GET", "/stats", path="/in/" + path))

    def log_lines(self, path):
        return self.call("GET", "/log", path="/in/" + path).splitlines()

    def history(self, path):
        """(attempts as dicts in order of arrival, counters), of all runs."""
        lines, total = self.log_lines(path), self.stats(path)
        for earlier, counters in reversed(self.kept.get(path, [])):
            lines = earlier + lines
            for name, value in counters.items():
                if isinstance(value, int):
                    total[name] += value
        return [json.loads(line) for line in lines], total
