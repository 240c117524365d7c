"""What the tests of mcx share: real servers, runs of mcx, and how a run is judged.

Every server listens on loopback, on a free port, and is ended by its pid.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import time
import unittest

LONGEST_CALL = 20  # seconds, for one run of mcx
ALL_BYTES = bytes(range(256))
TEXT_SAFE = bytes(b for b in range(0x21, 0x100) if b != 0x7F)


def program():
    return os.environ["MCX"]


def memcached():
    return os.environ.get("MEMCXX_TEST_MEMCACHED") or "/usr/bin/memcached"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A memcached of its own."""

    def __init__(self):
        self.port = 0
        self.name = ""
        self.process = None

    def start(self):
        for _ in range(5):  # the free port may be taken before memcached gets there
            self.port = free_port()
            self.name = f"127.0.0.1:{self.port}"
            command = [memcached(), "-l", "127.0.0.1", "-p", str(self.port), "-U", "0",
                       "-m", "64", "-t", "1"]
            if os.geteuid() == 0:
                command += ["-u", "nobody"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            atexit.register(self.end)
            if self.answers():
                return self
            self.end()
        raise RuntimeError("memcached does not start")

    def answers(self):
        until = time.monotonic() + 5
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as s:
                    s.sendall(b"version\r\n")
                    if s.recv(64).startswith(b"VERSION"):
                        return True
            except OSError:
                time.sleep(0.02)
        return False

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)


class Ran:
    def __init__(self, done, took):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        self.took = took

    @property
    def lines(self):
        return self.out.decode("utf-8").splitlines()

    @property
    def objects(self):
        return [json.loads(line) for line in self.lines]

    def __repr__(self):
        return f"exit {self.code}, stdout {self.out[:300]!r}, stderr {self.err[:300]!r}"


def mcx(*args, stdin=b"", servers=None, env=None, **popen):
    """Runs mcx with arguments that are str or bytes."""
    command = [program()]
    if servers is not None:
        command += ["--servers", servers]
    # Where time is not the question, a busy machine must not be the answer.
    if servers is not None and not any("timeout" in str(a) for a in (servers, *args)):
        command += ["--timeout", "10s", "--connect-timeout", "10s"]
    command += args
    environment = {k: v for k, v in os.environ.items() if k != "MEMCXX_SERVERS"}
    environment.update(env or {})
    if "stdout" not in popen:
        popen["stdout"] = subprocess.PIPE
    begin = time.monotonic()
    done = subprocess.run(command, input=stdin, stderr=subprocess.PIPE, env=environment,
                          timeout=LONGEST_CALL, check=False, **popen)
    return Ran(done, time.monotonic() - begin)


class Case(unittest.TestCase):
    def assert_ran(self, ran, code=0, out=None, err=None):
        """err: None for silence, else a text that the one line of complaint holds."""
        self.assertEqual(ran.code, code, ran)
        if out is not None:
            self.assertEqual(ran.out, out, ran)
        if err is None:
            self.assertEqual(ran.err, b"", ran)
        else:
            self.assertEqual(ran.err.count(b"\n"), 1, ran)
            self.assertTrue(ran.err.startswith(b"mcx: ") and ran.err.endswith(b"\n"), ran)
            self.assertIn(err.encode(), ran.err, ran)


# Started once for the whole run; see mcx_test.py.
MAIN = Server()
OTHER = Server()
