"""Calls of the engine's control API.

call() keeps one HTTP/1.1 connection a thread, and speaks HTTP by itself: by http.client
a call takes half as long again.
"""

import errno
import json
import os
import re
import socket
import threading
from urllib.parse import quote, urlsplit

from roost import settings

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_PREFIX = "urn:roost:problem:"


class Problem(Exception):
    """A refusal by the engine: kind is its stable name, detail a sentence for people."""

    def __init__(self, answer):
        super().__init__(answer.get("detail") or answer["title"])
        self.kind = answer["type"][len(_PREFIX):]
        self.detail = str(self)
        self.errno = answer.get("errno", -1)


def ended():
    """Returns the exception of every call once the engine is gone."""
    return OSError(errno.ENOTCONN, "the Roost engine has ended")


def path(*segments, **query):
    """Returns a request target: /v1/SEGMENTS?QUERY. Parameters that are None are left out."""
    target = "/v1/" + "/".join(segments)
    given = ["%s=%s" % (name, quote(value)) for name, value in query.items() if value is not None]
    return target + ("?" + "&".join(given) if given else "")


def call(method, target, body=None):
    """Makes one call and returns the JSON of its answer, None where it has none.

    Raises Problem if the engine refuses, OSError if it has ended. Safe from any thread.
    """
    try:
        connection = _threads.connection
    except AttributeError:
        connection = _threads.connection = Connection()
    return connection.call(method, target, body)


def alive():
    """Says whether the engine still listens."""
    try:
        _connect().close()
    except OSError:
        return False
    return True


class Connection:
    """One connection, opened by the first call, and again by the next after a failure."""

    def __init__(self):
        self.socket = None

    def call(self, method, target, body):
        try:
            if self.socket is None:
                self.socket = _connect()
            self._send(_request(method, target, body))
            status, head, content = self._answer()
        except OSError:
            self.close()
            raise ended() from None
        except BaseException:  # an interrupt: what is left of the answer is nobody's
            self.close()
            raise
        if _CLOSE.search(head):
            self.close()
        answer = json.loads(content) if content else None
        if status >= 400:
            raise Problem(answer)
        return answer

    def _send(self, request):
        try:
            self.socket.sendall(request)
        except OSError:
            pass  # the engine reads no more of what it refuses, and has answered; or there will be no answer

    def _answer(self):
        received = bytearray()
        end = self._find(b"\r\n\r\n", received, 0)
        head = received[:end]
        length = _LENGTH.search(head)
        if length:
            content = self._read(int(length.group(1)), received, end + 4)
        elif _CHUNKED.search(head):
            content = self._chunks(received, end + 4)
        else:
            content = b""
        return int(head[9:12]), head, content

    def _chunks(self, received, start):
        """Returns content that comes in chunks (RFC 9112, section 7.1). The engine sends no trailers."""
        content = bytearray()
        while True:
            end = self._find(b"\r\n", received, start)
            size = int(received[start:end], 16)
            content += self._read(size + 2, received, end + 2)[:size]
            start = end + 2 + size + 2
            if size == 0:
                return content

    def _find(self, mark, received, start):
        """Returns where mark is in what was received, after start, once it has come."""
        while True:
            found = received.find(mark, start)
            if found >= 0:
                return found
            self._receive(received)

    def _read(self, size, received, start):
        """Returns size octets of what was received, after start, once they have come."""
        while len(received) < start + size:
            self._receive(received)
        return received[start:start + size]

    def _receive(self, received):
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise ended()
        received += piece

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class EventStream:
    """A holding stream of the events of one subscriber, open when the constructor returns.

    It is asked for in HTTP/1.0, whose content is not cut into chunks and can be read by
    lines. It goes on after the event with number last, 0 for the first; without a number
    it begins with what no earlier stream was given.
    """

    def __init__(self, subscriber, last=None):
        target = path("events", subscriber=subscriber, hold="true")
        fields = "" if last is None else "Last-Event-ID: %d\r\n" % last
        try:
            self._socket = _connect()
            self._socket.sendall(_head("GET", target, "1.0", fields).encode())
            self._lines = self._socket.makefile("rb", buffering=1 << 16)
            self._begin()
        except OSError:
            raise ended() from None

    def _begin(self):
        status = self._lines.readline()
        while self._lines.readline().strip():
            pass
        if status.split()[1:2] != [b"200"]:
            raise Problem(json.loads(self._lines.read())) if status else ended()
        if not self._lines.readline().startswith(b":"):
            raise ended()

    def read(self):
        """Waits for the next event, and returns its number, name and data; None at the end."""
        number, name = 0, "message"
        data = []
        try:
            for line in self._lines:
                field, _, value = line.rstrip(b"\r\n").partition(b": ")
                if not line.strip():
                    if data:
                        return number, name, json.loads(b"\n".join(data))
                elif field == b"id":
                    number = int(value)
                elif field == b"event":
                    name = value.decode()
                elif field == b"data":
                    data.append(value)
        except OSError:
            pass
        return None

    def close(self):
        self._lines.close()
        self._socket.close()


def _connect():
    if settings.CONTROL.startswith("unix://"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        address = settings.CONTROL[len("unix://"):]
    else:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        parts = urlsplit(settings.CONTROL)
        address = (parts.hostname, parts.port)
    try:
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _head(method, target, version, fields=""):
    return "%s %s HTTP/%s\r\nHost: localhost\r\n%s%s\r\n" % (method, target, version, _AUTHORIZATION, fields)


def _request(method, target, body):
    if body is None:
        return _head(method, target, "1.1").encode()
    content = json.dumps(body, ensure_ascii=False).encode()
    fields = "Content-Type: application/json\r\nContent-Length: %d\r\n" % len(content)
    return _head(method, target, "1.1", fields).encode() + content


_AUTHORIZATION = "Authorization: Bearer %s\r\n" % settings.TOKEN if settings.TOKEN else ""
_threads = threading.local()


def _after_fork():
    """Leaves the connections to the parent: two processes can't share one."""
    global _threads
    _threads = threading.local()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
