#!/usr/bin/env python3
"""batch_peer.py: a second reader of batched webhooks, which shares no code with the first.

usage: batch_peer.py SECRET

Listens on a free port of 127.0.0.1, says it on the first line of standard output, and ends when its
standard input does. A POST to /cloudevents or /array is taken apart with what Python brings along;
what is wrong with it is answered 400. GET /report tells what came.
"""
import base64
import datetime
import hashlib
import hmac
import http.server
import json
import os
import sys
import threading
import time
import uuid

KEY = base64.b64decode(sys.argv[1].removeprefix("whsec_"))
report = {"requests": [], "wrong": []}


def require(holds, what):
    if not holds:
        raise ValueError(what)


def check_signature(headers, body):
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    require("v1," + expected in headers["webhook-signature"].split(" "), "signature")
    require(abs(time.time() - int(headers["webhook-timestamp"])) < 300, "timestamp")


def check_name(headers, ids):
    """The first half of SHA-256 over the ids, as a UUID of version 8."""
    digest = bytearray(hashlib.sha256(b"".join(uuid.UUID(one).bytes for one in ids)).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    require(headers["webhook-id"] == str(uuid.UUID(bytes=bytes(digest))), "webhook-id")
    require(headers["idempotency-key"] == headers["webhook-id"], "idempotency-key")
    version, trace, parent, flags = headers["traceparent"].split("-")
    require((version, len(trace), len(parent), len(flags)) == ("00", 32, 16, 2), "traceparent")


def check_cloudevent(event):
    require(event["specversion"] == "1.0", "specversion")
    require(event["source"] == "/cxsig/test" and event["type"] == "cx.signal.created", "type")
    require(event["datacontenttype"] == "application/json", "datacontenttype")
    require(event["subject"] == event["partitionkey"] == event["data"]["ticket_id"], "subject")
    require(int(event["sequence"]) == event["data"]["version"], "sequence")
    require(all(name.isalnum() and name.islower() for name in event), "attribute names")
    return event["time"]


def check_plain(event):
    require(list(event) == ["id", "type", "timestamp", "data"], "members")
    require(event["type"] == "cx.signal.created", "type")
    return event["timestamp"]


FORMATS = {"/cloudevents": ("application/cloudevents-batch+json; charset=UTF-8", check_cloudevent),
           "/array": ("application/json", check_plain)}


def check(path, headers, body):
    """The ids of the events; raises what is wrong."""
    media_type, check_event = FORMATS[path]
    require(headers["content-type"] == media_type, "content-type")
    check_signature(headers, body)
    events = json.loads(body)
    require(isinstance(events, list) and events, "no array, or one of nothing")
    for event in events:
        at = check_event(event)
        require(datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).tzinfo, "time")
        require(event["id"] == event["data"]["event_id"], "id")
    ids = [event["id"] for event in events]
    check_name(headers, ids)
    return ids


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            ids = check(self.path, self.headers, body)
        except Exception as error:  # whatever it is, it is what is wrong
            report["wrong"].append("%s: %s: %r" % (self.path, type(error).__name__, error.args))
            self.answer(400, b"")
        else:
            report["requests"].append({"path": self.path, "ids": ids, "bytes": len(body)})
            self.answer(200, b"")

    def do_GET(self):
        self.answer(200, json.dumps(report).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def end_with_input():
    sys.stdin.read()
    os._exit(0)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=end_with_input, daemon=True).start()
print("port", server.server_port, flush=True)
server.serve_forever()
