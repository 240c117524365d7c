#!/usr/bin/env python3
"""mcx and the clients of the field on one server: each reads what the other stored, with its type,
and both store the same flags and bytes.

usage: scripts/with_servers 1 PYTHON tests/cross/cross_test.py [unittest's arguments]

PYTHON has the packages of requirements.txt. $MCX names mcx, $MEMCXX_GO_VALUES the program of go/,
$MEMCXX_SERVERS the server. `scripts/stage compat.values` sets all that up.
"""

import os
import signal
import sys
import unittest

sys.dont_write_bytecode = True

from dalli_tests import Dalli  # found by unittest here
from go_tests import Gomemcached
from python2_tests import Cmemcache, Pyermc
from python_tests import Libmc, PymemcacheCompressed, PymemcachePickle, Pylibmc, PythonMemcached

LONGEST_RUN = 110  # seconds, for everything


def out_of_time(_signal, _frame):
    raise TimeoutError(f"the tests took more than {LONGEST_RUN} seconds")


if __name__ == "__main__":
    for name in ("MCX", "MEMCXX_GO_VALUES", "MEMCXX_SERVERS"):
        if not os.environ.get(name):
            sys.exit(f"cross_test.py: ${name} is not set; run scripts/stage compat.values")
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(LONGEST_RUN)
    unittest.main()
