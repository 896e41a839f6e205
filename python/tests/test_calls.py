"""Each call of HTTP_Server and HTTP_Resource: signature, default, constant, exception, message."""

import concurrent.futures
import errno
import inspect
import os
import socket
import tempfile
import unittest

import network
from harness import ServerTest, deinit
from network import HTTP_Resource, HTTP_Server


class Constants(unittest.TestCase):
    def test_constants(self):
        for name, value in (("GET", 1), ("PUT", 2), ("POST", 4), ("DELETE", 8), ("TEXT", 0), ("XML", 1),
                            ("PLAIN", 2), ("JSON", 3), ("OCTET", 4), ("APP_XML", 5)):
            with self.subTest(name):
                self.assertEqual(getattr(HTTP_Server, name), value)


class Signatures(unittest.TestCase):
    def test_signatures(self):
        for function, signature in (
                (HTTP_Server.init, "(port=80, max_uri=100, keyfile=None, certfile=None)"),
                (HTTP_Server.deinit, "()"),
                (HTTP_Server.add_resource, "(uri, *, content_type=0, value=0)"),
                (HTTP_Server.get_resource, "(uri)"),
                (HTTP_Server.list_resource, "(uri_start=None, *, uri=None)"),
                (HTTP_Server.remove_resource, "(uri)"),
                (HTTP_Resource.register_request_handler, "(self, method, *, callback=None)")):
            with self.subTest(function.__name__):
                self.assertEqual(str(inspect.signature(function)), signature)

    def test_wrong_shapes(self):
        for call in (
                lambda: HTTP_Server(),
                lambda: HTTP_Server.init("80"),
                lambda: HTTP_Server.init(max_uri="100"),
                lambda: HTTP_Server.init(0, 100, None, None, None),
                lambda: HTTP_Server.deinit(1),
                lambda: HTTP_Server.add_resource(),
                lambda: HTTP_Server.add_resource(1),
                lambda: HTTP_Server.add_resource("/a", HTTP_Server.TEXT),
                lambda: HTTP_Server.add_resource("/a", content_type=None),
                lambda: HTTP_Server.get_resource(),
                lambda: HTTP_Server.get_resource(None),
                lambda: HTTP_Server.list_resource(1),
                lambda: HTTP_Server.list_resource("/a", uri="/a"),
                lambda: HTTP_Server.remove_resource(b"/a")):
            with self.subTest(inspect.getsource(call).strip()), self.assertRaises(TypeError):
                call()


class BeforeInit(unittest.TestCase):
    def test_messages(self):
        for call, message in (
                (HTTP_Server.deinit, "Server is not initialized!"),
                (lambda: HTTP_Server.add_resource("/a"), "HTTP Server module is not initialized!"),
                (lambda: HTTP_Server.get_resource("/a"), "HTTP Server module is not initialized!"),
                (lambda: HTTP_Server.list_resource(), "HTTP Server module is not initialized!"),
                (lambda: HTTP_Server.remove_resource("/a"), "HTTP Server module is not initialized!")):
            with self.subTest(message):
                with self.assertRaises(RuntimeError) as raised:
                    call()
                self.assertEqual(str(raised.exception), message)

    def test_handle(self):
        HTTP_Server.init(port=0)
        self.addCleanup(deinit)
        resource = HTTP_Server.add_resource("/a")
        HTTP_Server.deinit()
        with self.assertRaises(RuntimeError) as raised:
            resource.value()
        self.assertEqual(str(raised.exception), "HTTP Server module is not initialized!")


