"""network: HTTP_Server and HTTP_Client are real, WLAN is the network that is there anyway."""

from roost.client import HTTP_Client
from roost.resource import HTTP_Resource
from roost.server import HTTP_Server
from roost.wlan import AP_IF, STA_IF, STAT_CONNECTING, STAT_GOT_IP, STAT_IDLE, STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD, WLAN


class Server:
    """The device's own FTP and Telnet servers, which scripts turn off: there are none here."""

    def __init__(self, *args, **kwargs):
        """Takes every setting, as the other calls do. Nothing is started."""

    def init(self, *args, **kwargs):
        """Starts nothing."""

    def deinit(self):
        """Ends nothing."""

    def isrunning(self):
        """Returns False."""
        return False


__all__ = [
    "AP_IF", "HTTP_Client", "HTTP_Resource", "HTTP_Server", "STA_IF", "Server", "STAT_CONNECTING", "STAT_GOT_IP", "STAT_IDLE",
    "STAT_NO_AP_FOUND", "STAT_WRONG_PASSWORD", "WLAN",
]
