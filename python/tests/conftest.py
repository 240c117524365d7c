"""memcached servers for the tests.

Each is started by the test run itself, on a port that the system picks, and ended by its process
id.
`server`, `servers4` and `unix_server` are addresses as every client understands them, shared by the
whole run; `flush` and `flush4` are the same, emptied first. A test that stops or kills a server
starts its own with `new_server()`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple

import pytest

os.environ["MEMCXX_LEAK_WARNINGS"] = "1"  # of this process, and of those that tests start

from faces import face, make  # noqa: E402, F401  (fixtures for all tests)

_START_LIMIT = 10.0  # seconds
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _die_with_the_tests() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, 0))
        return s.getsockname()[1]


class ServerProcess:
    """One memcached. It comes back at the same address after restart().

    `host`: an address to listen on; None: a unix socket. `options`: more words for its command
    line, as ["-I", "8m"]. Use as a context manager, or call close().
    """

    def __init__(self, host: Optional[str] = "127.0.0.1", options: Optional[List[str]] = None):
        self._binary = os.environ.get("MEMCXX_TEST_MEMCACHED") or "/usr/bin/memcached"
        self._options = list(options or [])
        self._process: Optional[subprocess.Popen] = None
        self._folder = tempfile.mkdtemp(prefix="memcxx-test-")
        os.chmod(self._folder, 0o777)  # a server that may not run as root makes its socket here
        self.host = host
        self.port = 0
        self.path = str(Path(self._folder) / "socket")
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        """"127.0.0.1:port", "[::1]:port" or "unix:/path"."""
        if self.host is None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _start(self) -> None:
        deadline = time.monotonic() + _START_LIMIT
        while True:
            port = self.port or (_free_port(self.host) if self.host else 0)
            self._launch(port)
            while self._process.poll() is None and time.monotonic() < deadline:
                if self._answers(port):
                    self.port = port
                    return
                time.sleep(0.005)
            # Somebody took the port in between, or it is not free again yet.
            self._end()
            if time.monotonic() >= deadline:
                raise RuntimeError(f"memcached did not start at {self.address}")
            time.sleep(0.02)

    def _launch(self, port: int) -> None:
        words = [self._binary, "-U", "0", "-t", "1", "-m", "64"]
        if self.host is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            words += ["-s", self.path, "-a", "777"]
        else:
            words += ["-l", self.host, "-p", str(port)]
        who = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._process = subprocess.Popen(
            words + self._options, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=_die_with_the_tests, **who)

    def connect(self, port: Optional[int] = None, timeout: float = 5.0) -> socket.socket:
        """A plain socket to the server, for looking past every client."""
        if self.host is None:
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.settimeout(timeout)
            try:
                s.connect(self.path)
            except BaseException:
                s.close()
                raise
            return s
        return socket.create_connection((self.host, port or self.port), timeout)

    def ask(self, request: bytes, until: bytes = b"\r\n") -> bytes:
        """Sends bytes, and returns the answer up to its end `until`."""
        with self.connect() as s:
            s.sendall(request)
            answer = b""
            while not answer.endswith(until):
                piece = s.recv(65536)
                if not piece:
                    break
                answer += piece
            return answer

    def _answers(self, port: int) -> bool:
        with contextlib.suppress(OSError):
            with self.connect(port, timeout=1.0) as s:
                s.sendall(b"version\r\n")
                return s.recv(256).startswith(b"VERSION")
        return False

    def _end(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait(10)
            self._process = None

    def kill(self) -> None:
        """Ends it at once. Its data is gone, and its port refuses connections."""
        self._end()

    def restart(self) -> None:
        """Ends it if it runs, and starts an empty one at the same address."""
        self._end()
        self._start()

    def stop(self) -> None:
        """Freezes it: connections are accepted by the kernel, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)  # its threads stop one by one

    def cont(self) -> None:
        """Lets a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def flush(self) -> None:
        """Drops all its items."""
        assert self.ask(b"flush_all\r\n") == b"OK\r\n"

    def close(self) -> None:
        """Ends it and removes what it left."""
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ScriptedServer:
    """Answers as a test says: `handle` is called with each connection, on a thread of its own, and
    may raise OSError when its client is gone."""

    def __init__(self, handle: Callable[[socket.socket], None]):
        self._handle = handle
        self._open: List[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                made, _ = self._listener.accept()
                made.settimeout(30)
                self.connections += 1
                self._open.append(made)
                threading.Thread(target=self._serve, args=(made,), daemon=True).start()

    def _serve(self, made: socket.socket) -> None:
        with contextlib.suppress(OSError), made:
            self._handle(made)

    def close(self) -> None:
        """No more connections, and an end to those there are."""
        for s in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


@pytest.fixture(scope="session")
def server_process() -> Iterator[ServerProcess]:
    """The process behind `server`; do not stop it, others use it."""
    with ServerProcess() as s:
        yield s


@pytest.fixture(scope="session")
def server(server_process: ServerProcess) -> str:
    """"127.0.0.1:port" of one memcached."""
    return server_process.address


@pytest.fixture(scope="session")
def server_processes4() -> Iterator[List[ServerProcess]]:
    """The processes behind `servers4`; do not stop them, others use them."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(ServerProcess()) for _ in range(4)]