class Init(unittest.TestCase):
    def setUp(self):
        self.addCleanup(deinit)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "file.pem")
        self.missing = os.path.join(folder.name, "missing.pem")
        with open(self.file, "w") as file:
            file.write("no PEM")

    def refused(self, kind, message, *args, **kwargs):
        with self.subTest(str((args, kwargs))):
            with self.assertRaises(kind) as raised:
                HTTP_Server.init(*args, **kwargs)
            self.assertIs(type(raised.exception), kind)
            self.assertEqual(str(raised.exception), message)

    def test_returns_none(self):
        self.assertIsNone(HTTP_Server.init(0))
        self.assertIsNone(HTTP_Server.deinit())
        self.assertIsNone(HTTP_Server.init(0, 5, None, None))

    def test_twice(self):
        HTTP_Server.init(port=0)
        self.refused(RuntimeError, "HTTP Server module is already initialized!", port=0)
        self.refused(RuntimeError, "HTTP Server module is already initialized!", port=443)

    def test_ranges(self):
        self.refused(ValueError, "port must be from 0 to 65535, not -1", -1)
        self.refused(ValueError, "port must be from 0 to 65535, not 65536", 65536)
        self.refused(ValueError, "max_uri must be from 1 to 2147483647, not 0", max_uri=0)

    def test_key_pair(self):
        both = "HTTPS Server cannot be initialized without Certification and Key Files"
        self.refused(RuntimeError, both, port=443)
        self.refused(RuntimeError, both, port=443, keyfile=self.file)
        self.refused(RuntimeError, both, port=443, certfile=self.file)
        self.refused(RuntimeError, "keyfile and certfile are both needed for HTTPS: certfile is missing", port=0, keyfile=self.file)
        self.refused(RuntimeError, "keyfile and certfile are both needed for HTTPS: keyfile is missing", port=0, certfile=self.file)
        self.refused(OSError, "CA file not found", port=443, keyfile=self.missing, certfile=self.missing)
        self.refused(OSError, "CA file not found", port=443, keyfile=self.file, certfile=self.missing)
        self.refused(OSError, "KEY file not found", port=443, keyfile=self.missing, certfile=self.file)
        self.refused(RuntimeError, "HTTP Server could not be initialized, error code: -1", port=0, keyfile=self.file, certfile=self.file)

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen(1)
            message = "HTTP Server could not be initialized, error code: %d" % errno.EADDRINUSE
            self.refused(RuntimeError, message, port=taken.getsockname()[1])

    def test_again_after_deinit(self):
        HTTP_Server.init(port=0)
        HTTP_Server.add_resource("/a")
        HTTP_Server.deinit()
        HTTP_Server.init(port=0)
        self.assertEqual(HTTP_Server.list_resource(), [])


