"""ubinascii: Python's binascii. All of it is real."""

from binascii import *  # noqa: F401, F403
