"""The modules of the device, the paths below /flash, and what time has beside Python's."""

import builtins
import contextlib
import io
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

import _thread
import machine
import network
import pycom
import roost.flash
import roost.settings
import ubinascii
import ujson
import uos
import usocket
import utime
from harness import SECONDS, Calls


class Time(unittest.TestCase):
    def test_names(self):
        for name in ("sleep_ms", "sleep_us", "ticks_ms", "ticks_us", "ticks_cpu", "ticks_add", "ticks_diff"):
            self.assertIs(getattr(utime, name), getattr(time, name))
        self.assertIs(utime.sleep, time.sleep)

    def test_sleep(self):
        for sleep, amount in ((time.sleep_ms, 20), (time.sleep_us, 20000)):
            before = time.monotonic()
            sleep(amount)
            self.assertGreaterEqual(time.monotonic() - before, 0.02)

    def test_ticks(self):
        with mock.patch("time.monotonic_ns", return_value=(1 << 30) * 1000000 + 7000000):
            self.assertEqual(time.ticks_ms(), 7)
        with mock.patch("time.monotonic_ns", return_value=((1 << 30) + 8) * 1000):
            self.assertEqual(time.ticks_us(), 8)
        self.assertLess(time.ticks_cpu(), 1 << 30)

    def test_diff(self):
        last = (1 << 30) - 1
        for end, start, diff in ((5, 3, 2), (3, 5, -2), (1, last, 2), (last, 1, -2), (1 << 29, 0, -(1 << 29)), ((1 << 29) - 1, 0, (1 << 29) - 1)):
            self.assertEqual(time.ticks_diff(end, start), diff)
        self.assertEqual(time.ticks_add(last, 2), 1)
        self.assertEqual(time.ticks_add(1, -2), last)


