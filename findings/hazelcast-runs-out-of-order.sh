#!/usr/bin/env bash
# Hazelcast 5.5.0: commands that one connection sends in one write are run in any order; answers stay in the order of the commands, and do not tell.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_hazelcast

say "20 incr by 1 of one key in one write: memcached answers 1, 2, 3, … 20; up to 100 tries"
timeout 100 python3 - "$port" <<'PYTHON' || fail "always in order"
import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) as connection:
    stream = connection.makefile("rb")
    for tried in range(1, 101):
        connection.sendall(b"set n 0 0 1\r\n0\r\n")
        assert stream.readline() == b"STORED\r\n"
        connection.sendall(b"incr n 1\r\n" * 20)
        got = [int(stream.readline()) for _ in range(20)]
        if got != sorted(got):
            break
    else:
        sys.exit(1)
    print("try", tried, got)
    assert sorted(got) == list(range(1, 21)), "not each number once"
PYTHON
