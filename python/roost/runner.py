"""Started by the binary as: python3 DIR/roost/runner.py SCRIPT [ARG...]

This file has to be understood by any Python, so that an old one can be told that
it is too old.
"""

import os
import sys

if sys.version_info < (3, 8):
    sys.stderr.write("roost: %s is Python %d.%d; scripts need 3.8 or later. Give another with --python PATH.\n"
                     % (sys.executable, sys.version_info[0], sys.version_info[1]))
    sys.exit(1)

HERE = os.path.dirname(os.path.abspath(__file__))

# Python put this folder first on the path, but its modules are those of a package.
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != HERE]
sys.path.insert(0, os.path.dirname(HERE))
from roost import script  # noqa: E402
del sys.path[0]

script.run(sys.argv[1], sys.argv[2:])
