"""HTTP_Client, against HTTP_Server and against a server of Python's own, with and without TLS."""

import base64
import contextlib
import http.client
import http.server
import io
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
from unittest import mock
from urllib.parse import urlsplit

import roost.client
import roost.server
from harness import Calls, ServerTest, deinit, url
from network import HTTP_Client, HTTP_Server


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers every request, and lets the test see it."""

    def answer(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests(self.command, self.path, dict(self.headers), content)
        self.send_response(302)
        self.send_header("location", "/elsewhere")
        self.send_header("x-line", "1")
        self.send_header("x-line", "2")
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"\xff!\n")

    do_GET = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def answering(context=None):
    """A server on 127.0.0.1 that answers with Answering."""
    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as server:
        server.requests = Calls()
        server.url = "%s://127.0.0.1:%d" % ("https" if context else "http", server.server_port)
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def make_key_pair(folder):
    """Makes a key and a certificate that it signed itself, and returns their paths."""
    key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
    return key, certificate


class ClientTest(unittest.TestCase):
    def setUp(self):
        self.calls = Calls()
        self.addCleanup(self.forget)

    def forget(self):
        with contextlib.suppress(RuntimeError):
            HTTP_Client.deinit()

    def fails(self):
        """Lets a request fail, and returns what it prints."""
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed), self.assertRaises(RuntimeError) as raised:
            HTTP_Client.send_request()
        self.assertEqual(str(raised.exception), "Request could not sent.")
        return printed.getvalue()


class Settings(ClientTest):
    def test_constants(self):
        for name in ("GET", "PUT", "POST", "DELETE", "TEXT", "XML", "PLAIN", "JSON", "OCTET", "APP_XML"):
            self.assertEqual(getattr(HTTP_Client, name), getattr(HTTP_Server, name))

    def test_before_init(self):
        for call in (HTTP_Client.deinit, HTTP_Client.url, HTTP_Client.auth, HTTP_Client.send_request, lambda: HTTP_Client.callback(print)):
            with self.assertRaises(RuntimeError) as raised:
                call()
            self.assertEqual(str(raised.exception), "Client was not initialized with URL!")

    def test_url(self):
        message = 'URL must start with "http://" or "https://"'
        for wrong in ("ftp://127.0.0.1", "127.0.0.1", ""):
            with self.assertRaises(RuntimeError) as raised:
                HTTP_Client.init(wrong)
            self.assertEqual(str(raised.exception), message)
        HTTP_Client.init("http://127.0.0.1/a")
        self.assertEqual(HTTP_Client.url(), "http://127.0.0.1/a")
        self.assertIsNone(HTTP_Client.url("https://127.0.0.1/b"))
        self.assertEqual(HTTP_Client.url(), "https://127.0.0.1/b")
        with self.assertRaises(RuntimeError):
            HTTP_Client.url("b")
        self.assertEqual(HTTP_Client.url(), "https://127.0.0.1/b")

    def test_auth(self):
        HTTP_Client.init("http://127.0.0.1", auth=("me", "secret"))
        self.assertEqual(HTTP_Client.auth(), ("me", "secret"))
        HTTP_Client.auth("you", "too")
        self.assertEqual(HTTP_Client.auth(), ("you", "too"))
        HTTP_Client.init("http://127.0.0.1")
        self.assertIsNone(HTTP_Client.auth())

    def test_wrong_shapes(self):
        for call in (lambda: HTTP_Client(), lambda: HTTP_Client.init(), lambda: HTTP_Client.init(1),
                     lambda: HTTP_Client.init("http://127.0.0.1", print), lambda: HTTP_Client.init("http://127.0.0.1", callback=1),
                     lambda: HTTP_Client.init("http://127.0.0.1", auth=(1, 2))):
            with self.assertRaises(TypeError):
                call()
        HTTP_Client.init("http://127.0.0.1")
        for call in (lambda: HTTP_Client.send_request(HTTP_Client.GET), lambda: HTTP_Client.send_request(method="GET"),
                     lambda: HTTP_Client.send_request(body=1.5), lambda: HTTP_Client.callback(1), lambda: HTTP_Client.auth("me")):
            with self.assertRaises(TypeError):
                call()
        with self.assertRaises(ValueError):
            HTTP_Client.send_request(method=HTTP_Client.GET | HTTP_Client.PUT)


class Foreign(ClientTest):
    """Requests to a server that is not Roost's."""

    def test_answer(self):
        with answering() as server:
            HTTP_Client.init(server.url, callback=self.calls)
            self.assertIsNone(HTTP_Client.send_request())
        status, headers, body = self.calls.next()
        self.assertEqual((status, type(status)), (302, int))
        self.assertEqual((headers["LOCATION"], headers["X-Line"], headers.get("content-length")), ("/elsewhere", "1, 2", "3"))
        self.assertEqual((body, bytes(body)), ("ÿ!\n", b"\xff!\n"))

    def test_requests(self):
        with answering() as server:
            HTTP_Client.init(server.url + "/ä b?q=1&r=é#f", auth=("me", "é:"))
            for method, name in ((HTTP_Client.GET, "GET"), (HTTP_Client.PUT, "PUT"), (HTTP_Client.POST, "POST"), (HTTP_Client.DELETE, "DELETE")):
                HTTP_Client.send_request(method=method, body="é", content_type=HTTP_Client.JSON, accept=HTTP_Client.XML, user_agent="me/1")
                command, path, headers, content = server.requests.next()
                self.assertEqual((command, path, content), (name, "/%C3%A4%20b?q=1&r=%C3%A9", "é".encode()))
                expected = {"Content-Type": "application/json", "Accept": "text/xml", "User-Agent": "me/1", "Host": server.url[len("http://"):],
                            "Authorization": "Basic " + base64.b64encode("me:é:".encode()).decode()}
                self.assertEqual({name: headers[name] for name in expected}, expected)

    def test_defaults(self):
        with answering() as server:
            HTTP_Client.init(server.url)
            HTTP_Client.send_request()
            command, path, headers, content = server.requests.next()
        self.assertEqual((command, path, content, headers["User-Agent"]), ("GET", "/", b"", "roost"))
        for name in ("Content-Type", "Accept", "Authorization"):
            self.assertNotIn(name, headers)

    def test_octets(self):
        with answering() as server:
            HTTP_Client.init(server.url)
            HTTP_Client.send_request(method=HTTP_Client.POST, body=b"\0\xff")
            self.assertEqual(server.requests.next()[3], b"\0\xff")

    def test_callback(self):
        others = Calls()
        with answering() as server:
            HTTP_Client.init(server.url, callback=self.calls)
            HTTP_Client.callback(others)
            HTTP_Client.send_request()
            HTTP_Client.callback(others, action=False)
            HTTP_Client.send_request()
            HTTP_Client.callback(self.calls, action=True)
            HTTP_Client.send_request()
        self.assertEqual([self.calls.next()[0], others.next()[0]], [302, 302])
        self.assertTrue(self.calls.empty() and others.empty())

    def test_nobody_listens(self):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))  # and does not listen
            HTTP_Client.init("http://127.0.0.1:%d/" % bound.getsockname()[1])
            self.assertIn("refused", self.fails())

    def test_urls_that_lead_nowhere(self):
        for wrong in ("http://", "http://127.0.0.1:x/", "http://127.0.0.1:99999/"):
            with self.subTest(wrong):
                HTTP_Client.init(wrong)
                self.assertIn(wrong, self.fails())


