"""pycom: the light and the radio's settings are remembered and do nothing; the values of nvs are kept.

They are in the file .nvs.json of the flash folder.
"""

import json
import os
import threading

from roost import settings as _settings

FACTORY, OTA_0 = 0, 16

_NVS = os.path.join(_settings.FLASH, ".nvs.json")
_lock = threading.Lock()  # held while the file is read and written

_remembered = {
    "heartbeat": True, "heartbeat_on_boot": True, "rgbled": 0, "wifi_on_boot": True, "wdt_on_boot": False,
    "smart_config_on_boot": False, "pybytes_on_boot": False, "lte_modem_en_on_boot": False,
}


def _setting(name, new):
    if new is None:
        return _remembered[name]
    _remembered[name] = new


def heartbeat(enable=None):
    """Returns whether the light would blink, or sets it. No light does."""
    return _setting("heartbeat", enable)


def heartbeat_on_boot(enable=None):
    return _setting("heartbeat_on_boot", enable)


def rgbled(color=None):
    """Returns the colour that the light would have, or sets it. No light does."""
    return _setting("rgbled", color)


def wifi_on_boot(enable=None):
    return _setting("wifi_on_boot", enable)


def wdt_on_boot(enable=None):
    return _setting("wdt_on_boot", enable)


def smart_config_on_boot(enable=None):
    return _setting("smart_config_on_boot", enable)


def pybytes_on_boot(enable=None):
    return _setting("pybytes_on_boot", enable)


def lte_modem_en_on_boot(enable=None):
    return _setting("lte_modem_en_on_boot", enable)


def nvs_set(key, value):
    """Keeps an int or a str under key, also for later runs."""
    if not isinstance(value, (int, str)):
        raise TypeError("value must be int or str, not %s" % type(value).__name__)
    with _lock:
        _write({**_read(), key: value})


def nvs_get(key, *default):
    """Returns what is kept under key; else default, and without one ValueError."""
    with _lock:
        kept = _read()
    if key in kept:
        return kept[key]
    if default:
        return default[0]
    raise ValueError("No matching object for the provided key")


def nvs_erase(key):
    """Drops what is kept under key. KeyError if there is nothing."""
    with _lock:
        kept = _read()
        del kept[key]
        _write(kept)


def nvs_erase_all():
    """Drops everything that is kept."""
    with _lock:
        _write({})


def _read():
    try:
        with open(_NVS) as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def _write(kept):
    """Replaces the file as a whole, so that nothing is lost if the machine stops meanwhile."""
    with open(_NVS + ".new", "w") as file:
        json.dump(kept, file)
    os.replace(_NVS + ".new", _NVS)
