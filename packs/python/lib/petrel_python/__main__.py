"""One process an action: python -u .../petrel_python

Reads the request from standard input; 3 is where the result goes, 4 the socket
of action_service.
"""

import os
import sys

# The folder of this file, put there because it was started by its path.
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]

from petrel_python import run  # noqa: E402

if __name__ == "__main__":
    for fd in (3, 4):
        os.set_inheritable(fd, False)
    run.execute(run.read_request(0), 3, 4)
