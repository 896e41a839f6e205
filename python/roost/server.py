"""HTTP_Server: starts and stops the engine's server, and knows its resources."""

import os

from roost import control, flash, lifetime, refusal, value
from roost.constants import Constants, media_type
from roost.resource import HTTP_Resource

_PAGE = "1000"

_listeners = []


def listeners():
    """Returns where the server listens: dicts with asked, address and url; an empty list once it was stopped."""
    return list(_listeners)


class HTTP_Server(Constants):
    """The server. There is one, so the class itself is used, and has no instances."""

    def __new__(cls):
        raise TypeError("HTTP_Server has no instances: call HTTP_Server.init()")

    @staticmethod
    def init(port=80, max_uri=100, keyfile=None, certfile=None):
        """Starts the server on a port, with TLS where keyfile and certfile are given.

        Port 443 needs them; with port 0 the system chooses one. max_uri is how many resources
        there can be.
        """
        global _listeners
        _check_range("port", port, 0, 65535)
        _check_range("max_uri", max_uri, 1, 2**31 - 1)
        if control.call("GET", control.path("server"))["running"]:
            raise RuntimeError("HTTP Server module is already initialized!")
        settings = {"port": port, "max_uri": max_uri}
        settings.update(_key_pair(port, keyfile, certfile))
        try:
            answer = control.call("POST", control.path("server"), settings)
        except control.Problem as problem:
            raise _not_initialized(problem) from None
        _listeners = answer["listeners"]

    @staticmethod
    def deinit():
        """Stops the server: requests under way are answered, their callbacks run, the port is free."""
        global _listeners
        _listeners = []  # at once, as another thread may call init as soon as there is no server
        try:
            control.call("DELETE", control.path("server"))
        except control.Problem as problem:
            if problem.kind == "server-not-running":
                raise RuntimeError("Server is not initialized!") from None
            raise refusal.exception(problem) from None
        lifetime.wake()

    @staticmethod
    def add_resource(uri, *, content_type=Constants.TEXT, value=0):
        """Adds a resource and returns its HTTP_Resource. It answers no method yet."""
        return _add(uri, media_type(content_type), value)

    @staticmethod
    def get_resource(uri):
        """Returns the HTTP_Resource at uri."""
        _check_str("uri", uri)
        return HTTP_Resource(_find("GET", uri, "Resource is not exists!"))

    @staticmethod
    def list_resource(uri_start=None, *, uri=None):
        """Returns the URIs that begin with uri_start, all by default, the oldest first.

        The device calls the parameter uri.
        """
        if uri_start is not None and uri is not None:
            raise TypeError("uri_start and uri are two names of one argument: give one")
        prefix = uri if uri_start is None else uri_start
        if prefix is not None:
            _check_str("uri_start", prefix)
        return list(_uris(prefix))

    @staticmethod
    def remove_resource(uri):
        """Removes the resource at uri. Those below it stay."""
        _check_str("uri", uri)
        _find("DELETE", uri, "Resource does not exist!")


def _check_str(name, argument):
    if not isinstance(argument, str):
        raise TypeError("%s must be str, not %s" % (name, type(argument).__name__))


def _check_range(name, argument, least, most):
    if not isinstance(argument, int):
        raise TypeError("%s must be int, not %s" % (name, type(argument).__name__))
    if not least <= argument <= most:
        raise ValueError("%s must be from %d to %d, not %d" % (name, least, most, argument))


def _key_pair(port, keyfile, certfile):
    if keyfile is None and certfile is None and port != 443:
        return {}
    if port == 443 and (keyfile is None or certfile is None):
        raise RuntimeError("HTTPS Server cannot be initialized without Certification and Key Files")
    if keyfile is None or certfile is None:
        raise RuntimeError("keyfile and certfile are both needed for HTTPS: %s is missing" % ("keyfile" if keyfile is None else "certfile"))
    certificate = _readable(certfile, "CA file not found")
    return {"cert_file": certificate, "key_file": _readable(keyfile, "KEY file not found")}


def _readable(path, complaint):
    """Returns the whole path of a file that can be read."""
    try:
        open(path, "rb").close()
    except OSError as error:
        lifetime.say("HTTP_Server.init: %s: %s" % (flash.real(path), error.strerror))
        raise OSError(complaint) from None
    return os.path.abspath(flash.real(path))


def _not_initialized(problem):
    if problem.kind == "server-running":
        return refusal.exception(problem)
    lifetime.say("HTTP_Server.init: " + problem.detail)
    return RuntimeError("HTTP Server could not be initialized, error code: %d" % problem.errno)


def _add(uri, content_type, initial):
    _check_str("uri", uri)
    body = {"uri": uri, "content_type": content_type}
    body.update(value.to_json(value.octets(initial)))
    try:
        return HTTP_Resource(control.call("POST", control.path("resources"), body))
    except control.Problem as problem:
        raise _not_added(problem, uri) from None


def _not_added(problem, uri):
    """Returns the first of the device's complaints: it exists, there is no room, its URI."""
    if problem.kind == "full" and _exists(uri):
        return RuntimeError("Resource already added!")
    if problem.kind == "invalid-uri" and _is_full():
        return RuntimeError("Cannot be added more resources!")
    if problem.kind == "invalid-uri" and not uri.startswith("/"):
        return RuntimeError('URI must start with "/".')
    return refusal.exception(problem)


def _exists(uri):
    try:
        control.call("GET", control.path("resource", uri=uri))
    except control.Problem:
        return False
    return True


def _is_full():
    server = control.call("GET", control.path("server"))
    return server["resources"] >= server["settings"]["max_uri"]


def _find(method, uri, complaint):
    """Makes a call about the resource at uri. What can be no URI has no resource."""
    try:
        return control.call(method, control.path("resource", uri=uri))
    except control.Problem as problem:
        if problem.kind in ("not-found", "invalid-uri", "invalid-request"):
            raise RuntimeError(complaint) from None
        raise refusal.exception(problem) from None


def _uris(prefix):
    after = None
    while True:
        target = control.path("resources", prefix=prefix, order="created", limit=_PAGE, after=after)
        page = refusal.ask("GET", target)
        yield from (resource["uri"] for resource in page["resources"])
        after = page.get("next")
        if after is None:
            return
