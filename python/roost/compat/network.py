"""network: the server and the client are real, WLAN is the network that is there anyway."""

from roost.client import HTTP_Client
from roost.resource import HTTP_Resource
from roost.server import HTTP_Server
from roost.wlan import AP_IF, STA_IF, STAT_CONNECTING, STAT_GOT_IP, STAT_IDLE, STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD, WLAN

__all__ = [
    "AP_IF", "HTTP_Client", "HTTP_Resource", "HTTP_Server", "STA_IF", "STAT_CONNECTING", "STAT_GOT_IP", "STAT_IDLE",
    "STAT_NO_AP_FOUND", "STAT_WRONG_PASSWORD", "WLAN",
]
