"""Callbacks: what they are told, in which order, and what they may do."""

import concurrent.futures
import contextlib
import io
import socket
import threading
import time
import unittest
from unittest import mock

import roost.callbacks
import roost.control
from harness import EVERY_METHOD, SECONDS, Calls, ServerTest, request, url
from network import HTTP_Server
from roost.fields import headers


LARGE = 1 << 20  # octets: as many as a body can have, and more than a socket takes


class Arguments(ServerTest):
    def setUp(self):
        super().setUp()
        self.calls = Calls()
        self.resource = self.add("/a", callback=self.calls, content_type=HTTP_Server.PLAIN, value="first")

    def told(self):
        """Returns the arguments of the next call, without the headers."""
        uri, method, _, body, new_uri, status = self.calls.next()
        return uri, method, body, new_uri, status

    def test_every_method(self):
        self.request("GET", "/a")
        self.assertEqual(self.told(), ("/a", HTTP_Server.GET, "", "", 200))
        self.request("PUT", "/a", "second")
        self.assertEqual(self.told(), ("/a", HTTP_Server.PUT, "second", "", 204))
        child = self.request("POST", "/a", "third")[1]["Location"]
        self.assertEqual(self.told(), ("/a", HTTP_Server.POST, "third", child, 201))
        self.assertRegex(child, r"^/a/\d{5}$")
        self.request("DELETE", "/a")
        self.assertEqual(self.told(), ("/a", HTTP_Server.DELETE, "", "", 204))

    def test_kinds(self):
        self.request("PUT", "/a", "é".encode())
        uri, method, fields, body, new_uri, status = self.calls.next()
        self.assertEqual([type(x) for x in (uri, method, new_uri, status)], [str, int, str, int])
        self.assertIsInstance(fields, dict)
        self.assertIsInstance(body, str)
        self.assertEqual((body, body.decode(), bytes(body)), ("é", "é", "é".encode()))

    def test_octets(self):
        self.request("PUT", "/a", b"\xff\0")
        body = self.calls.next()[3]
        self.assertEqual((body, bytes(body)), ("ÿ\0", b"\xff\0"))

    def test_refused(self):
        # 404 is nobody's, and 405 no registered method's. A call for them would come
        # before the others.
        self.resource.register_request_handler(EVERY_METHOD & ~HTTP_Server.DELETE, callback=self.calls)
        self.assertEqual(self.request("GET", "/b")[0], 404)
        self.assertEqual(self.request("DELETE", "/a")[0], 405)
        self.assertEqual(self.request("GET", "/a", Accept="image/png")[0], 406)
        self.assertEqual(self.told(), ("/a", HTTP_Server.GET, "", "", 406))
        self.assertEqual(self.request("PUT", "/a", "x", Content_Type="image/png")[0], 415)
        self.assertEqual(self.told()[::4], ("/a", 415))
        self.assertEqual(self.request("POST", "/a", Content_Length=str(9 << 20))[0], 413)
        self.assertEqual(self.told(), ("/a", HTTP_Server.POST, "", "", 413))
        self.assertEqual(self.resource.value(), "first")

    def test_no_room(self):
        HTTP_Server.deinit()
        HTTP_Server.init(port=0, max_uri=1)
        self.add("/a", callback=self.calls)
        self.assertEqual(self.request("POST", "/a", "x")[0], 507)
        self.assertEqual(self.told(), ("/a", HTTP_Server.POST, "x", "", 507))

    def test_children(self):
        child = self.request("POST", "/a", "x")[1]["Location"]
        self.assertEqual(self.told()[3], child)
        self.assertEqual(HTTP_Server.get_resource(child).value(), "x")
        self.request("PUT", child, "y")
        self.assertEqual(self.told(), (child, HTTP_Server.PUT, "y", "", 204))

        own = Calls()
        HTTP_Server.get_resource(child).register_request_handler(HTTP_Server.GET, callback=own)
        self.request("GET", child)
        self.assertEqual(own.next()[0], child)

    def test_headers(self):
        self.request("GET", "/a", X_Device="7", Cookie="a=1")
        fields = self.calls.next()[2]
        self.assertEqual((fields["X-Device"], fields["x-device"], fields.get("X-DEVICE")), ("7", "7", "7"))
        self.assertIn("host", fields)
        self.assertIn("X-Device", list(fields))
        self.assertNotIn("x-device", list(fields))
        self.assertEqual({type(x) for pair in fields.items() for x in pair}, {str})


class Fields(unittest.TestCase):
    def test_joined(self):
        fields = headers([("accept", "a/b"), ("Accept", "c/d"), ("cookie", "x=1"), ("Cookie", "y=2")])
        self.assertEqual(fields, {"Accept": "a/b, c/d", "Cookie": "x=1; y=2"})

    def test_missing(self):
        fields = headers([("a", "1")])
        self.assertNotIn("b", fields)
        self.assertIsNone(fields.get("b"))
        self.assertEqual(fields.get("b", "2"), "2")
        for name in ("b", "B", 1):
            with self.assertRaises(KeyError):
                fields[name]


