"""What the binary says about this run, taken out of the environment.

The two variables are removed, so that programs which the script starts do not
inherit the way to the engine.
"""

import json
import os

_CONTROL = os.environ.pop("ROOST_CONTROL")
_RUN = os.environ.pop("ROOST_RUN")
_run = json.loads(_RUN)

CONTROL = _CONTROL  # unix:///path or http://127.0.0.1:PORT
TOKEN = _run["token"]  # empty on a Unix socket
FLASH = _run["flash"]  # where /flash leads
LISTEN_HOST = _run["listen_host"]  # empty: every interface
PORTS = {int(asked): port for asked, port in _run["ports"].items()}
INSECURE_CLIENT = _run["insecure_client"]
EXIT = _run["exit"]  # end when the script ends
PRIVATE = _run["private"]  # the folder of this run, the engine's to remove


def environment():
    """Returns the variables as they came, for a run that starts over."""
    return {"ROOST_CONTROL": _CONTROL, "ROOST_RUN": _RUN}