class Own(ClientTest, ServerTest):
    """Requests to HTTP_Server."""

    def setUp(self):
        ServerTest.setUp(self)
        ClientTest.setUp(self)

    def test_every_method(self):
        resource = self.add("/a", value="first")
        HTTP_Client.init(url() + "/a", callback=self.calls)
        HTTP_Client.send_request()
        self.assertEqual(self.calls.next()[::2], (200, "first"))
        HTTP_Client.send_request(method=HTTP_Client.PUT, body="é")
        self.assertEqual(self.calls.next()[0], 204)
        self.assertEqual(resource.value(), "é")
        HTTP_Client.send_request(method=HTTP_Client.POST, body="below")
        status, headers, _ = self.calls.next()
        self.assertEqual((status, HTTP_Server.get_resource(headers["Location"]).value()), (201, "below"))
        HTTP_Client.send_request(method=HTTP_Client.DELETE)
        HTTP_Client.send_request()
        self.assertEqual([self.calls.next()[0], self.calls.next()[0]], [204, 404])

    def test_a_mapped_port(self):
        self.add("/a", value="x")
        asked = {**roost.server.listeners()[0], "asked": "127.0.0.1:80"}
        HTTP_Client.init("http://localhost/a", callback=self.calls)
        with mock.patch.object(roost.server, "_listeners", [asked]):
            HTTP_Client.send_request()
        self.assertEqual(self.calls.next()[::2], (200, "x"))


    def test_a_server_that_was_stopped(self):
        roost.server._listeners[0]["asked"] = "127.0.0.1:80"
        self.assertNotEqual(roost.client._mapped("127.0.0.1", 80), ("127.0.0.1", 80))
        HTTP_Server.deinit()
        self.assertEqual(roost.client._mapped("127.0.0.1", 80), ("127.0.0.1", 80))
        self.assertEqual(roost.server.listeners(), [])


