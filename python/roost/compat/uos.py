"""uos: Python's os, with the names that only the device has.

Files are real; those below /flash are in a folder of this machine. dupterm is not: the
terminal is the one that the script was started in.
"""

import os
import platform
from collections import namedtuple
from os import *  # noqa: F401, F403
from stat import S_ISDIR

_Name = namedtuple("uname", "sysname nodename release version machine")


def uname():
    """Returns the names of this machine and its system."""
    return _Name(*platform.uname()[:5])


def dupterm(stream=None, index=0):
    """Does nothing, and returns None: there is no other terminal."""


def ilistdir(path="."):
    """Yields (name, kind, inode, size) of each entry: kind is 0x4000 for a folder, 0x8000 for a file."""
    with os.scandir(path) as entries:
        for entry in entries:
            about = entry.stat()
            kind = 0x4000 if S_ISDIR(about.st_mode) else 0x8000
            yield entry.name, kind, about.st_ino, about.st_size


def sync():
    """Writes what the system still holds back, where it can be asked to."""
    if hasattr(os, "sync"):
        os.sync()
