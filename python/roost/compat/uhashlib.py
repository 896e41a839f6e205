"""uhashlib: Python's hashlib. All of it is real."""

from hashlib import *  # noqa: F401, F403
