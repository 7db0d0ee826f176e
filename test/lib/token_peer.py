#!/usr/bin/env python3
"""token_peer.py: gives tokens as RFC 6749 has it, and takes webhooks that carry them.

usage: token_peer.py

Listens on a free port of 127.0.0.1, says it on the first line of standard output, and ends when its
standard input does. POST /control/CLIENT sets what is known of a client, GET /report/CLIENT tells what
it did. POST /token gives tokens, POST /hook/CLIENT wants one. Whatever is refused is shown in the
answer, secrets and all, as careless servers do.
"""
import base64
import collections
import http.server
import json
import os
import sys
import threading
import time
import urllib.parse

lock = threading.Lock()
numbers = iter(range(1, 1 << 30))
clients = {}


class Client:
    def __init__(self):
        self.secret = None
        self.audience = None
        self.refresh = None      # the one that is good; None: this client has none
        self.rotate = False      # each use of it brings another, and ends the tokens there are
        self.expires_in = None   # what is told
        self.life = None         # what is true, where it is less
        self.faults = []         # answers to the next requests for a token: [status, body]
        self.deny = False        # no token is good enough
        self.hold_ms = 0         # how long a request for a token takes
        self.answer_ms = 0       # and its answer, once there is one
        self.hook_ms = 0         # how long a request is under way before its token is looked at
        self.tokens = {}         # the good ones, until when
        self.asked = 0
        self.overlapped = 0      # requests for a token while another was under way
        self.under_way = 0
        self.reused = 0          # refresh tokens that were used up
        self.spent = set()
        self.granted = 0
        self.refused = 0
        self.taken = collections.Counter()

    def report(self):
        return {"asked": self.asked, "overlapped": self.overlapped, "reused": self.reused,
                "granted": self.granted, "refused": self.refused, "taken": sum(self.taken.values()),
                "distinct": len(self.taken), "refresh": self.refresh}

    def grant(self):
        token = "n33dle+access/%d~%s" % (next(numbers), os.urandom(12).hex())
        life = self.life or self.expires_in or 3600
        if self.rotate:
            self.tokens.clear()
            self.spent.add(self.refresh)
            self.refresh = "n33dle-refresh-%d-%s" % (next(numbers), os.urandom(12).hex())
        self.tokens[token] = time.monotonic() + life
        self.granted += 1
        answer = {"access_token": token, "token_type": "bearer", "scope": "a b"}
        if self.expires_in:
            answer["expires_in"] = self.expires_in
        if self.rotate:
            answer["refresh_token"] = self.refresh
        return 200, answer

    def ask(self, form):
        """(status, answer) of a request for a token."""
        if self.faults:
            return self.faults.pop(0)
        kind = form["grant_type"]
        if kind == "client_credentials" and self.refresh is None:
            if form["client_secret"] != self.secret:
                return 401, {"error": "invalid_client",
                             "error_description": "no such secret: " + form["client_secret"]}
            return self.grant()
        if kind == "refresh_token" and self.refresh is not None:
            if form["client_secret"] == self.secret and form["refresh_token"] == self.refresh:
                return self.grant()
            self.reused += form["refresh_token"] in self.spent
            return 400, {"error": "invalid_grant",
                         "error_description": "not good: " + form["refresh_token"]}
        if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            claims = form["assertion"].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
            if claims["aud"] == self.audience and 0 < claims["exp"] - time.time() <= 300:
                return self.grant()
            return 400, {"error": "invalid_grant", "error_description": form["assertion"]}
        return 400, {"error": "unsupported_grant_type"}


def find(name):
    return clients.setdefault(name, Client())


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        _, kind, *rest = self.path.split("/")
        if kind == "token":
            self.answer(*self.token(body))
            return
        with lock:
            client = find(rest[0])
        if kind == "hook":
            time.sleep(client.hook_ms / 1000)
        with lock:
            if kind == "control":
                client.__dict__.update(json.loads(body))
                self.answer(200, {})
            else:
                self.answer(*self.hook(client))

    def token(self, body):
        if self.headers["content-type"] != "application/x-www-form-urlencoded":
            return 415, {"error": "invalid_request"}
        form = dict(urllib.parse.parse_qsl(body.decode("ascii"), strict_parsing=True))
        name = form.get("client_id")
        if name is None:
            claims = form["assertion"].split(".")[1]
            name = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iss"]
        with lock:
            client = find(name)
            client.asked += 1
            client.overlapped += client.under_way > 0
            client.under_way += 1
        time.sleep(client.hold_ms / 1000)
        with lock:
            client.under_way -= 1
            answer = client.ask(form)
        time.sleep(client.answer_ms / 1000)
        return answer

    def hook(self, client):
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if client.deny or client.tokens.get(token, 0) < time.monotonic():
            client.refused += 1
            return 401, {"message": "token " + token + " will not do"}
        client.taken[self.headers["webhook-id"]] += 1
        return 200, {}

    def do_GET(self):
        with lock:
            self.answer(200, find(self.path.split("/")[2]).report())

    def answer(self, status, answer):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


def end_with_input():
    sys.stdin.read()
    os._exit(0)


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=end_with_input, daemon=True).start()
print("port", server.server_port, flush=True)
server.serve_forever()
