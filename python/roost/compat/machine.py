"""machine: what of a microcontroller a PC can have.

Real: the clock, timers, random numbers, the identity, sleep and reset, which starts the
script over. Simulated: pins, which keep the level that the script sets and are wired to
nothing; ADC, which reads 0; PWM, which only remembers its settings; the watchdog, which
never bites. UART 0 is the terminal; other buses (I2C, SPI, UART) raise OSError: no device
answers there.
"""

import datetime
import errno
import os
import secrets
import sys
import threading
import time
import uuid

from roost import callbacks as _callbacks
from roost import lifetime as _lifetime
from roost import settings as _settings
from roost.server import HTTP_Server as _HTTP_Server

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET, BROWN_OUT_RESET = range(6)
PWRON_WAKE, PIN_WAKE, RTC_WAKE, ULP_WAKE = range(4)


class Pin:
    """A pin, by its number or name. All Pins of one name have one level."""

    IN, OUT, OPEN_DRAIN, ALT, ALT_OPEN_DRAIN, ANALOG = range(6)
    PULL_UP, PULL_DOWN = 1, 2
    IRQ_FALLING, IRQ_RISING, IRQ_LOW_LEVEL, IRQ_HIGH_LEVEL = 1, 2, 4, 8

    _levels = {}

    def __init__(self, id, mode=IN, pull=None, *, value=None, alt=-1):
        self._id, self._mode, self._pull = id, mode, pull
        if value is not None:
            self.value(value)

    def init(self, mode=IN, pull=None, *, value=None, alt=-1):
        """Sets the pin up again."""
        self.__init__(self._id, mode, pull, value=value)

    def __repr__(self):
        return "Pin(%r)" % self._id

    def __call__(self, value=None):
        return self.value(value)

    def value(self, value=None):
        """Returns the level, which is the pull-up's or 0 until one is set; or sets it."""
        if value is None:
            return self._levels.get(self._id, int(self._pull == self.PULL_UP))
        self._levels[self._id] = int(bool(value))

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not self.value())

    def id(self):
        return self._id

    def mode(self, mode=None):
        if mode is None:
            return self._mode
        self._mode = mode

    def pull(self, *pull):
        if not pull:
            return self._pull
        self._pull = pull[0]

    def hold(self, hold=None):
        """Takes the setting. A level stays anyway."""

    def callback(self, trigger, handler=None, arg=None):
        """Takes the handler, and never calls it: nothing is wired to the pin."""

    def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, **kwargs):
        """Takes the handler, and never calls it: nothing is wired to the pin."""


class _Board:
    """Pins by the names that are printed on a board: Pin.exp_board.G16."""

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return Pin(name)


Pin.exp_board = Pin.board = Pin.module = _Board()


class ADC:
    """A converter that reads 0, whatever the pin."""

    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = range(4)

    def __init__(self, id=0, *, bits=12, **kwargs):
        pass

    def init(self, *, bits=12):
        pass

    def deinit(self):
        pass

    def channel(self, id=None, *, pin=None, attn=ATTN_0DB):
        return ADCChannel()

    def atten(self, attn):
        pass

    def width(self, bits):
        pass

    def read(self):
        return 0

    def read_u16(self):
        return 0

    def vref(self, millivolts=1100):
        return millivolts


class ADCChannel:
    """One input of an ADC."""

    def __call__(self):
        return 0

    def value(self):
        return 0

    def voltage(self):
        return 0

    def init(self):
        pass

    def deinit(self):
        pass


class PWM:
    """A pulse generator that remembers its settings: Pycom's, with channels, and MicroPython's, with a pin."""

    def __init__(self, id, frequency=5000, *, freq=None, duty=0):
        self._frequency = frequency if freq is None else freq
        self._duty = duty

    def channel(self, id, pin=None, *, duty_cycle=0.5):
        return PWMChannel(duty_cycle)

    def init(self, *, freq=None, duty=None):
        self.freq(freq)
        self.duty(duty)

    def deinit(self):
        pass

    def freq(self, frequency=None):
        if frequency is None:
            return self._frequency
        self._frequency = frequency

    def duty(self, duty=None):
        if duty is None:
            return self._duty
        self._duty = duty


