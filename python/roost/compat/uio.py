"""uio: Python's io. All of it is real."""

from io import *  # noqa: F401, F403
