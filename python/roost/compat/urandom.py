"""urandom: Python's random. All of it is real."""

from random import *  # noqa: F401, F403
