"""utime: time, with the sleep_ms and ticks_ms family that it has in a script. All of it is real."""

from time import *  # noqa: F401, F403
