"""ucollections: Python's collections. All of it is real."""

from collections import *  # noqa: F401, F403
