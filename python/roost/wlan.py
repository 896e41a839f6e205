"""WLAN: the network that the machine has anyway.

Nothing is switched or joined: a WLAN is connected at once, whatever is asked for. Its
address and its hardware address are real.
"""

import collections
import socket
import uuid

from roost import settings

_Scanned = collections.namedtuple("wlan", "ssid bssid sec channel rssi")
_Macs = collections.namedtuple("mac", "sta_mac ap_mac")

_NO_ADDRESS = "0.0.0.0"


class WLAN:
    """A network interface, as on the device: Pycom's calls, and those of MicroPython."""

    STA, AP, STA_AP = 1, 2, 3
    WEP, WPA, WPA2, WPA2_ENT = 1, 2, 3, 5
    INT_ANT, EXT_ANT, MAN_ANT = 0, 1, 2
    HT20, HT40 = 1, 2
    SCAN_ACTIVE, SCAN_PASSIVE = 0, 1
    EVENT_PKT_MGMT, EVENT_PKT_CTRL, EVENT_PKT_DATA, EVENT_PKT_ANY = 1, 2, 4, 15

    # MicroPython's names for the two interfaces.
    IF_STA, IF_AP = 0, 1

    def __init__(self, mode=STA, *args, **kwargs):
        self._settings = {"channel": 1, "antenna": self.INT_ANT, "hostname": socket.gethostname()}
        self._active = True
        self.init(mode, *args, **kwargs)

    def init(self, mode=STA, ssid=None, **kwargs):
        """Takes every setting of the device. They can be read back and change nothing."""
        self._settings.update(kwargs, mode=mode)
        if ssid is not None:
            self._settings["ssid"] = ssid

    def deinit(self):
        """Does nothing: the machine keeps its network."""

    def connect(self, ssid=None, *args, **kwargs):
        """Is connected already; keeps the name of the network."""
        self._settings["ssid"] = ssid

    def disconnect(self):
        """Does nothing: the machine keeps its network."""

    def isconnected(self):
        """Returns True."""
        return True

    def ifconfig(self, id=0, config=None):
        """Returns (address, mask, gateway, dns). The address is real, what is not known is 0.0.0.0.

        Addresses that are given, as config or, by MicroPython, as the first argument, are
        taken and change nothing.
        """
        if config is not None or not isinstance(id, int):
            return None
        address = own_address()
        mask = "255.0.0.0" if address.startswith("127.") else "255.255.255.0"
        return address, mask, _NO_ADDRESS, _NO_ADDRESS

    def scan(self, *args, **kwargs):
        """Returns no networks: none are looked for."""
        return []

    def joined_ap_info(self):
        """Returns (bssid, ssid, primary channel, signal), of which the name alone is known."""
        return self.bssid(), self.ssid(), self.channel(), 0

    def mac(self):
        """Returns the hardware address of the machine, for both kinds of interface."""
        address = uuid.getnode().to_bytes(6, "big")
        return _Macs(address, address)

    def bssid(self):
        """Returns zeros: there is no access point."""
        return bytes(6)

    def mode(self, mode=None):
        return self._setting("mode", mode)

    def ssid(self, ssid=None):
        return self._setting("ssid", ssid)

    def auth(self, auth=None):
        return self._setting("auth", auth)

    def channel(self, channel=None):
        return self._setting("channel", channel)

    def antenna(self, antenna=None):
        return self._setting("antenna", antenna)

    def bandwidth(self, bandwidth=None):
        return self._setting("bandwidth", bandwidth)

    def country(self, country=None):
        return self._setting("country", country)

    def max_tx_power(self, power=None):
        return self._setting("max_tx_power", power)

    def hostname(self, name=None):
        return self._setting("hostname", name)

    def active(self, active=None):
        """Returns what was set last, or sets it. An interface that is not active stays connected."""
        if active is None:
            return self._active
        self._active = bool(active)

    def status(self, name=None):
        """Returns STAT_GOT_IP; a signal strength of 0 for "rssi"."""
        return 0 if name == "rssi" else STAT_GOT_IP

    def config(self, name=None, **kwargs):
        """Returns the setting called name, or takes settings."""
        self._settings.update(kwargs)
        if name == "mac":
            return self.mac().sta_mac
        if name is not None:
            return self._settings.get(name)

    def _setting(self, name, new):
        if new is None:
            return self._settings.get(name)
        self._settings[name] = new


STA_IF, AP_IF = WLAN.IF_STA, WLAN.IF_AP
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD = 201, 202


def own_address():
    """Returns the address that the server is reached at."""
    if settings.LISTEN_HOST not in ("", "0.0.0.0", "::"):
        return socket.getaddrinfo(settings.LISTEN_HOST, 0, type=socket.SOCK_DGRAM)[0][4][0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent. It only chooses the interface by which the world is reached.
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"