class Running(ServerTest):
    def test_order(self):
        calls = Calls()
        self.add("/a", callback=calls)
        for number in range(300):
            self.request("PUT", "/a", str(number))
        self.assertEqual([calls.next()[3] for _ in range(300)], [str(number) for number in range(300)])

    def test_one_thread(self):
        calls = Calls()
        for uri in ("/a", "/b"):
            self.add(uri, callback=lambda *args: calls(threading.current_thread()))
        self.request("GET", "/a")
        self.request("GET", "/b")
        first, second = calls.next()[0], calls.next()[0]
        self.assertIs(first, second)
        self.assertEqual(first.name, "roost callbacks")

    def test_one_at_a_time(self):
        calls, go_on = Calls(), threading.Event()

        def slow(uri, *rest):
            calls("begins", uri)
            self.assertTrue(go_on.wait(SECONDS))
            calls("ends", uri)

        self.add("/a", callback=slow)
        self.add("/b", callback=slow)
        self.request("GET", "/a")
        self.request("GET", "/b")
        self.assertEqual(calls.next(), ("begins", "/a"))
        go_on.set()
        self.assertEqual([calls.next() for _ in range(3)], [("ends", "/a"), ("begins", "/b"), ("ends", "/b")])

    def test_the_answer_does_not_wait(self):
        calls, go_on = Calls(), threading.Event()

        def slow(*args):
            self.assertTrue(go_on.wait(SECONDS))
            calls()

        self.add("/a", callback=slow, value="x")
        self.assertEqual(self.request("GET", "/a")[2], b"x")
        go_on.set()
        calls.next()

    def test_exception(self):
        calls = Calls()

        def fails(uri, method, headers, body, new_uri, status):
            if body == "bad":
                raise ZeroDivisionError("on purpose")
            calls(body)

        self.add("/a", callback=fails)
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed):
            self.request("PUT", "/a", "bad")
            self.request("PUT", "/a", "good")
            self.assertEqual(calls.next(), ("good",))
        lines = printed.getvalue().splitlines()
        self.assertEqual(lines[0], "Traceback (most recent call last):")
        self.assertIn("in fails", lines[1])
        self.assertEqual(lines[-1], "ZeroDivisionError: on purpose")

    def test_wrong_number_of_arguments(self):
        calls = Calls()
        resource = self.add("/a", callback=lambda uri: None)
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed):
            self.request("GET", "/a")
            resource.register_request_handler(EVERY_METHOD, callback=calls)
            self.request("GET", "/a")
            calls.next()
        self.assertIn("TypeError", printed.getvalue())

    def test_replaced(self):
        first, second = Calls(), Calls()
        resource = self.add("/a", callback=first)
        self.request("PUT", "/a", "1")
        resource.register_request_handler(EVERY_METHOD, callback=second)
        self.request("PUT", "/a", "2")
        resource.register_request_handler(EVERY_METHOD)
        self.request("PUT", "/a", "3")
        resource.register_request_handler(EVERY_METHOD, callback=first)
        self.request("PUT", "/a", "4")
        self.assertEqual([first.next()[3], second.next()[3], first.next()[3]], ["1", "2", "4"])

    def test_a_stream_that_breaks_off(self):
        calls = Calls()
        self.add("/a", callback=calls)
        for number in range(5):
            self.request("PUT", "/a", str(number))
            self.assertEqual(calls.next()[3], str(number))
            # Another stream of the subscriber ends the first, which ends it in turn when it
            # goes on.
            other = roost.control.EventStream(roost.callbacks.register(calls)["subscriber"])
            self.assertIsNone(other.read())
            other.close()

    def test_a_stream_that_breaks_off_within_a_callback(self):
        # Events that were sent and not handled come again, and none comes twice.
        calls, go_on = Calls(), threading.Event()
        self.addCleanup(go_on.set)

        def callback(uri, method, headers, body, new_uri, status):
            calls(body[:1])
            if body == "1":
                self.assertTrue(go_on.wait(SECONDS))

        self.add("/a", callback=callback)
        stream = self.next_stream()
        for body in ("0", "1", "2" * LARGE, "3", "4"):
            self.request("PUT", "/a", body)
        self.assertEqual([calls.next(), calls.next()], [("0",), ("1",)])
        wait_until(lambda: subscriber()["sent"] >= 3)
        stream._socket.shutdown(socket.SHUT_RDWR)
        go_on.set()
        self.assertEqual([calls.next() for _ in range(3)], [("2",), ("3",), ("4",)])
        self.assertTrue(calls.empty())

    def next_stream(self):
        """Makes the thread of the callbacks open another stream, and returns it."""
        opened = Calls()
        real = roost.control.EventStream

        def spied(*args):
            stream = real(*args)
            opened(stream)
            return stream

        with mock.patch.object(roost.control, "EventStream", spied):
            other = real(roost.callbacks.register(print)["subscriber"])  # ends the stream before
            stream = opened.next()[0]
        other.close()
        return stream

    def test_none_is_lost(self):
        # More than the engine holds and sockets take: it has to wait with the rest.
        calls, go_on = Calls(), threading.Event()
        self.addCleanup(go_on.set)

        def slow(uri, method, headers, body, new_uri, status):
            self.assertTrue(go_on.wait(SECONDS))
            calls(int(body[:2]))

        self.add("/a", callback=slow)
        bodies = ["%02d" % number + "x" * (LARGE - 2) for number in range(40)]
        with concurrent.futures.ThreadPoolExecutor(len(bodies)) as clients:
            statuses = list(clients.map(lambda body: self.request("PUT", "/a", body)[0], bodies))
        self.assertEqual(set(statuses), {204})
        wait_until(lambda: subscriber()["held"] > 10)
        self.assertTrue(subscriber()["hold"])
        go_on.set()
        self.assertEqual(sorted(calls.next()[0] for _ in bodies), list(range(len(bodies))))

    def test_lost(self):
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed), mock.patch.multiple(roost.callbacks, _handled=0, _forgotten=True):
            roost.callbacks._run(Told((3, "lost", {"lost": 3})))
        self.assertEqual(printed.getvalue(), "roost: 3 callbacks were lost while the way to the engine was broken\n")

    def test_a_stream_that_is_refused(self):
        full = roost.control.Problem({"type": "urn:roost:problem:full", "title": "No room", "detail": "There are too many."})
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed), mock.patch.object(roost.control, "EventStream", side_effect=full):
            roost.callbacks._run(Told())
        self.assertEqual(printed.getvalue(), "roost: no callbacks are called any more: There are too many.\n")

    def test_a_function_keeps_its_token(self):
        first = roost.callbacks.register(self.request)
        self.assertEqual(roost.callbacks.register(self.request), first)
        self.assertEqual(roost.callbacks.register(print)["subscriber"], first["subscriber"])
        self.assertNotEqual(roost.callbacks.register(print), first)


