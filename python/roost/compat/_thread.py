"""_thread: Python's, but that the run can see the threads, and takes stacks as small as the device's.

It stands in for Python's own module in a script.
"""

import _thread as _python
import threading

globals().update((name, value) for name, value in vars(_python).items() if not name.startswith("__"))

_SMALLEST = 1 << 18  # octets of a stack that Python code can be sure to run on


def start_new_thread(function, args, kwargs={}):
    """Runs function(*args, **kwargs) on a new thread, and returns its identifier."""
    thread = threading.Thread(target=_quietly, args=(function, args, kwargs), daemon=True)
    thread.start()
    return thread.ident


start_new = start_new_thread


def _quietly(function, args, kwargs):
    """Lets exit() end a thread, whatever was set to report exceptions."""
    try:
        function(*args, **kwargs)
    except SystemExit:
        pass


def stack_size(size=0):
    """Returns the stack size of new threads and sets it. Sizes that do for the device leave it as it is."""
    if 0 < size < _SMALLEST:
        return _python.stack_size()
    return _python.stack_size(size)
