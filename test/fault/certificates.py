"""certificates: what a receiver on TLS shows: a good one of our own authority, and bad ones of it."""
import os
import subprocess

import server

SUBJECTS = {"good": "127.0.0.1", "expired": "127.0.0.1", "wrong-host": "127.0.0.9", "self-signed": "127.0.0.1"}


def openssl(*arguments, days_ago=0):
    environment = dict(os.environ)
    if days_ago:
        environment.update(LD_PRELOAD=server.clock_library() or "", FAKETIME="-%dd" % days_ago)
    done = subprocess.run(["openssl", *arguments], env=environment, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    if done.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (arguments[0], done.stdout))


class Certificates:
    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.authority = os.path.join(directory, "authority.pem")
        self._self_signed("authority", "cxsig fault authority", days_ago=30)

    def _file(self, name, kind):
        return os.path.join(self.directory, "%s.%s" % (name, kind))

    def _key(self):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def _self_signed(self, name, subject, extra=(), days_ago=0):
        openssl("req", "-x509", *self._key(), "-days", "60", "-subj", "/CN=" + subject, *extra,
                "-keyout", self._file(name, "key"), "-out", self._file(name, "pem"), days_ago=days_ago)

    def pair(self, kind):
        """(certificate file, key file) of that kind, a key of SUBJECTS."""
        address = "subjectAltName=IP:" + SUBJECTS[kind]
        if not os.path.exists(self._file(kind, "pem")):
            if kind == "self-signed":
                self._self_signed(kind, SUBJECTS[kind], ("-addext", address))
            else:
                self._signed(kind, address)
        return self._file(kind, "pem"), self._file(kind, "key")

    def _signed(self, kind, address):
        old = kind == "expired"
        extensions = self._file(kind, "ext")
        with open(extensions, "w") as out:
            out.write(address + "\n")
        openssl("req", *self._key(), "-subj", "/CN=" + SUBJECTS[kind], "-keyout", self._file(kind, "key"),
                "-out", self._file(kind, "csr"))
        openssl("x509", "-req", "-in", self._file(kind, "csr"), "-CA", self.authority,
                "-CAkey", self._file("authority", "key"), "-CAcreateserial", "-extfile", extensions,
                "-days", "2" if old else "20", "-out", self._file(kind, "pem"), days_ago=20 if old else 0)
