"""What the binary says about this run, taken out of the environment.

The variable is removed, so that programs which the script starts do not inherit the
way to the engine.
"""

import json
import os

_run = json.loads(os.environ.pop("ROOST_RUN"))

CONTROL = _run["control"]  # unix:///path or http://127.0.0.1:PORT
TOKEN = _run["token"]  # empty on a Unix socket
FLASH = _run["flash"]  # where /flash leads
LISTEN_HOST = _run["listen_host"]  # empty: every interface
PORTS = {int(asked): port for asked, port in _run["ports"].items()}
INSECURE_CLIENT = _run["insecure_client"]
EXIT = _run["exit"]  # end when the script ends
PRIVATE = _run["private"]  # the folder of this run, the engine's to remove
STARTED_BY = _run.get("started_by", "")  # what started the script over: reset, deepsleep


def environment(started_by):
    """Returns the variable for a run that is started over by something."""
    return {"ROOST_RUN": json.dumps({**_run, "started_by": started_by})}
