"""ure: Python's re. All of it is real."""

from re import *  # noqa: F401, F403
