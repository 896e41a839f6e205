"""uselect: Python's select. All of it is real."""

from select import *  # noqa: F401, F403
