# What a call from a script to the engine takes: the median of many, beside a bare echo
# over a Unix socket by Python itself in the same run.
#
#   go run ./cmd/roost run --listen-host 127.0.0.1 --exit bench/script/call.py

import platform
import socket
import statistics
import threading
import time

from network import HTTP_Server

CALLS = 5000


def median(call):
    """Returns the median time of a call, and the 99th percentile, in microseconds."""
    for _ in range(CALLS // 10):
        call()
    times = []
    for _ in range(CALLS):
        start = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - start) / 1000)
    times.sort()
    return statistics.median(times), times[len(times) * 99 // 100]


def echo():
    """Returns a call that sends an octet to another thread and waits for it to come back."""
    here, there = socket.socketpair()

    def answer():
        while there.recv(1):
            there.send(b"x")

    threading.Thread(target=answer, daemon=True).start()

    def call():
        here.send(b"x")
        here.recv(1)

    return call


HTTP_Server.init(port=0)
resource = HTTP_Server.add_resource("/a", value="x" * 100)
resource.register_request_handler(HTTP_Server.GET)


def add_and_remove():
    HTTP_Server.add_resource("/b")
    HTTP_Server.remove_resource("/b")


print("Python", platform.python_version(), "on", platform.machine())
print("| call | median, µs | 99th percentile, µs |")
print("| --- | --- | --- |")
for name, call in (
    ("value()", resource.value),
    ("value(str of 100)", lambda: resource.value("y" * 100)),
    ("get_resource", lambda: HTTP_Server.get_resource("/a")),
    ("list_resource", HTTP_Server.list_resource),
    ("register_request_handler", lambda: resource.register_request_handler(HTTP_Server.GET)),
    ("add_resource and remove_resource", add_and_remove),
    ("an octet to another thread of Python and back", echo()),
):
    print("| %s | %.0f | %.0f |" % ((name,) + median(call)))
