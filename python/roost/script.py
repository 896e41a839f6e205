"""Runs a script, and waits after its end for what is still to happen."""

import builtins
import importlib.machinery
import importlib.util
import os
import sys
import threading
import types

# All that is ever needed, before a module of the script's folder can stand in for what
# they import themselves.
from roost import callbacks, client, clock, control, flash, lifetime, server, settings, wlan  # noqa: F401

_COMPAT = os.path.join(lifetime.HERE, "compat")


def run(path, arguments):
    """Runs the script at path, and ends the process when nothing is left to happen."""
    code = 0
    try:
        lifetime.watch()  # an interrupt may come at once
        _prepare(path, arguments)
        _execute(path)
    except SystemExit as request:
        lifetime.script_is_over()
        lifetime.finish(request.code)
    except KeyboardInterrupt as error:
        lifetime.script_is_over()
        if lifetime.was_interrupted():
            _tell_of_interrupt()
        else:
            code = _tell_of_exception(error)
    except BaseException as error:
        lifetime.script_is_over()
        code = _tell_of_exception(error)
    lifetime.script_is_over()
    if settings.EXIT:
        _finish(code)
    _wait(code)


def _prepare(path, arguments):
    """Makes the process what the script expects."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    folder = os.path.dirname(os.path.realpath(path))
    sys.argv = [path] + arguments
    sys.path[:0] = [folder, settings.FLASH, os.path.join(settings.FLASH, "lib"), _COMPAT]
    sys.modules["_thread"] = _load("_thread")
    clock.extend()
    flash.install()


def _load(name):
    """Loads a module of the compat folder that Python would not look for, since it has its own."""
    spec = importlib.util.spec_from_file_location(name, os.path.join(_COMPAT, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _execute(path):
    """Runs the script as the module __main__, which stays so for its callbacks and threads."""
    main = types.ModuleType("__main__")
    main.__file__ = path
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        lifetime.say("can't open %s: %s" % (path, error.strerror))
        lifetime.end(1)
    exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)


def _tell_of_interrupt():
    if settings.EXIT:
        return
    if _running():
        lifetime.say("the script was interrupted; the server goes on. Ctrl-C again ends it.")
    else:
        lifetime.end(0)


def _tell_of_exception(error):
    """Prints the traceback, and returns the code that the run ends with."""
    lifetime.report(error)
    if not settings.EXIT and _running():
        lifetime.say("the script ended with an exception; the server goes on. Ctrl-C ends it.")
    return 1


def _finish(code):
    """Ends the run, once the server has stopped and its callbacks have run."""
    if _running():
        _deinit()
    while _due():
        callbacks.thread().join(_TICK)
    lifetime.finish(code)


def _deinit():
    try:
        server.HTTP_Server.deinit()
    except RuntimeError:
        pass  # a callback did it meanwhile
    except OSError:
        lifetime.end_without_engine()


# How often is looked for the end of what tells nobody of it: threads, and the
# callbacks of a server that was stopped.
_TICK = 0.1


def _wait(code):
    """Waits until nothing can happen any more, and ends the run."""
    engine = control.Connection()
    while True:
        running = _running(engine)
        if not running and not _due() and not _threads():
            lifetime.finish(code)
        lifetime.doze(engine, None if running else _TICK)


def _running(connection=control):
    """Says whether the server runs. Ends the run if there is no engine any more."""
    try:
        return connection.call("GET", control.path("server"), None)["running"]
    except OSError:
        lifetime.end_without_engine()


def _due():
    try:
        return callbacks.due()
    except OSError:
        lifetime.end_without_engine()


def _threads():
    """Returns the script's threads that are alive."""
    ours = (threading.main_thread(), callbacks.thread(), lifetime.thread())
    return [thread for thread in threading.enumerate() if thread not in ours]
