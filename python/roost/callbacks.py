"""Runs callbacks: one at a time, in order, on one thread.

The thread reads the engine's events one by one, and the next only when the callback
before it returned, so that a slow callback holds the engine back instead of filling the
memory of this process.
"""

import secrets
import threading
import types

from roost import control, lifetime, value
from roost.constants import METHODS
from roost.fields import headers

_subscriber = secrets.token_hex(8)
_handled = 0  # the number of the last event whose callback returned
_forgotten = False

_lock = threading.Lock()  # guards what follows
_thread = None
_tokens = {}  # by key
_functions = {}  # by token


def register(callback):
    """Returns what a registration tells the engine: a subscriber, and a token for callback.

    Starts the thread if there is none. A function keeps its token, and is kept for as
    long as the process lives: an event may come long after the registration was
    replaced. Raises control.Problem if the engine takes no more subscribers.
    """
    global _thread
    with _lock:
        if _thread is None or not _thread.is_alive():
            stream = control.EventStream(_subscriber, _handled)
            _thread = threading.Thread(target=_run, args=(stream,), name="roost callbacks", daemon=True)
            _thread.start()
        return {"subscriber": _subscriber, "callback": _token(callback)}


def _token(callback):
    """Returns the callback's token. Each access to a method makes a new object, equal to the others."""
    key = callback if isinstance(callback, types.MethodType) else id(callback)
    token = _tokens.setdefault(key, str(len(_tokens)))
    _functions[token] = callback
    return token


def thread():
    """Returns the thread of the callbacks, None where none was started."""
    return _thread


def due():
    """Says whether a callback runs, or is still to run."""
    if _thread is None or not _thread.is_alive():
        return False
    for subscriber in control.call("GET", control.path("subscribers"))["subscribers"]:
        if subscriber["name"] == _subscriber:
            return subscriber["newest"] > _handled
    return False


def forget():
    """Drops the callbacks that are still to run, and ends the thread."""
    global _forgotten
    if _thread is not None:
        _forgotten = True
        control.call("DELETE", control.path("subscribers", _subscriber))


def _run(stream):
    while stream is not None:
        event = stream.read()
        if event is None:
            stream.close()
            stream = _again()
        else:
            _handle(*event)


def _again():
    """Returns a stream that goes on where the last one broke off, None where there is none."""
    if _forgotten:
        return None
    try:
        return control.EventStream(_subscriber, _handled)
    except OSError:
        return None  # there is no engine any more, which its calls tell the script
    except control.Problem as problem:
        lifetime.say("no callbacks are called any more: " + problem.detail)
        return None


def _handle(number, name, data):
    global _handled
    if name == "request":
        _call(_functions[data["callback"]], data)
    elif name == "lost":
        lifetime.say("%d callbacks were lost while the way to the engine was broken" % data["lost"])
    _handled = number


def _call(callback, data):
    fields = headers((name, line) for name, lines in data["headers"].items() for line in lines)
    body = value.from_json(data, text="body")
    lifetime.call(callback, data["uri"], METHODS[data["method"]], fields, body, data["new_uri"], data["status"])