class Mapping(unittest.TestCase):
    """Where a port of this machine leads."""

    def leads(self, host, port, listeners, ports):
        with mock.patch.object(roost.server, "_listeners", listeners), mock.patch.object(roost.settings, "PORTS", ports):
            return roost.client._mapped(host, port)

    def test_mapping(self):
        every = [{"asked": ":80", "address": "[::]:8080"}]
        one = [{"asked": "127.0.0.1:80", "address": "127.0.0.1:8080"}]
        two = [{"asked": "127.0.0.1:81", "address": "127.0.0.1:443"}, {"asked": "127.0.0.1:443", "address": "127.0.0.1:8443"}]
        for host, port, listeners, ports, expected in (
                ("localhost", 80, every, {}, ("localhost", 8080)),
                ("::1", 8080, every, {}, ("::1", 8080)),
                ("localhost", 80, one, {}, ("127.0.0.1", 8080)),
                ("localhost", 81, one, {}, ("localhost", 81)),
                ("localhost", 443, one + two, {}, ("127.0.0.1", 8443)),
                ("localhost", 80, [], {80: 8081}, ("localhost", 8081)),
                ("localhost", 81, [], {80: 8081}, ("localhost", 81))):
            with self.subTest(str((host, port, listeners, ports))):
                self.assertEqual(self.leads(host, port, listeners, ports), expected)

    def test_own(self):
        for host in ("127.0.0.1", "127.8.8.8", "localhost"):
            self.assertTrue(roost.client._own_addresses(host))
        self.assertEqual(roost.client._own_addresses("192.0.2.1"), [])
        with mock.patch.object(roost.settings, "LISTEN_HOST", "192.0.2.1"):
            self.assertEqual(roost.client._own_addresses("192.0.2.1"), ["192.0.2.1"])

    def test_names_are_looked_up_once(self):
        # Whoever answers for a name can't get a certificate taken that is not this machine's own.
        answers = []

        def resolve(host, *args, **kwargs):
            if host != "bank.example":
                return original(host, *args, **kwargs)
            return [answer for address in answers.pop(0) for answer in original(address, *args, **kwargs)]

        original = socket.getaddrinfo
        with mock.patch.object(socket, "getaddrinfo", resolve):
            answers[:] = [["127.0.0.1", "192.0.2.1"]]
            connection = roost.client._connection("https", "bank.example", 443)
            self.assertIsInstance(connection, http.client.HTTPSConnection)
            self.assertEqual(connection._context.verify_mode, ssl.CERT_REQUIRED)

            answers[:] = [["127.0.0.1"], ["192.0.2.1"]]
            with answering() as server:
                port = urlsplit(server.url).port
                connection = roost.client._connection("http", "bank.example", port)
                connection.connect()
                self.assertEqual(connection.sock.getpeername(), ("127.0.0.1", port))
                connection.close()

    def test_every_own_address_is_tried(self):
        with answering() as server:
            port = urlsplit(server.url).port
            connection = roost.client._OwnConnection(["127.8.8.8", "127.0.0.1"], port, None)
            connection.connect()
            self.assertEqual(connection.sock.getpeername(), ("127.0.0.1", port))
            connection.close()
            with self.assertRaises(OSError):
                roost.client._OwnConnection(["127.8.8.8"], port, None).connect()

    def test_password_is_not_told(self):
        with contextlib.redirect_stderr(io.StringIO()) as printed:
            roost.client._explain("http://user:secret@a.example/\r\nx", OSError("why"))
        self.assertEqual(printed.getvalue(), "roost: HTTP_Client: 'http://a.example/\\r\\nx': why\n")


@unittest.skipUnless(shutil.which("openssl"), "there is no openssl")
class TLS(ClientTest):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.key, cls.certificate = make_key_pair(folder.name)

    def answering(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return answering(context)

    def test_own_server(self):
        self.addCleanup(deinit)
        HTTP_Server.init(port=0, keyfile=self.key, certfile=self.certificate)
        resource = HTTP_Server.add_resource("/a", value="x")
        resource.register_request_handler(HTTP_Server.GET)
        self.assertTrue(url().startswith("https://"))
        HTTP_Client.init(url() + "/a", callback=self.calls)
        HTTP_Client.send_request()
        self.assertEqual(self.calls.next()[::2], (200, "x"))

    def test_own_address(self):
        with self.answering() as server:
            HTTP_Client.init(server.url, callback=self.calls)
            HTTP_Client.send_request()
            self.assertEqual(self.calls.next()[0], 302)

    def test_other_address(self):
        # 127.0.0.1 stands for an address of somebody else.
        with self.answering() as server, mock.patch.object(roost.client, "_own_addresses", return_value=[]):
            HTTP_Client.init(server.url, callback=self.calls)
            printed = self.fails()
            self.assertIn("certificate verify failed", printed)
            self.assertIn("roost run --insecure-client", printed)
            with mock.patch.object(roost.settings, "INSECURE_CLIENT", True):
                HTTP_Client.send_request()
            self.assertEqual(self.calls.next()[0], 302)


if __name__ == "__main__":
    unittest.main()
