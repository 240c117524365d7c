#!/usr/bin/env python3
"""Runs a program while the servers of Endpoints.java listen for it on loopback.

usage: run.py JARS_AND_CLASSES COMMAND...

MEMCXX_INFINISPAN and MEMCXX_HAZELCAST name them. They are ended by their process ids when the
program has ended, after LIMIT seconds, or when this process is gone.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

START_SECONDS = 110  # 3 when the machine has nothing else to do
LIMIT = 55
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def start(folder, name, log):
    """A quarter of a gigabyte holds either; one core is enough to start."""
    command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
               "-cp", f"{folder}/classes:{folder}/lib/*", "Endpoints", name]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))


def port_of(process, until):
    """The number that it prints once it listens; None when it does not."""
    said = b""
    while time.monotonic() < until:
        ready, _, _ = select.select([process.stdout], [], [], 0.5)
        if not ready:
            continue
        piece = os.read(process.stdout.fileno(), 4096)
        said += piece
        for line in said.splitlines(keepends=True):
            if line.startswith(b"PORT ") and line.endswith(b"\n"):
                return int(line.split()[1])
        if not piece:
            return None
    return None


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, command = sys.argv[1], sys.argv[2:]
    # SIGTERM unwinds like an exit, so that the servers are stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    running, environment = {}, dict(os.environ)
    with tempfile.TemporaryFile() as log:
        try:
            for name in ("infinispan", "hazelcast"):
                running[name] = start(folder, name, log)
            until = time.monotonic() + START_SECONDS
            for name, process in running.items():
                port = port_of(process, until)
                if port is None:
                    log.seek(0)
                    sys.stderr.buffer.write(log.read())
                    sys.exit(f"run.py: {name} did not listen")
                environment[f"MEMCXX_{name.upper()}"] = f"127.0.0.1:{port}"
            child = subprocess.Popen(command, env=environment, start_new_session=True)
            try:
                return child.wait(timeout=LIMIT)
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
        except subprocess.TimeoutExpired:
            sys.exit("run.py: the program ran out of time")
        finally:
            for process in running.values():
                process.kill()
                process.wait()


if __name__ == "__main__":
    sys.exit(main())