class Flash(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        patch = mock.patch.object(roost.settings, "FLASH", self.folder)
        patch.start()
        self.addCleanup(patch.stop)

    def test_open(self):
        for opened in (builtins.open, io.open, open):
            with opened("/flash/a.txt", "w") as file:
                file.write("x")
            with open(os.path.join(self.folder, "a.txt")) as file:
                self.assertEqual(file.read(), "x")
            os.remove("/flash/a.txt")
        self.assertEqual(os.listdir("/flash"), [])

    def test_functions(self):
        os.makedirs("/flash/a/b")
        os.mkdir("/flash/c")
        self.assertEqual(sorted(os.listdir("/flash/")), ["a", "c"])
        self.assertEqual(sorted(entry.name for entry in os.scandir("/flash")), ["a", "c"])
        os.rename("/flash/c", "/flash/d")
        os.replace(src="/flash/d", dst="/flash/e")
        os.rmdir(b"/flash/e")
        with open("/flash/a/f", "w"):
            pass
        os.utime("/flash/a/f", (1, 2))
        self.assertEqual(os.stat("/flash/a/f").st_mtime, 2)
        self.assertEqual(os.path.getsize("/flash/a/f"), 0)
        self.assertTrue(os.access("/flash/a/f", os.R_OK))
        self.assertTrue(os.path.isdir("/flash/a/b"))
        os.unlink("/flash/a/f")
        self.assertFalse(os.path.exists("/flash/a/f"))
        self.assertEqual([(name, kind) for name, kind, _, _ in uos.ilistdir("/flash")], [("a", 0x4000)])

    def test_chdir(self):
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir("/flash")
        self.assertEqual(os.path.realpath(os.getcwd()), os.path.realpath(self.folder))

    def test_where_paths_lead(self):
        join = os.path.join
        for path, real in (("/flash", self.folder), ("/flash/", self.folder), ("/flash/a/../b", join(self.folder, "b")),
                           (pathlib.PurePosixPath("/flash/a"), join(self.folder, "a")), (b"/flash/a", os.fsencode(join(self.folder, "a"))),
                           ("/flashes", "/flashes"), ("flash/a", "flash/a"), ("/a/flash/b", "/a/flash/b"), (3, 3), (None, None)):
            with self.subTest(path):
                self.assertEqual(roost.flash.real(path), real)

    def test_nothing_leads_out(self):
        for path in ("/flash/../etc", "/flash/a/../../etc", "/flash/../flashes", b"/flash/..", "/flash/.."):
            with self.subTest(path), self.assertRaises(OSError):
                open(path)
        with self.assertRaises(OSError):
            os.rename("/flash/a", "/flash/../a")

    def test_descriptors_and_other_paths_stay(self):
        with tempfile.TemporaryFile() as file:
            self.assertEqual(os.stat(file.fileno()).st_size, 0)
            with open(os.dup(file.fileno()), "rb") as again:
                self.assertEqual(again.read(), b"")
        self.assertEqual(os.listdir(self.folder), [])

    def test_nvs(self):
        with mock.patch.object(pycom, "_NVS", os.path.join(self.folder, ".nvs.json")):
            pycom.nvs_set("count", 7)
            pycom.nvs_set("name", "é")
            self.assertEqual((pycom.nvs_get("count"), pycom.nvs_get("name")), (7, "é"))
            pycom.nvs_erase("count")
            self.assertIsNone(pycom.nvs_get("count", None))
            with self.assertRaises(ValueError):
                pycom.nvs_get("count")
            with self.assertRaises(KeyError):
                pycom.nvs_erase("count")
            with self.assertRaises(TypeError):
                pycom.nvs_set("name", b"x")
            self.assertEqual(os.listdir("/flash"), [".nvs.json"])
            pycom.nvs_erase_all()
            self.assertEqual(pycom.nvs_get("name", "none"), "none")


class Machine(unittest.TestCase):
    def test_pin(self):
        pin = machine.Pin("P9", mode=machine.Pin.OUT)
        self.assertEqual((pin(), pin.value(), pin.id(), pin.mode()), (0, 0, "P9", machine.Pin.OUT))
        pin(1)
        self.assertEqual((pin(), machine.Pin("P9").value()), (1, 1))
        pin.toggle()
        self.assertEqual(pin(), 0)
        pin.value(True)
        self.assertEqual(pin(), 1)
        self.assertEqual(machine.Pin("P10", mode=machine.Pin.IN, pull=machine.Pin.PULL_UP)(), 1)
        machine.Pin.exp_board.P9(0)
        self.assertEqual(pin(), 0)

    def test_no_hardware(self):
        self.assertEqual(machine.ADC().channel(pin="P16")(), 0)
        channel = machine.PWM(0, frequency=5000).channel(0, pin="P12", duty_cycle=0.25)
        channel.duty_cycle(0.5)
        self.assertEqual(channel.duty_cycle(), 0.5)
        for bus in (machine.I2C, machine.SPI):
            with self.assertRaises(OSError):
                bus(0)
        with self.assertRaises(OSError):
            machine.UART(1, 9600)
        machine.WDT(timeout=1).feed()

    def test_terminal(self):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            terminal = machine.UART(0, 115200)
            uos.dupterm(terminal)
            self.assertEqual(terminal.write(b"a\xe9"), 2)
            self.assertEqual(terminal.write("b"), 1)
        self.assertEqual(printed.getvalue(), "a\xe9b")
        self.assertEqual((terminal.any(), terminal.read()), (0, None))

    def test_other_servers(self):
        self.assertFalse(network.Server(login=("a", "b"), timeout=60).isrunning())
        network.Server().deinit()

    def test_renamed(self):
        import micropython
        import uerrno
        import ustruct
        self.assertEqual(micropython.const(7), 7)
        self.assertEqual(ustruct.pack("<H", 258), b"\x02\x01")
        self.assertEqual(uerrno.ENOENT, 2)

    def test_alarm(self):
        calls = Calls()
        alarm = machine.Timer.Alarm(calls, ms=1, periodic=True)
        self.assertEqual([calls.next(), calls.next()], [(alarm,), (alarm,)])
        alarm.cancel()
        machine.Timer.Alarm(calls, 0.001, arg="once")
        self.assertEqual(next(call for call in iter(calls.next, None) if call != (alarm,)), ("once",))

    def test_timer(self):
        calls = Calls()
        timer = machine.Timer(0)
        timer.init(period=1, mode=machine.Timer.ONE_SHOT, callback=calls)
        self.assertEqual(calls.next(), (timer,))
        timer.deinit()

    def test_chrono(self):
        chrono = machine.Timer.Chrono()
        self.assertEqual(chrono.read(), 0)
        with mock.patch("time.monotonic_ns", side_effect=[1000000000, 3000000000, 9000000000, 9500000000]):
            chrono.start()
            chrono.stop()
            self.assertEqual((chrono.read(), chrono.read_ms(), chrono.read_us()), (2, 2000, 2000000))
            chrono.start()
            self.assertEqual(chrono.read(), 2.5)
        chrono.stop()
        chrono.reset()
        self.assertEqual(chrono.read(), 0)

    def test_clock(self):
        rtc = machine.RTC()
        self.assertTrue(rtc.synced())
        self.assertLess(abs(time.mktime(tuple(rtc.now()[:6]) + (0, 0, 0)) - time.mktime(time.gmtime())), 5)
        rtc.init((2001, 2, 3, 4, 5, 6))
        self.assertEqual(rtc.now()[:5], (2001, 2, 3, 4, 5))
        rtc.datetime((2001, 2, 3, 5, 4, 5, 6, 0))
        self.assertEqual(rtc.datetime()[:6], (2001, 2, 3, 5, 4, 5))
        rtc.ntp_sync("pool.ntp.org")
        self.assertGreater(rtc.now()[0], 2020)

    def test_identity(self):
        self.assertEqual(len(machine.unique_id()), 6)
        self.assertEqual(machine.unique_id(), machine.unique_id())
        self.assertLess(machine.rng(), 1 << 24)
        self.assertEqual(machine.reset_cause(), machine.PWRON_RESET)
        machine.enable_irq(machine.disable_irq())


class Lights(unittest.TestCase):
    def test_settings_are_remembered(self):
        for function in (pycom.heartbeat, pycom.wifi_on_boot, pycom.rgbled):
            before = function()
            function(not before)
            self.assertEqual(function(), not before)
            function(before)


class Network(unittest.TestCase):
    def test_connected(self):
        wlan = network.WLAN(mode=network.WLAN.STA, antenna=network.WLAN.EXT_ANT)
        wlan.connect("ssid", auth=(network.WLAN.WPA2, "key"), timeout=5000)
        self.assertTrue(wlan.isconnected())
        self.assertEqual((wlan.mode(), wlan.ssid(), wlan.antenna()), (network.WLAN.STA, "ssid", network.WLAN.EXT_ANT))
        self.assertEqual(wlan.scan(), [])

    def test_address(self):
        self.assertEqual(roost.settings.LISTEN_HOST, "127.0.0.1", "these tests are run with --listen-host 127.0.0.1")
        wlan = network.WLAN()
        self.assertEqual(wlan.ifconfig(), ("127.0.0.1", "255.0.0.0", "0.0.0.0", "0.0.0.0"))
        self.assertEqual(wlan.ifconfig(0), wlan.ifconfig())
        self.assertIsNone(wlan.ifconfig(id=0, config=("10.0.0.2", "255.0.0.0", "10.0.0.1", "10.0.0.1")))
        self.assertIsNone(wlan.ifconfig(("10.0.0.2", "255.0.0.0", "10.0.0.1", "10.0.0.1")))

    def test_micropython(self):
        wlan = network.WLAN(network.STA_IF)
        self.assertIsNone(wlan.active(True))
        self.assertTrue(wlan.active())
        self.assertEqual(wlan.status(), network.STAT_GOT_IP)
        wlan.config(essid="x")
        self.assertEqual(wlan.config("essid"), "x")
        self.assertEqual(wlan.config("mac"), wlan.mac().sta_mac)


class Threads(unittest.TestCase):
    def test_start(self):
        calls = Calls()
        ident = _thread.start_new_thread(lambda *args, **kwargs: calls(args, kwargs, threading.current_thread()), (1, 2), {"a": 3})
        args, kwargs, thread = calls.next()
        self.assertEqual((args, kwargs, thread.ident), ((1, 2), {"a": 3}, ident))
        self.assertTrue(thread.daemon)

    def test_exit(self):
        calls = Calls()

        def ends():
            calls(threading.current_thread())
            _thread.exit()

        _thread.start_new_thread(ends, ())
        thread = calls.next()[0]
        thread.join(SECONDS)
        self.assertFalse(thread.is_alive())

    def test_stack_size(self):
        before = _thread.stack_size()
        self.assertEqual(_thread.stack_size(4096), before)
        self.assertEqual(_thread.stack_size(), before)

    def test_the_rest_is_python_s(self):
        with _thread.allocate_lock() as held:
            self.assertTrue(held)
        self.assertIs(_thread.LockType, type(threading.Lock()))
        self.assertEqual(_thread.get_ident(), threading.get_ident())


class Others(unittest.TestCase):
    def test_json(self):
        self.assertEqual(ujson.loads(ujson.dumps({"a": [1, None]})), {"a": [1, None]})
        self.assertEqual(ujson.load(io.StringIO("1")), 1)

    def test_binascii(self):
        self.assertEqual(ubinascii.hexlify(b"\x01\xff", ":"), b"01:ff")
        self.assertEqual(ubinascii.a2b_base64("YQ=="), b"a")

    def test_uname(self):
        self.assertEqual(uos.uname().machine, uos.uname()[4])
        self.assertIsNone(uos.dupterm(None))

    def test_socket(self):
        server = usocket.socket()
        self.addCleanup(server.close)
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client = usocket.socket(usocket.AF_INET, usocket.SOCK_STREAM)
        self.addCleanup(client.close)
        client.settimeout(SECONDS)
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        self.addCleanup(accepted.close)
        accepted.settimeout(SECONDS)
        self.assertEqual(client.write(b"a line\nfour of them"), 19)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(accepted.readline(), b"a line\n")
        self.assertEqual(accepted.read(4), b"four")
        buffer = bytearray(3)
        self.assertEqual((accepted.readinto(buffer), bytes(buffer)), (3, b" of"))
        self.assertEqual(accepted.read(), b" them")
        self.assertEqual((accepted.read(), accepted.readline()), (b"", b""))

    def test_nothing_is_inherited(self):
        # Programs that the script starts see neither the modules nor the way to the engine.
        program = "import os, sys; print('ROOST_RUN' in os.environ, 'machine' in sys.modules)"
        printed = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(printed.split(), [b"False", b"False"])


if __name__ == "__main__":
    unittest.main()
