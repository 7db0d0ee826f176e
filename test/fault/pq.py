"""pq: the little of libpq that the harness needs, so that a writer is a client like any other."""
import ctypes
import ctypes.util
import os
import subprocess

CONNECTION_OK = 0
COMMAND_OK, TUPLES_OK, COPY_IN = 1, 2, 4
SQLSTATE, SEVERITY = ord("C"), ord("V")


class Lost(Exception):
    """The connection is gone; what was under way may have been committed or not."""


class Refused(Exception):
    """No connection could be made."""


class SqlError(Exception):
    def __init__(self, state, message):
        super().__init__("%s: %s" % (state, message))
        self.state = state


def load():
    name = ctypes.util.find_library("pq")
    if name is None:
        directory = subprocess.run([os.environ.get("PG_CONFIG", "pg_config"), "--libdir"], check=True,
                                   capture_output=True, text=True).stdout.strip()
        name = os.path.join(directory, "libpq.so.5")
    lib = ctypes.CDLL(name)
    for function, result, arguments in (
            ("PQconnectdb", "p", "s"), ("PQstatus", "i", "p"), ("PQerrorMessage", "s", "p"),
            ("PQfinish", None, "p"), ("PQexec", "p", "ps"), ("PQresultStatus", "i", "p"),
            ("PQresultErrorField", "s", "pi"), ("PQresultErrorMessage", "s", "p"), ("PQntuples", "i", "p"),
            ("PQnfields", "i", "p"), ("PQgetvalue", "s", "pii"), ("PQgetisnull", "i", "pii"),
            ("PQcmdStatus", "s", "p"), ("PQclear", None, "p"), ("PQputCopyData", "i", "psi"),
            ("PQputCopyEnd", "i", "ps"), ("PQgetResult", "p", "p"), ("PQsetNoticeProcessor", "p", "ppp")):
        types = {"p": ctypes.c_void_p, "s": ctypes.c_char_p, "i": ctypes.c_int, None: None}
        entry = getattr(lib, function)
        entry.restype = types[result]
        entry.argtypes = [types[letter] for letter in arguments]
    return lib


LIB = load()
QUIET = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda _, message: None)


def literal(text):
    """A text as an SQL literal; the server has standard_conforming_strings on."""
    return "null" if text is None else "'%s'" % text.replace("'", "''")


class Connection:
    def __init__(self, conninfo):
        self.conn = LIB.PQconnectdb(conninfo.encode())
        if LIB.PQstatus(self.conn) != CONNECTION_OK:
            message = LIB.PQerrorMessage(self.conn).decode(errors="replace").strip()
            self.close()
            raise Refused(message)
        LIB.PQsetNoticeProcessor(self.conn, ctypes.cast(QUIET, ctypes.c_void_p), None)

    def close(self):
        if self.conn:
            LIB.PQfinish(self.conn)
            self.conn = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def exec(self, sql):
        """(command tag, rows of texts). Raises SqlError, or Lost where the connection went away."""
        return self._take(LIB.PQexec(self.conn, sql.encode()))

    def rows(self, sql):
        return self.exec(sql)[1]

    def value(self, sql):
        return self.rows(sql)[0][0]

    def copy(self, sql, data):
        """Run a COPY FROM STDIN; the command tag."""
        result = LIB.PQexec(self.conn, sql.encode())
        if result is None or LIB.PQresultStatus(result) != COPY_IN:
            return self._take(result)[0]
        LIB.PQclear(result)
        body = data.encode()
        LIB.PQputCopyData(self.conn, body, len(body))
        LIB.PQputCopyEnd(self.conn, None)
        answer = None
        while True:
            result = LIB.PQgetResult(self.conn)
            if not result:
                break
            answer = self._take(result)
        if answer is None:
            raise Lost(self._message())
        return answer[0]

    def _message(self):
        return LIB.PQerrorMessage(self.conn).decode(errors="replace").strip()

    def _take(self, result):
        if not result:
            raise Lost(self._message())
        try:
            if LIB.PQresultStatus(result) not in (COMMAND_OK, TUPLES_OK):
                self._raise(result)
            columns = range(LIB.PQnfields(result))
            rows = [tuple(None if LIB.PQgetisnull(result, r, c) else LIB.PQgetvalue(result, r, c).decode()
                          for c in columns) for r in range(LIB.PQntuples(result))]
            return LIB.PQcmdStatus(result).decode(), rows
        finally:
            LIB.PQclear(result)

    def _raise(self, result):
        state = LIB.PQresultErrorField(result, SQLSTATE)
        severity = LIB.PQresultErrorField(result, SEVERITY)
        message = LIB.PQresultErrorMessage(result).decode(errors="replace").strip()
        if LIB.PQstatus(self.conn) != CONNECTION_OK or state is None or severity in (b"FATAL", b"PANIC"):
            raise Lost(message)
        raise SqlError(state.decode(), message)
