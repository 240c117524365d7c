"""memcached servers of one's own, and the program that is measured on them.

Never here: what is measured.
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 10
MEMCACHED = os.environ.get("MEMCXX_TEST_MEMCACHED") or "/usr/bin/memcached"


def pinned(core, command):
    """The command, on one core; anywhere when core is None."""
    return command if core is None else ["taskset", "-c", str(core), *command]


def _port_of(port_file, process):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if port_file.exists():
            for line in port_file.read_text().splitlines():
                if line.startswith("TCP INET:"):
                    return int(line.split(":")[1])
        if process.poll() is not None:
            sys.exit(f"memcached ended with {process.returncode} before it listened")
        time.sleep(0.01)
    sys.exit(f"memcached did not listen within {START_SECONDS} s")


def _path_of(path, process):
    deadline = time.monotonic() + START_SECONDS
    while not path.is_socket():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit("memcached made no socket")
        time.sleep(0.01)
    return f"unix:{path}"


@contextlib.contextmanager
def servers(count, core=0, unix=False, megabytes=1024, connections=4096):
    """So many servers of one thread each, all on one core; yields their addresses. Loopback TCP on
    ports that the system picks, or unix sockets."""
    if shutil.which(MEMCACHED) is None:
        sys.exit(f"there is no {MEMCACHED}")
    # SIGTERM unwinds like an exit, so that the servers are stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    running, names = [], []
    with tempfile.TemporaryDirectory(prefix="memcxx-bench-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        command = [MEMCACHED, "-U", "0", "-t", "1", "-m", str(megabytes), "-I", "16m",
                   "-c", str(connections), "-b", "1024"]
        if os.getuid() == 0:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
            command += ["-u", "nobody"]
        try:
            for number in range(count):
                port_file, path = folder / f"port.{number}", folder / f"socket.{number}"
                where = ["-s", str(path), "-a", "777"] if unix else ["-l", "127.0.0.1", "-p", "-1"]
                process = subprocess.Popen(
                    pinned(core, command + where), stdin=subprocess.DEVNULL,
                    env={**os.environ, "MEMCACHED_PORT_FILENAME": str(port_file)})
                running.append(process)
                names.append(_path_of(path, process) if unix
                             else f"127.0.0.1:{_port_of(port_file, process)}")
            yield names
        finally:
            for process in running:
                process.kill()
                process.wait()


class Bench:
    """The C++ program."""

    def __init__(self, program):
        self.program = str(program)

    def list(self):
        """What it can run: objects with workload, client, limit, items, threads."""
        out = subprocess.run([self.program, "--list"], check=True, capture_output=True, text=True)
        return [json.loads(line) for line in out.stdout.splitlines()]

    def command(self, servers, workload, client, *more):
        return [self.program, "--servers", ",".join(servers), "--workload", workload,
                "--client", client, *more]


class Python:
    """The program that runs Python's clients, in an environment that has them."""

    def __init__(self, interpreter):
        self.words = [str(interpreter), str(ROOT / "bench/python_client.py")]

    def list(self):
        out = subprocess.run([*self.words, "--list"], check=True, capture_output=True, text=True)
        return [json.loads(line) for line in out.stdout.splitlines()]

    def command(self, where, workload, client, *more):
        return [*self.words, "--servers", ",".join(where), "--workload", workload,
                "--client", client, *more]


def run(command, timeout=300, **variables):
    """What a measured program printed: one object. Ends this program when that one failed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **variables})
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])
