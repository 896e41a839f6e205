"""The connection to the engine: what breaks it, and that processes don't share it."""

import contextlib
import http.server
import os
import threading
import unittest
import warnings
from unittest import mock

from roost import control, refusal, settings

SERVER, SUBSCRIBERS = control.path("server"), control.path("subscribers")


class Interrupt(unittest.TestCase):
    def test_the_next_call_does_not_read_the_answer_before(self):
        connection = control.Connection()
        self.addCleanup(connection.close)
        with mock.patch.object(connection, "_answer", side_effect=KeyboardInterrupt):
            with self.assertRaises(KeyboardInterrupt):
                connection.call("GET", SUBSCRIBERS, None)
        self.assertIn("running", connection.call("GET", SERVER, None))


class Closing(http.server.BaseHTTPRequestHandler):
    """Answers one request of a connection, and says that it is the last."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def closing():
    """An engine on 127.0.0.1 that is Closing. Gives its URL."""
    with http.server.HTTPServer(("127.0.0.1", 0), Closing) as engine:
        thread = threading.Thread(target=engine.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield "http://127.0.0.1:%d" % engine.server_port
        finally:
            engine.shutdown()
            thread.join()


class Close(unittest.TestCase):
    def test_an_answer_that_is_the_last(self):
        connection = control.Connection()
        with closing() as url, mock.patch.object(settings, "CONTROL", url):
            for _ in range(3):
                self.assertEqual(connection.call("GET", SERVER, None), {})
                self.assertIsNone(connection.socket)


@unittest.skipUnless(hasattr(os, "fork"), "there is no fork")
class Fork(unittest.TestCase):
    def test_the_child_has_a_connection_of_its_own(self):
        control.call("GET", SERVER)
        of_parent = identity()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # there are other threads, which the child does without
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    if "running" in control.call("GET", SERVER) and identity() != of_parent:
                        code = 0
                finally:
                    os._exit(code)
        self.assertEqual(os.waitpid(child, 0), (child, 0))
        control.call("GET", SERVER)
        self.assertEqual(identity(), of_parent)


def identity():
    """Returns what tells the socket of this thread's connection from every other."""
    return os.fstat(control._threads.connection.socket.fileno()).st_ino


class Refusals(unittest.TestCase):
    """Which exception a script gets for a kind of refusal."""

    def test_kinds(self):
        for kind, expected, text in (
                ("invalid-uri", ValueError, "Why."), ("invalid-setting", ValueError, "Why."), ("invalid-request", ValueError, "Why."),
                ("content-too-large", ValueError, "Why."), ("store-unavailable", RuntimeError, "Why."), ("not-found", RuntimeError, "Missing!"),
                ("full", RuntimeError, "Cannot be added more resources!")):
            with self.subTest(kind):
                problem = control.Problem({"type": "urn:roost:problem:" + kind, "title": "Title", "detail": "Why."})
                exception = refusal.exception(problem, "Missing!")
                self.assertEqual((type(exception), str(exception)), (expected, text))


if __name__ == "__main__":
    unittest.main()