class Told:
    """A stream that ends after some events."""

    def __init__(self, *events):
        self._events = list(events)

    def read(self):
        return self._events.pop(0) if self._events else None

    def close(self):
        pass


def subscriber():
    """Returns what the engine tells of the subscriber that the callbacks are."""
    for each in roost.control.call("GET", roost.control.path("subscribers"))["subscribers"]:
        if each["name"] == roost.callbacks._subscriber:
            return each


def wait_until(true):
    """Waits for what the engine tells nobody of."""
    limit = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < limit, "it never came to be"
        time.sleep(0.001)


class Inside(ServerTest):
    """What a callback does to the server. Its result, or its exception, is what the test waits for."""

    def inside(self, function):
        calls = Calls()

        def callback(*args):
            try:
                calls(function())
            except Exception as error:
                calls(error)

        self.add("/inside", callback=callback)
        self.request("GET", "/inside")
        return calls.next()[0]

    def test_resources(self):
        def use():
            resource = HTTP_Server.add_resource("/b", value="x")
            resource.register_request_handler(HTTP_Server.GET)
            seen = [resource.value(), HTTP_Server.list_resource("/b"), HTTP_Server.get_resource("/b") == resource]
            resource.value("y")
            seen.append(request(url(), "GET", "/b")[2])
            HTTP_Server.remove_resource("/b")
            return seen + [HTTP_Server.list_resource("/b")]

        self.assertEqual(self.inside(use), ["x", ["/b"], True, b"y", []])

    def test_its_own_resource(self):
        def remove():
            HTTP_Server.remove_resource("/inside")
            return HTTP_Server.list_resource()

        self.assertEqual(self.inside(remove), [])
        self.assertEqual(self.request("GET", "/inside")[0], 404)

    def test_deinit_and_init(self):
        calls = Calls()

        def restart():
            HTTP_Server.deinit()
            HTTP_Server.init(port=0)
            self.add("/again", callback=calls, value="new")
            return HTTP_Server.list_resource()

        self.assertEqual(self.inside(restart), ["/again"])
        self.assertEqual(self.request("GET", "/again")[2], b"new")
        self.assertEqual(calls.next()[0], "/again")

    def test_deinit_with_many_due(self):
        calls = Calls()
        ready = threading.Event()

        def callback(uri, method, headers, body, new_uri, status):
            self.assertTrue(ready.wait(SECONDS))
            if body == "0":
                HTTP_Server.deinit()
            calls(body)

        self.add("/a", callback=callback)
        for number in range(500):
            self.request("PUT", "/a", str(number))
        ready.set()
        self.assertEqual([calls.next()[0] for _ in range(500)], [str(number) for number in range(500)])


if __name__ == "__main__":
    unittest.main()
