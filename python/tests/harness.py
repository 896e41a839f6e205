"""What the tests share: a server for each, and a client that speaks to it."""

import http.client
import queue
import unittest
from urllib.parse import urlsplit

import roost.server
from network import HTTP_Server

EVERY_METHOD = HTTP_Server.GET | HTTP_Server.PUT | HTTP_Server.POST | HTTP_Server.DELETE
SECONDS = 20  # nothing here takes so long


class ServerTest(unittest.TestCase):
    """A test with a server on a port that the system chooses."""

    def setUp(self):
        HTTP_Server.init(port=0)
        self.addCleanup(deinit)

    def request(self, method, uri, body=None, **fields):
        """Returns (status, fields, body) of the server's answer. Fields are named as Content_Type."""
        return request(url(), method, uri, body, **fields)

    def add(self, uri, methods=EVERY_METHOD, callback=None, **settings):
        """Adds a resource that answers methods."""
        resource = HTTP_Server.add_resource(uri, **settings)
        resource.register_request_handler(methods, callback=callback)
        return resource


class Calls:
    """A callback that keeps what it is called with, for the test to wait for."""

    def __init__(self):
        self._calls = queue.Queue()

    def __call__(self, *args):
        self._calls.put(args)

    def next(self):
        return self._calls.get(timeout=SECONDS)

    def empty(self):
        return self._calls.empty()


def url():
    """Returns the beginning of the server's URLs."""
    return roost.server.listeners()[0]["url"]


def request(base, method, uri, body=None, **fields):
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS)
    try:
        connection.request(method, uri, body, {name.replace("_", "-"): value for name, value in fields.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def deinit():
    """Stops the server, if the test left one."""
    try:
        HTTP_Server.deinit()
    except RuntimeError as error:
        assert str(error) == "Server is not initialized!", error
