"""uzlib: Python's zlib. All of it is real."""

from zlib import *  # noqa: F401, F403