class Resources(ServerTest):
    def refused(self, message, call, kind=RuntimeError):
        with self.subTest(message):
            with self.assertRaises(kind) as raised:
                call()
            self.assertEqual(str(raised.exception), message)

    def test_handle(self):
        resource = HTTP_Server.add_resource("/a")
        self.assertIsInstance(resource, network.HTTP_Resource)
        self.assertEqual(repr(resource), "<HTTP_Resource '/a'>")
        self.assertEqual(resource, HTTP_Server.get_resource("/a"))
        self.assertEqual(len({resource, HTTP_Server.get_resource("/a")}), 1)
        HTTP_Server.remove_resource("/a")
        self.assertNotEqual(resource, HTTP_Server.add_resource("/a"))
        self.assertNotEqual(resource, "/a")

    def test_defaults(self):
        resource = HTTP_Server.add_resource("/a")
        self.assertEqual(resource.value(), "0")
        self.assertEqual(self.request("GET", "/a")[0], 405)
        self.assertIsNone(resource.register_request_handler(HTTP_Server.GET))
        status, fields, body = self.request("GET", "/a")
        self.assertEqual((status, fields.get_content_type(), body), (200, "text/html", b"0"))

    def test_content_types(self):
        for constant, expected in ((HTTP_Server.TEXT, "text/html"), (HTTP_Server.XML, "text/xml"), (HTTP_Server.PLAIN, "text/plain"),
                                   (HTTP_Server.JSON, "application/json"), (HTTP_Server.OCTET, "application/octet-stream"),
                                   (HTTP_Server.APP_XML, "application/xml"), ("image/png", "image/png")):
            with self.subTest(expected):
                uri = "/" + expected
                self.add(uri, HTTP_Server.GET, content_type=constant)
                self.assertEqual(self.request("GET", uri)[1].get_content_type(), expected)
        with self.assertRaises(ValueError):
            HTTP_Server.add_resource("/a", content_type=6)

    def test_add(self):
        HTTP_Server.add_resource("/a")
        self.refused("Resource already added!", lambda: HTTP_Server.add_resource("/a"))
        self.refused('URI must start with "/".', lambda: HTTP_Server.add_resource("a"))
        self.refused('URI must start with "/".', lambda: HTTP_Server.add_resource(""))
        with self.assertRaises(ValueError):
            HTTP_Server.add_resource("/a?b")

    def test_add_where_there_is_no_room(self):
        HTTP_Server.deinit()
        HTTP_Server.init(port=0, max_uri=2)
        HTTP_Server.add_resource("/a")
        HTTP_Server.add_resource("/b")
        self.refused("Resource already added!", lambda: HTTP_Server.add_resource("/a"))
        self.refused("Cannot be added more resources!", lambda: HTTP_Server.add_resource("/c"))
        self.refused("Cannot be added more resources!", lambda: HTTP_Server.add_resource("c"))
        HTTP_Server.remove_resource("/b")
        HTTP_Server.add_resource("/c")

    def test_no_such_resource(self):
        for uri in ("/a", "a", ""):
            self.refused("Resource is not exists!", lambda: HTTP_Server.get_resource(uri))
            self.refused("Resource does not exist!", lambda: HTTP_Server.remove_resource(uri))

    def test_handle_after_removal(self):
        resource = HTTP_Server.add_resource("/a")
        self.assertIsNone(HTTP_Server.remove_resource("/a"))
        HTTP_Server.add_resource("/a")
        self.refused("Resource is not exists!", lambda: resource.value())
        self.refused("Resource is not exists!", lambda: resource.value("x"))
        self.refused("Resource is not exists!", lambda: resource.register_request_handler(HTTP_Server.GET))

    def test_handle_of_an_earlier_server(self):
        resource = HTTP_Server.add_resource("/a")
        HTTP_Server.deinit()
        HTTP_Server.init(port=0)
        HTTP_Server.add_resource("/a")
        self.refused("Resource is not exists!", lambda: resource.value())

    def test_list(self):
        for uri in ("/b", "/a", "/ab", "/b/c"):
            HTTP_Server.add_resource(uri)
        self.assertEqual(HTTP_Server.list_resource(), ["/b", "/a", "/ab", "/b/c"])
        self.assertEqual(HTTP_Server.list_resource("/a"), ["/a", "/ab"])
        self.assertEqual(HTTP_Server.list_resource(uri_start="/b"), ["/b", "/b/c"])
        self.assertEqual(HTTP_Server.list_resource(uri="/b/"), ["/b/c"])
        self.assertEqual(HTTP_Server.list_resource("/c"), [])

    def test_list_of_several_pages(self):
        HTTP_Server.deinit()
        HTTP_Server.init(port=0, max_uri=5000)
        uris = ["/%d" % number for number in range(2001, 0, -1)]
        for uri in uris:
            HTTP_Server.add_resource(uri)
        self.assertEqual(HTTP_Server.list_resource(), uris)

    def test_uris_are_escaped(self):
        for uri in ("/é", "/a&life=b", "/a+b", "/100%25"):
            with self.subTest(uri):
                HTTP_Server.add_resource(uri, value=uri)
                self.assertEqual(HTTP_Server.get_resource(uri).value(), uri)
                self.assertEqual(HTTP_Server.list_resource(uri), [uri])
                HTTP_Server.remove_resource(uri)

    def test_register(self):
        resource = HTTP_Server.add_resource("/a")
        for method, expected in ((HTTP_Server.GET, "GET, HEAD"), (HTTP_Server.PUT | HTTP_Server.DELETE, "DELETE, PUT"), (0, "")):
            with self.subTest(method):
                resource.register_request_handler(method)
                allowed = self.request("OPTIONS", "/a")[1]["Allow"].split(", ")
                self.assertEqual(sorted(set(allowed) - {"OPTIONS", ""}), sorted(filter(None, expected.split(", "))))

    def test_register_refuses(self):
        resource = HTTP_Server.add_resource("/a")
        for args, kwargs, kind in (
                ((), {}, TypeError), (("GET",), {}, TypeError), ((HTTP_Server.GET, print), {}, TypeError),
                ((HTTP_Server.GET,), {"callback": "print"}, TypeError), ((16,), {}, ValueError), ((-1,), {}, ValueError)):
            with self.subTest(str((args, kwargs))), self.assertRaises(kind):
                resource.register_request_handler(*args, **kwargs)

    def test_every_thread(self):
        def use(number):
            resource = HTTP_Server.add_resource("/%d" % number)
            for value in range(50):
                resource.value(value)
                if resource.value() != str(value):
                    return resource.value()

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(list(pool.map(use, range(8))), [None] * 8)
        self.assertEqual(sorted(HTTP_Server.list_resource()), ["/%d" % number for number in range(8)])

    def test_value_refuses(self):
        resource = HTTP_Server.add_resource("/a")
        for value, kind in ((None, TypeError), (1.5, TypeError), ([], TypeError), ("\ud800", ValueError)):
            with self.subTest(repr(value)):
                with self.assertRaises(kind):
                    resource.value(value)
                with self.assertRaises(kind):
                    HTTP_Server.add_resource("/b", value=value)
        self.assertEqual(resource.value(), "0")


if __name__ == "__main__":
    unittest.main()