class PWMChannel:
    """One output of a PWM."""

    def __init__(self, duty_cycle):
        self._duty_cycle = duty_cycle

    def duty_cycle(self, duty_cycle=None):
        """Returns the part of the time that the output is high, or sets it: from 0 to 1."""
        if duty_cycle is None:
            return self._duty_cycle
        self._duty_cycle = duty_cycle


class _Bus:
    MASTER = 0

    def __init__(self, *args, **kwargs):
        raise OSError(errno.ENODEV, "machine.%s: this machine has no such bus" % type(self).__name__)


class I2C(_Bus):
    """Raises OSError: there is no bus."""


class SPI(_Bus):
    """Raises OSError: there is no bus."""

    MSB, LSB = 0, 1


class UART(_Bus):
    """UART 0 is the terminal, as scripts begin with UART(0) and os.dupterm. Any other raises OSError: there is no line."""

    EVEN, ODD = 0, 1
    RX_ANY = 1

    def __init__(self, bus=0, *args, **kwargs):
        if bus != 0:
            super().__init__()

    def init(self, *args, **kwargs):
        """Takes every setting. They change nothing."""

    deinit = init

    def any(self):
        """Returns 0: what is typed is for input()."""
        return 0

    def read(self, size=-1):
        """Returns None: nothing has come."""

    readline = read

    def write(self, octets):
        """Writes to the terminal, and returns how many octets it were."""
        text = octets if isinstance(octets, str) else octets.decode("latin-1")
        sys.stdout.write(text)
        return len(octets)


class _Alarm:
    """Calls a function after a time, or again and again, on a thread of its own."""

    def __init__(self, handler, seconds, arg, periodic):
        self._seconds, self._periodic = seconds, periodic
        self._arg = self if arg is None else arg
        self._cancelled = threading.Event()
        self._thread = None
        self.callback(handler)

    def callback(self, handler, arg=None):
        """Sets what is called, with arg; None calls nothing any more."""
        self._handler = handler
        if arg is not None:
            self._arg = arg
        if handler is None:
            self.cancel()
        elif self._thread is None:
            self._thread = threading.Thread(target=self._run, name="alarm", daemon=True)
            self._thread.start()

    def cancel(self):
        """Calls nothing any more."""
        self._cancelled.set()

    def _run(self):
        due = time.monotonic()
        while True:
            due += self._seconds
            if self._cancelled.wait(max(0, due - time.monotonic())):
                return
            _lifetime.call(self._handler, self._arg)
            if not self._periodic:
                return


class _Chrono:
    """A stopwatch."""

    def __init__(self):
        self._passed = 0  # nanoseconds up to the last stop
        self._since = None  # None while it stands still

    def start(self):
        if self._since is None:
            self._since = time.monotonic_ns()

    def stop(self):
        self._passed, self._since = self._read(), None

    def reset(self):
        self._passed = 0
        if self._since is not None:
            self._since = time.monotonic_ns()

    def read(self):
        """Returns the seconds that it ran."""
        return self._read() / 1e9

    def read_ms(self):
        return self._read() // 1000000

    def read_us(self):
        return self._read() // 1000

    def _read(self):
        running = 0 if self._since is None else time.monotonic_ns() - self._since
        return self._passed + running


class Timer:
    """MicroPython's timer, and the place of Pycom's Alarm and Chrono."""

    ONE_SHOT, PERIODIC = 0, 1
    Chrono = _Chrono

    class Alarm(_Alarm):
        """Calls handler(arg) after s seconds, ms milliseconds or us microseconds; arg is the alarm if it is left out."""

        def __init__(self, handler=None, s=0, *, ms=0, us=0, arg=None, periodic=False):
            super().__init__(handler, s + ms / 1000 + us / 1000000, arg, periodic)

    def __init__(self, id=-1, **kwargs):
        self._alarm = None
        if kwargs:
            self.init(**kwargs)

    def init(self, *, period=-1, mode=PERIODIC, callback=None):
        """Calls callback(timer) after period milliseconds."""
        self.deinit()
        self._alarm = _Alarm(callback, period / 1000, self, mode == self.PERIODIC)

    def deinit(self):
        if self._alarm is not None:
            self._alarm.cancel()

    @staticmethod
    def sleep_us(us):
        time.sleep(us / 1000000)


