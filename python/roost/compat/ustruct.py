"""ustruct: Python's struct. All of it is real."""

from struct import *  # noqa: F401, F403
