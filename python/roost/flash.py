"""Where paths below /flash lead: into a folder of this machine."""

import builtins
import errno
import functools
import io
import os
import posixpath

from roost import settings

# Each with the number of paths that it takes.
_WRAPPED = {
    "access": 1, "chdir": 1, "listdir": 1, "lstat": 1, "mkdir": 1, "open": 1, "remove": 1, "rename": 2,
    "replace": 2, "rmdir": 1, "scandir": 1, "stat": 1, "unlink": 1, "utime": 1,
}


def real(path):
    """Returns where path leads. What is not /flash nor below it is returned as it is.

    Raises OSError for a path that climbs out of /flash.
    """
    try:
        given = os.fspath(path)
    except TypeError:
        return path  # a file descriptor, or what Python will refuse by itself
    name = os.fsdecode(given)
    if not _is_below(name):
        return path
    normal = posixpath.normpath(name)
    if not _is_below(normal):
        raise OSError(errno.EACCES, "the path leads out of /flash", name)
    found = os.path.join(settings.FLASH, *normal.split("/")[2:])
    return os.fsencode(found) if isinstance(given, bytes) else found


def _is_below(name):
    return name == "/flash" or name.startswith("/flash/")


def install():
    """Makes open and the functions of os that take paths follow /flash."""
    builtins.open = io.open = _following(open, 1)
    for name, paths in _WRAPPED.items():
        original = getattr(os, name)
        wrapped = _following(original, paths)
        setattr(os, name, wrapped)
        for able in (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks):
            if original in able:
                able.add(wrapped)


def _following(function, paths):
    @functools.wraps(function)
    def following(*args, **kwargs):
        given = tuple(real(path) for path in args[:paths]) + args[paths:]
        for name in ("path", "file", "src", "dst"):
            if name in kwargs:
                kwargs[name] = real(kwargs[name])
        return function(*given, **kwargs)
    return following