@pytest.fixture(scope="session")
def servers4(server_processes4: List[ServerProcess]) -> List[str]:
    """"127.0.0.1:port" of four memcached."""
    return [s.address for s in server_processes4]


@pytest.fixture(scope="session")
def unix_server_process() -> Iterator[ServerProcess]:
    """The process behind `unix_server`; do not stop it, others use it."""
    with ServerProcess(host=None) as s:
        yield s


@pytest.fixture(scope="session")
def unix_server(unix_server_process: ServerProcess) -> str:
    """"unix:/path" of one memcached."""
    return unix_server_process.address


@pytest.fixture
def flush(server_process: ServerProcess) -> str:
    """`server`, emptied."""
    server_process.flush()
    return server_process.address


@pytest.fixture
def flush4(server_processes4: List[ServerProcess]) -> List[str]:
    """`servers4`, emptied."""
    for s in server_processes4:
        s.flush()
    return [s.address for s in server_processes4]


@pytest.fixture
def stored(server_process: ServerProcess) -> Callable[[str], Optional[Tuple[int, bytes]]]:
    """stored(key) -> (flags, bytes) of an item of `server`, past every client; or None."""
    def look(key: str) -> Optional[Tuple[int, bytes]]:
        answer = server_process.ask(b"get " + key.encode() + b"\r\n", b"END\r\n")
        if answer == b"END\r\n":
            return None
        head, _, rest = answer.partition(b"\r\n")
        _, _, flags, size = head.split()
        return int(flags), rest[:int(size)]
    return look


@pytest.fixture
def put(server_process: ServerProcess) -> Callable[[str, int, bytes], None]:
    """put(key, flags, bytes) stores an item on `server`, past every client."""
    def store(key: str, flags: int, data: bytes) -> None:
        line = b"set %s %d 0 %d\r\n" % (key.encode(), flags, len(data))
        assert server_process.ask(line + data + b"\r\n") == b"STORED\r\n"
    return store


@pytest.fixture
def new_server() -> Iterator[Callable[..., ServerProcess]]:
    """new_server(...) starts a ServerProcess of the test's own, which ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(ServerProcess(*args, **options))


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[socket.socket], None]], ScriptedServer]]:
    """scripted(handle) starts a ScriptedServer, which ends with the test."""
    with contextlib.ExitStack() as stack:
        def start(handle: Callable[[socket.socket], None]) -> ScriptedServer:
            return stack.enter_context(contextlib.closing(ScriptedServer(handle)))
        yield start
