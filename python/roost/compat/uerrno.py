"""uerrno: Python's errno. All of it is real."""

from errno import *  # noqa: F401, F403