class RTC:
    """The clock of this machine, in UTC. Setting it changes what this object tells, and no clock."""

    def __init__(self, id=0, datetime=None):
        self._ahead = _NO_TIME
        if datetime is not None:
            self.init(datetime)

    def init(self, datetime=None, source=None):
        """Takes (year, month, day, hour, minute, second, microsecond, zone), of which three are needed."""
        if datetime is not None:
            self._set(datetime[:7])

    def now(self):
        """Returns (year, month, day, hour, minute, second, microsecond, None)."""
        now = _utc() + self._ahead
        return now.year, now.month, now.day, now.hour, now.minute, now.second, now.microsecond, None

    def datetime(self, new=None):
        """Returns MicroPython's (year, month, day, weekday, hour, minute, second, microsecond), or sets it."""
        if new is not None:
            self._set(tuple(new[:3]) + tuple(new[4:8]))
            return None
        now = _utc() + self._ahead
        return now.year, now.month, now.day, now.weekday(), now.hour, now.minute, now.second, now.microsecond

    def ntp_sync(self, server, *args, **kwargs):
        """Asks nobody: the machine's clock is taken as right."""
        self._ahead = _NO_TIME

    def synced(self):
        return True

    def _set(self, fields):
        self._ahead = datetime.datetime(*fields) - _utc()


_NO_TIME = datetime.timedelta()


def _utc():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


class WDT:
    """A watchdog that never bites."""

    def __init__(self, id=0, timeout=5000):
        pass

    def init(self, timeout):
        pass

    def feed(self):
        pass


def unique_id():
    """Returns 6 octets that stay: a hardware address of the machine."""
    return uuid.getnode().to_bytes(6, "big")


def reset():
    """Stops the server, and starts the script over."""
    _start_over("reset")


def _start_over(cause):
    try:
        _HTTP_Server.deinit()
    except RuntimeError:
        pass  # there was no server
    _callbacks.forget()
    _lifetime.start_over(cause)


soft_reset = reset


def deepsleep(ms=None):
    """Sleeps, and starts the script over, as a device that wakes; without a time it never does."""
    if ms is None:
        threading.Event().wait()
    time.sleep(ms / 1000)
    _start_over("deepsleep")


def sleep(ms=0, resume_wifi=False):
    """Sleeps for ms milliseconds."""
    time.sleep(ms / 1000)


lightsleep = sleep


def idle():
    """Lets other threads run."""
    time.sleep(0)


def freq(hz=None):
    """Returns the frequency of Pycom's devices, 160 MHz: scripts count with it."""
    if hz is None:
        return 160000000


def rng():
    """Returns a random number of 24 bits."""
    return secrets.randbits(24)


def reset_cause():
    """Returns what started the script: DEEPSLEEP_RESET after deepsleep, SOFT_RESET after reset, else PWRON_RESET."""
    return {"deepsleep": DEEPSLEEP_RESET, "reset": SOFT_RESET}.get(_settings.STARTED_BY, PWRON_RESET)


def wake_reason():
    """Returns (RTC_WAKE, []) after deepsleep, else (PWRON_WAKE, [])."""
    return (RTC_WAKE if _settings.STARTED_BY == "deepsleep" else PWRON_WAKE), []


def disable_irq():
    """Returns a state for enable_irq. Nothing is held back."""
    return 0


def enable_irq(state=0):
    """Takes the state of disable_irq."""


def main(filename):
    """Takes the file that a device would run after its start. There, the script is all there is."""


def info():
    """Prints what machine this is."""
    print(os.uname() if hasattr(os, "uname") else os.name)
