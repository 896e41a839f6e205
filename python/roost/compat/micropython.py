"""micropython: what scripts say to the compiler of the device. It changes nothing here."""


def const(value):
    """Returns value, a constant."""
    return value


def native(function):
    """Returns function as it is."""
    return function


viper = native


def opt_level(level=None):
    """Returns 0, and takes a level."""
    if level is None:
        return 0


def mem_info(verbose=None):
    """Prints nothing: this machine has other memory."""


def kbd_intr(character):
    """Takes a character. Ctrl-C stays what interrupts."""


def alloc_emergency_exception_buf(size):
    """Takes a size."""
