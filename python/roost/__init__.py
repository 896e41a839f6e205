"""The Python side of `roost run`: what MicroPython scripts expect, on a PC.

`roost run SCRIPT` starts an engine with a control API, and then runner.py, which
runs the script with the modules of the compat folder on its path. `network` there
offers HTTP_Server, HTTP_Client and WLAN. The server itself is the engine; this package
only talks to it.

Nothing here is to be installed or imported in any other way.
"""
