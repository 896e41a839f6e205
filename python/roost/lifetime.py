"""How a run ends, and what interrupts do.

The binary tells of each Ctrl-C by SIGUSR1, because the terminal's SIGINT reaches
every process of the script. On Windows, which has no SIGUSR1, SIGINT itself is it.
The first interrupts a running script; the next, or the first after the script's end,
ends everything.
"""

import atexit
import os
import selectors
import shutil
import signal
import socket
import sys
import threading

from roost import control, settings

HERE = os.path.dirname(os.path.abspath(__file__))

# An octet here wakes the main thread, which waits in doze after the script's end. On
# Windows a signal sends one too, since only sockets wake it there.
_waking, _awake = socket.socketpair()
_waking.setblocking(False)
_awake.setblocking(False)

_HANDLED = {signal.SIGINT, getattr(signal, "SIGUSR1", signal.SIGINT)}

# Elsewhere a signal sends its number here.
_telling, _told = socket.socketpair()
_telling.setblocking(False)
_pusher = None

_script_runs = True
_interrupted = False


def watch():
    """Takes over the signals. To be called by the main thread."""
    global _pusher
    if hasattr(signal, "SIGUSR1"):
        _pusher = threading.Thread(target=_push, name="roost interrupts", daemon=True)
        _pusher.start()
        signal.set_wakeup_fd(_telling.fileno(), warn_on_full_buffer=False)
        # A handler, and not SIG_IGN: what the script starts would inherit that.
        signal.signal(signal.SIGINT, lambda number, frame: None)
        signal.signal(signal.SIGUSR1, _interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)  # start_over blocked them
    else:
        signal.set_wakeup_fd(_waking.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, _interrupt)


def _push():
    """Pushes the main thread out of whatever it waits in when an interrupt came.

    Python runs handlers on the main thread, but the system may give a signal to any
    thread, and does so when SIGINT comes just before, as from a terminal. Then the main
    thread would sleep on. SIGINT is what pushes, because its handler does nothing.
    """
    main = threading.main_thread().ident
    while True:
        if signal.SIGUSR1 in _told.recv(4096):
            signal.pthread_kill(main, signal.SIGINT)


def thread():
    """Returns the thread that belongs to the signals, None where there is none."""
    return _pusher


def _interrupt(number, frame):
    global _interrupted
    if not _script_runs or _interrupted:
        end(0)
    _interrupted = True
    raise KeyboardInterrupt


def script_is_over():
    """Says that from now on there is no script to interrupt."""
    global _script_runs
    _script_runs = False


def was_interrupted():
    """Says whether an interrupt reached the script."""
    return _interrupted


def wake():
    """Makes doze return, from any thread."""
    try:
        _waking.send(b"\0")
    except BlockingIOError:
        pass  # it is full of octets that will do


def doze(engine, seconds):
    """Waits until wake is called, the connection engine is at its end, or seconds passed (None: no limit)."""
    if engine.socket is None:
        return  # it is at its end already
    with selectors.DefaultSelector() as selector:
        for waited in (engine.socket, _awake):
            selector.register(waited, selectors.EVENT_READ)
        selector.select(seconds)
    try:
        _awake.recv(4096)
    except BlockingIOError:
        pass


def say(sentence):
    """Tells the user something that is no output of the script."""
    print("roost: " + sentence, file=sys.stderr, flush=True)


def report(error):
    """Prints the traceback of an exception, from the first frame that is not of this package."""
    trace = error.__traceback__
    while trace is not None and os.path.dirname(trace.tb_frame.f_code.co_filename) == HERE:
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)


def call(function, *args):
    """Calls a function that the script gave. An exception prints its traceback; sys.exit ends everything."""
    try:
        function(*args)
    except SystemExit as request:
        finish(request.code)
    except BaseException as error:
        report(error)


def finish(code):
    """Ends everything as sys.exit(code) does, from any thread."""
    if code is None:
        code = 0
    elif not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    try:
        atexit._run_exitfuncs()
    except BaseException:
        pass  # it printed the traceback
    end(code & 0xFF)


def end_without_engine():
    """Ends the process because the engine has ended."""
    say(control.ended().strerror)
    _remove_folder()
    end(1)


def _remove_folder():
    """Removes the folder of the run in place of the engine."""
    shutil.rmtree(settings.PRIVATE, ignore_errors=True)


def end(code):
    """Ends the process at once, whatever threads it has."""
    if not control.alive():
        _remove_folder()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError, RuntimeError):
            pass  # nobody reads it, the script closed or replaced it, or an interrupt came within a print
    os._exit(code)


def start_over(cause):
    """Runs the same script again, in this process, from the beginning."""
    if hasattr(signal, "SIGUSR1"):
        # Handlers don't outlive exec, but what is blocked waits for those of the new run.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    sys.stdout.flush()
    sys.stderr.flush()
    os.environ.update(settings.environment(cause))
    os.chdir(_FOLDER)
    os.execv(sys.executable, [sys.executable] + _ARGUMENTS)


_FOLDER = os.getcwd()
_ARGUMENTS = list(sys.argv)
