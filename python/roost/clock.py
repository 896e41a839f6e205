"""What MicroPython's time module has beside Python's."""

import time

_PERIOD = 1 << 30  # ticks count up to it and begin again at 0
_HALF = _PERIOD // 2


def sleep_ms(ms):
    """Waits for ms milliseconds."""
    time.sleep(ms / 1000)


def sleep_us(us):
    """Waits for us microseconds, or somewhat longer."""
    time.sleep(us / 1000000)


def ticks_ms():
    """Returns a count of milliseconds, to be compared by ticks_diff only."""
    return time.monotonic_ns() // 1000000 % _PERIOD


def ticks_us():
    """Returns a count of microseconds, to be compared by ticks_diff only."""
    return time.monotonic_ns() // 1000 % _PERIOD


def ticks_cpu():
    """Returns the finest count there is, here nanoseconds, to be compared by ticks_diff only."""
    return time.perf_counter_ns() % _PERIOD


def ticks_add(ticks, delta):
    """Returns the count that is delta later than ticks, or earlier if delta is negative."""
    return (ticks + delta) % _PERIOD


def ticks_diff(end, start):
    """Returns how much later end is than start: from -2**29 to 2**29 - 1."""
    return (end - start + _HALF) % _PERIOD - _HALF


def extend():
    """Adds these functions to the time module."""
    for function in (sleep_ms, sleep_us, ticks_ms, ticks_us, ticks_cpu, ticks_add, ticks_diff):
        setattr(time, function.__name__, function)
