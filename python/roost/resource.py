"""HTTP_Resource: a handle to a resource of the server."""

from roost import callbacks, control, refusal, value
from roost.constants import METHODS

_UNSET = object()
_ALL_METHODS = sum(METHODS.values())
_GONE = "Resource is not exists!"


class HTTP_Resource:
    """One life of a resource. Made by HTTP_Server; after its removal every call fails."""

    def __init__(self, answer):
        self._uri = answer["uri"]
        self._life = answer["life"]
        self._at = control.path("resource", uri=self._uri, life=self._life)
        self._value_at = control.path("resource", "value", uri=self._uri, life=self._life)
        self._handler_at = control.path("resource", "handler", uri=self._uri, life=self._life)

    def __repr__(self):
        return "<HTTP_Resource %r>" % self._uri

    def __eq__(self, other):
        if not isinstance(other, HTTP_Resource):
            return NotImplemented
        return (self._uri, self._life) == (other._uri, other._life)

    def __hash__(self):
        return hash((self._uri, self._life))

    def value(self, value=_UNSET):
        """Returns the value, a str; or, given one, sets it: str, bytes, bytearray or int."""
        if value is _UNSET:
            return self._get()
        self._set(value)

    def _get(self):
        return value.from_json(refusal.ask("GET", self._at, missing=_GONE))

    def _set(self, new):
        refusal.ask("PUT", self._value_at, value.to_json(value.octets(new)), missing=_GONE)

    def register_request_handler(self, method, *, callback=None):
        """Says which methods are answered, HTTP_Server.GET | ..., in place of those before.

        callback(uri, method, headers, body, new_uri, status) is called after each answer:
        method is one of the constants, headers a dict whose names are found in any case,
        body a str (as value() gives it). 0 answers no method any more.
        """
        if not isinstance(method, int):
            raise TypeError("method must be int, not %s" % type(method).__name__)
        if method & ~_ALL_METHODS:
            raise ValueError("method must be made of GET, PUT, POST and DELETE")
        if callback is not None and not callable(callback):
            raise TypeError("callback must be a function or None, not %s" % type(callback).__name__)
        body = {"methods": [name for name, bit in METHODS.items() if method & bit]}
        if callback is not None:
            body.update(_registration(callback))
        refusal.ask("PUT", self._handler_at, body, missing=_GONE)


def _registration(callback):
    """Returns callbacks.register(callback). A refusal is about subscribers there, not about resources."""
    try:
        return callbacks.register(callback)
    except control.Problem as problem:
        raise RuntimeError(problem.detail) from None
