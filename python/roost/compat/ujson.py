"""ujson: Python's json. All of it is real."""

from json import *  # noqa: F401, F403
